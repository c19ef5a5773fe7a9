"""Taking texts off pages that were written before they were forgotten."""

import json
import re
from collections.abc import Collection, Iterable
from html import unescape

from aufruf.reports.inert import inert
from aufruf.reports.privacy import masked

_TAG = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")
_SHORTEST = 20  # characters of a text; a shorter one stands in other texts too
_LONGEST = 80  # a page may cut a text off
_GONE = "A text was removed on request."


def needles(text_ids: Iterable[str], texts: Iterable[str]) -> list[str]:
    """What a page that shows one of these texts says, masked or not; what is too short to be telling is left out.

    A page of ours is looked through for more: see ``without``.
    """
    found = {form for one in text_ids if len(one) >= 8 for form in (one, masked(one, numbers=False))}
    for text in texts:
        forms = (_flat(form)[:_LONGEST] for form in (inert(text), inert(masked(text))))
        found |= {form for form in forms if len(form) >= _SHORTEST}
    return sorted(found)


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
