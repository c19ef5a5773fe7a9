"""How one text is shown: its pieces, its words, its author, and where it stands on the page."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from aufruf.reports.facts import Finding, Neighbour
from aufruf.reports.highlight import spans
from aufruf.reports.inert import hidden
from aufruf.reports.privacy import Region, masked, pieces, regions, shown_word

_LONG = 1500  # characters from which a text gets a frame that scrolls
_NEAR = 400  # characters of a neighbour that are shown
_STEPS = 3  # strengths that an eye can tell apart


@dataclass(frozen=True)
class Mark:
    """A piece of text or a word of the table; ``tone`` is the style classes, "" for plain text."""

    shown: str
    weight: float | None
    tone: str
    bar: float = 0.0  # length relative to the strongest word, 0..1


@dataclass(frozen=True)
class NeighbourView:
    """A training text as shown: masked, and cut where it is long."""

    key: str
    text_id: str
    text: str
    cut: bool
    label: str
    similarity: float


@dataclass(frozen=True)
class FindingView:
    """A finding with everything that its place on the page needs."""

    fact: Finding
    key: str
    text_id: str
    author: str | None
    pieces: list[Mark]
    words: list[Mark]
    doubts: list[str]  # why the words are not reliable
    long: bool
    controls: bool  # something invisible was made visible
    neighbours: list[NeighbourView]

    @property
    def speaking(self) -> list[Mark]:
        """The words that speak for the positive label, the strongest first."""
        return [word for word in self.words if word.tone.startswith("to")]


def views(findings: Sequence[Finding], mask: bool, numbered: bool = True) -> list[FindingView]:
    """The findings in their order; authors are ``numbered`` as they appear, or shown as they are given."""
    authors: dict[str, str] = {}
    for found in findings:
        if found.author:
            authors.setdefault(found.author, f"account {len(authors) + 1}" if numbered else found.author)
    return [_view(found, authors.get(found.author or ""), mask) for found in findings]


def in_order(shown: Sequence[FindingView], parties: Sequence[str | None]) -> list[FindingView]:
    """Party by party, in the given order, then the others by name, those without one last; the surest first in each."""
    place = {party: at for at, party in enumerate(dict.fromkeys(party for party in parties if party is not None))}

    def key(view: FindingView) -> tuple[bool, int, str, float]:
        party = view.fact.party
        return party is None, place.get(party or "", len(place)), party or "", -view.fact.probability

    return sorted(shown, key=key)


def key_of(text_id: str) -> str:
    """The name under which a text's page and its place on others are found: 16 hex digits of its id's SHA-256."""
    return hashlib.sha256(text_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def masked_id(one: str) -> str:
    """An id without the account in it; one that the mask changes ends in its ``key_of``, so that no two become one."""
    shown = masked(one, numbers=False)
    return one if shown == one else f"{shown}-{key_of(one)}"


def _view(found: Finding, author: str | None, mask: bool) -> FindingView:
    words = sorted(found.explained.words if found.explained else [], key=lambda word: -abs(word[1]))
    fold_case = found.explained is not None and found.explained.fold_case
    runs = spans(found.text, words, fold_case)
    covered: list[Region] = regions(found.text) if mask else []
    strongest = max((abs(weight) for _, weight in words if math.isfinite(weight)), default=0.0)
    return FindingView(
        fact=found,
        key=key_of(found.text_id),
        text_id=masked(found.text_id, numbers=False) if mask else found.text_id,
        author=author,
        pieces=[_mark(piece.shown, piece.weight, strongest) for piece in pieces(runs, covered)],
        words=[
            _mark(shown_word(word, runs, covered, fold_case) if mask else word, weight, strongest)
            for word, weight in words
        ],
        doubts=found.explained.doubts if found.explained else [],
        long=len(found.text) > _LONG or found.text.count("\n") > 30,
        controls=hidden(found.text),
        neighbours=[_neighbour(one, mask) for one in found.neighbours],
    )


def _neighbour(one: Neighbour, mask: bool) -> NeighbourView:
    shown = (masked(one.text) if mask else one.text).strip()
    return NeighbourView(
        key=key_of(one.text_id),
        text_id=masked(one.text_id, numbers=False) if mask else one.text_id,
        text=shown if len(shown) <= _NEAR else shown[:_NEAR].rsplit(None, 1)[0],
        cut=len(shown) > _NEAR,
        label=one.label,
        similarity=one.similarity,
    )


def _mark(shown: str, weight: float | None, strongest: float) -> Mark:
    """``to`` or ``away``, and a step 1..3 of strength relative to the strongest word of the text."""
    if weight is None or not math.isfinite(weight) or weight == 0.0:
        return Mark(shown, weight, "")
    share = abs(weight) / strongest
    step = min(max(1, math.ceil(_STEPS * share)), _STEPS)
    return Mark(shown, weight, f"{'to' if weight > 0 else 'away'} s{step}", share)
