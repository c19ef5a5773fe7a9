"""Hiding persons: mentions, e-mail addresses, telephone numbers, IBANs and the paths of links.

A pattern cannot find everything: names in running text, handles written without @ or with a visible sign in them, and
addresses spelt out ("name at host") stay. Hosts of links stay too, because an editor wants to know where a call leads.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from aufruf.reports.highlight import HANDLE, IN_WORD, LINK, folding, spans
from aufruf.reports.inert import UNSEEN

_JOINT = "['’&]"  # of a name, O'Brien or Max&Moritz, between letters only
_NAME = rf"(?:{IN_WORD}|[.+%-]|(?<={IN_WORD}){_JOINT}(?={IN_WORD}))++"
_MAIL = rf"(?<![.+%-])(?<!{IN_WORD})(?<!{IN_WORD}{_JOINT}){_NAME}[@＠﹫](?:{IN_WORD}|-)+(?:\.(?:{IN_WORD}|-)+)+"
_END = r"[^\s<>]*[^\s<>.,;:!?)\]\"'»“”’…/]"
_GENDER = r"(?:innen|(?-i:in(?=/[A-ZÄÖÜ])))\b"  # Bürger.innen/Bürger, Bürger.in/Bürgerin
_BARE = (  # t.me/name, no scheme; 2.Advent/Weihnachten is none
    rf"(?<![\w.-])(?!\d{{1,2}}\.[^\W\d_])(?:[\w-]++\.)+(?!{_GENDER})(?:[^\W\d_]{{2,24}}|xn--[\w-]{{2,59}})[/?#]{_END}"
)
_SCHEME = rf"(?<!\w)[a-z][a-z\d+-]{{1,19}}://{_END}"  # of a program: tg://resolve?domain=name
_DASH = r"\-\u2010-\u2015\u2212"
_DATE = (  # with day and month, also from a day; of a month; a time with a dot
    r"\d{1,2}\.\s?\d{1,2}\.(?:\s?\d{2,4})?(?!\d|\.\d)|\d{1,2}/\d{1,2}/\d{4}(?!\d)"
    rf"|\d{{1,2}}\.?\s?[{_DASH}]\s?\d{{1,2}}\.\s?\d{{1,2}}\.(?!\d\d\.)|0\d[./](?:19|20)\d\d(?!\d)|0\d\.[0-5]\d(?![.\d]|\s?\d)"
)
_BLANK = r"[^\S\r\n\u2028\u2029]"
_BETWEEN = rf"(?:(?:{_BLANK}|[()/.{_DASH}]){{0,3}}|(?<=\d\d\d):{_BLANK}?(?=\d\d\d))"  # 18:30 is a time
_PHONE = (  # from abroad, or with a German area code: any other number is just a number
    rf"(?<![\d+＋])(?<!\d[.,/:{_DASH}])(?!{_DATE})"
    rf"(?:(?:[+＋]|00)[1-9]|\(?0{_BLANK}?[1-9])(?:{_BETWEEN}\d){{5,13}}(?!\d)"
)
_GAP = rf"(?:{_BLANK}|[.{_DASH}])?"
_IBAN = rf"(?<!{IN_WORD})(?:[A-Z]{{2}}|DE{_BLANK})\d\d(?:{_GAP}(?:[A-Z]{{4}}|[A-Z](?=\d)))?(?:{_GAP}\d){{10,28}}(?!\d)"
_FIND = re.compile(
    f"(?P<mail>{_MAIL})|(?P<link>{LINK})|(?P<scheme>{_SCHEME})|(?P<bare>{_BARE})|(?P<handle>{HANDLE})|"
    f"(?P<iban>{_IBAN})|(?P<phone>{_PHONE})",
    re.IGNORECASE,
)
_UNSEEN = re.compile(f"[{UNSEEN}\u20e3]")  # and the frame of a keycap
_FRAMED = re.compile(".\ufe0f?\u20e3")
_DIGIT = re.compile(r"(?![0-9])\d")
_SIGN = {"mail": "‹e-mail›", "handle": "@•••", "iban": "‹iban›", "phone": "‹phone›"}
_NUMBERS = {_SIGN["iban"], _SIGN["phone"]}


@dataclass(frozen=True)
class Region:
    """A part of a text, ``start`` to ``end`` in characters, and what is shown in its place."""

    start: int
    end: int
    shown: str


@dataclass(frozen=True)
class Piece:
    """A part of a text as shown, with the weight of its word."""

    shown: str
    weight: float | None
    masked: bool


def regions(text: str) -> list[Region]:
    """What to hide in a text, in order, without overlaps; looked for as if nothing invisible stood in the text.

    Digits are read as such in whatever script, in a keycap too.
    """
    seen = _DIGIT.sub(lambda digit: str(int(digit.group())), _UNSEEN.sub("", text))
    places = (
        range(len(text)) if len(seen) == len(text) else [at for at, one in enumerate(text) if not _UNSEEN.match(one)]
    )
    found = []
    for match in _FIND.finditer(seen):
        start, last = places[match.start()], places[match.end() - 1]
        framed = _FRAMED.match(text, last)
        shown = _SIGN.get(str(match.lastgroup)) or _host(match.group())
        found.append(Region(start, framed.end() if framed else last + 1, shown))
    return found


def masked(text: str, *, numbers: bool = True) -> str:
    """The text with what identifies persons replaced; ``numbers`` may stay, as in ids."""
    hidden = [region for region in regions(text) if numbers or region.shown not in _NUMBERS]
    return "".join(piece.shown for piece in pieces([(text, None)], hidden))


def masked_name(path: str) -> str:
    """A file's name without addresses and handles; part by part, or a member of an archive would read like a link."""
    return "/".join(masked(part, numbers=False) for part in path.split("/"))


