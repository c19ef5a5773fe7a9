"""Taking texts off pages that were written before they were forgotten."""

import json
import re
from collections.abc import Collection, Iterable
from html import unescape

from aufruf.reports.finding import masked_id
from aufruf.reports.inert import inert
from aufruf.reports.privacy import masked
from aufruf.reports.spreadsheet import safe

_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")
_KEY = re.compile(r'(?:data-text="|id="t-)([0-9a-f]{16})"')
_ID = re.compile(r"<code><bdi>([^<]*)</bdi></code>")
_TELLING = 8  # characters of an id that is not just a number of some row
_SHORTEST = 20  # characters of a text; a shorter one stands in other texts too
_LONGEST = 80  # a page may cut a text off
_GONE = "A text was removed on request."


def needles(text_ids: Iterable[str], texts: Iterable[str]) -> list[str]:
    """What a file that shows one of these texts says, masked or not; what is too short to be telling is left out.

    What we write ourselves is looked through for more: see ``without``, ``marks`` and ``named``.
    """
    found = {form for one in text_ids if len(one) >= _TELLING for form in (one, masked(one, numbers=False))}
    for text in texts:
        ways = (way(form) for form in (text, masked(text)) for way in (str, inert, safe))  # in a table, on a page
        forms = (_flat(form)[:_LONGEST] for form in ways)
        found |= {form for form in forms if len(form) >= _SHORTEST}
    return sorted(found)


def ids(text_ids: Iterable[str]) -> frozenset[str]:
    """How pages and tables of ours write these ids; masked ones only where that leaves something to tell them apart."""
    known = list(text_ids)
    forms = {*known, *map(masked_id, known), *(masked(one, numbers=False) for one in known if len(one) >= _TELLING)}
    return frozenset(way(form) for form in forms for way in (str, inert, safe))


def without(page: str, keys: Collection[str]) -> tuple[str, int]:
    """The page without the cards and neighbours of these texts (``finding.key_of``), and how many those were.

    All that comes from outside is escaped, so no text can hold the tag that ends its card.
    """
    if not any(key in page for key in keys):
        return page, 0
    listed = "|".join(map(re.escape, sorted(keys)))
    card = rf'<article class="finding" id="t-(?:{listed})".*?</article>'
    near = rf'<li class="near-text" data-text="(?:{listed})".*?</li>'
    page, cards = re.subn(card, f'<p class="aside removed">{_GONE}</p>', page, flags=re.DOTALL)
    page, beside = re.subn(near, f'<li class="near-text aside">{_GONE}</li>', page, flags=re.DOTALL)
    return page, cards + beside


def marks(page: str, keys: Collection[str], ids: Collection[str]) -> bool:
    """True when an HTML page of ours marks one of the texts by its key, or names one of the ``ids`` where ids stand."""
    return not {*_KEY.findall(page)}.isdisjoint(keys) or not {*map(unescape, _ID.findall(page))}.isdisjoint(ids)


def shows(page: str, telling: Iterable[str]) -> bool:
    """True when one of the ``needles`` can be read on the HTML page, whatever stands between the marks."""
    said = _flat(unescape(_TAG.sub("", page)))
    return any(one in said for one in telling)


def holds(pieces: Iterable[str], telling: Collection[str]) -> bool:
    """True when a text file, which comes in ``pieces``, holds one of the ``needles``; memory is that of a piece.

    Quotes and letters may be written as JSON and CSV write them. What looks like a mark is text here.
    """
    ways = {way for one in telling for way in (one, json.dumps(one)[1:-1], one.replace('"', '""'))}
    longest, said = max(map(len, ways), default=0), ""
    for piece in pieces:
        said = _SPACE.sub(" ", said[-longest:] + piece)
        if any(one in said for one in ways):
            return True
    return False


def _flat(text: str) -> str:
    return " ".join(text.split())