def pieces(runs: Sequence[tuple[str, float | None]], hidden: Sequence[Region]) -> list[Piece]:
    """The runs of ``highlight.spans`` with the hidden regions replaced.

    A region carries the strongest weight of the words in it.
    """
    shown: list[Piece] = []
    weights: dict[Region, float] = {}
    start = 0
    for run, weight in runs:
        end = start + len(run)
        at = start
        for region in _over(hidden, start, end):
            if region.start > at:
                shown.append(Piece(run[at - start : region.start - start], weight, False))
            if weight is not None and abs(weight) > abs(weights.get(region, 0.0)):
                weights[region] = weight
            at = min(region.end, end)
            if region.end <= end:
                shown.append(Piece(region.shown, weights.get(region), True))
        if at < end:
            shown.append(Piece(run[at - start :], weight, False))
        start = end
    return shown


def shown_words(text: str, words: Sequence[tuple[str, float]], fold_case: bool = False) -> list[str]:
    """How the words of a text's explanation are written: see ``shown_word``."""
    runs, hidden = spans(text, words, fold_case), regions(text)
    return [shown_word(word, runs, hidden, fold_case) for word, _ in words]


def shown_word(
    word: str, runs: Sequence[tuple[str, float | None]], hidden: Sequence[Region], fold_case: bool = False
) -> str:
    """How a word of an explanation is written: as it is where it stands openly, else as what stands in its place."""
    text, same = "".join(run for run, _ in runs), folding(fold_case)
    inside: list[Region] = []
    start = 0
    for run, weight in runs:
        end = start + len(run)
        if same(run) == same(word) and weight is not None:
            over = _over(hidden, start, end)
            if not over:
                return word
            inside += over
        start = end
    if not inside:  # cut differently than here: then a part of something hidden is hidden too
        raw = [(region, text[region.start : region.end]) for region in hidden]
        inside = [region for region, part in raw if word in part or part in word]
    return inside[0].shown if inside else masked(word)


def _over(hidden: Sequence[Region], start: int, end: int) -> Sequence[Region]:
    """The regions that a part of the text touches."""
    first = bisect_right(hidden, start, key=lambda region: region.end)
    return hidden[first : bisect_left(hidden, end, first, key=lambda region: region.start)]


def _host(link: str) -> str:
    scheme, there, _ = link.partition("://")
    if there and scheme.lower() not in {"http", "https"}:
        return f"‹link: {scheme}:›"  # what stands where a host does may be an account
    address = link if there else f"//{link}"
    try:
        host = urlsplit(address).hostname
    except ValueError:  # brackets that are not an IPv6 address
        host = None
    return f"‹link: {host}›" if host else "‹link›"
