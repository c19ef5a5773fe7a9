"""How one text is shown: its pieces, its words, its author, and where it stands on the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from aufruf.reports.facts import Finding
from aufruf.reports.highlight import spans
from aufruf.reports.inert import hidden
from aufruf.reports.privacy import Region, masked, pieces, regions, shown_word

_LONG = 1500  # characters from which a text gets a frame that scrolls
_STEPS = 3  # strengths that an eye can tell apart
_REASONS = {
    "uncertain": "Nearest to the threshold",
    "control": "Random control",
    "call": "Labelled positive",
    None: "Other texts",
}


@dataclass(frozen=True)
class Mark:
    """A piece of text or a word of the table; ``tone`` is the style classes, "" for plain text."""

    shown: str
    weight: float | None
    tone: str


@dataclass(frozen=True)
class FindingView:
    """A finding with everything that its place on the page needs."""

    fact: Finding
    text_id: str
    author: str | None
    pieces: list[Mark]
    words: list[Mark]
    doubts: list[str]  # why the words are not reliable
    long: bool
    controls: bool  # something invisible was made visible


@dataclass(frozen=True)
class Group:
    """Findings under one heading."""

    name: str | None
    findings: list[FindingView]


def views(findings: Sequence[Finding], mask: bool) -> list[FindingView]:
    """The findings in their order; with ``mask`` authors are numbered as they appear."""
    authors: dict[str, str] = {}
    for found in findings:
        if found.author:
            authors.setdefault(found.author, f"account {len(authors) + 1}" if mask else found.author)
    return [_view(found, authors.get(found.author or ""), mask) for found in findings]


def by_party(shown: Sequence[FindingView], order: Sequence[str | None]) -> list[Group]:
    """One group a party, in the given order, then the others by name, those without a party last."""
    found = {view.fact.party for view in shown}
    known = [party for party in order if party is not None]
    later = sorted(party for party in found if party is not None and party not in known)
    names: list[str | None] = [*dict.fromkeys(known), *later, None]
    return [
        Group(name, _surest_first([view for view in shown if view.fact.party == name]))
        for name in names
        if name in found
    ]


def by_reason(shown: Sequence[FindingView]) -> list[Group]:
    """One group for each reason why a text was explained."""
    groups = []
    for chosen, heading in _REASONS.items():
        found = [view for view in shown if (view.fact.chosen if view.fact.chosen in _REASONS else None) == chosen]
        if found:
            groups.append(Group(heading, found))
    return groups


def _view(found: Finding, author: str | None, mask: bool) -> FindingView:
    words = sorted(found.explained.words if found.explained else [], key=lambda word: -abs(word[1]))
    runs = spans(found.text, words)
    covered: list[Region] = regions(found.text) if mask else []
    strongest = max((abs(weight) for _, weight in words if math.isfinite(weight)), default=0.0)
    return FindingView(
        fact=found,
        text_id=masked(found.text_id, numbers=False) if mask else found.text_id,
        author=author,
        pieces=[_mark(piece.shown, piece.weight, strongest) for piece in pieces(runs, covered)],
        words=[_mark(shown_word(word, runs, covered) if mask else word, weight, strongest) for word, weight in words],
        doubts=found.explained.doubts if found.explained else [],
        long=len(found.text) > _LONG or found.text.count("\n") > 30,
        controls=hidden(found.text),
    )


def _mark(shown: str, weight: float | None, strongest: float) -> Mark:
    """``to`` or ``away``, and a step 1..3 of strength relative to the strongest word of the text."""
    if weight is None or not math.isfinite(weight) or weight == 0.0:
        return Mark(shown, weight, "")
    step = max(1, math.ceil(_STEPS * abs(weight) / strongest))
    return Mark(shown, weight, f"{'to' if weight > 0 else 'away'} s{min(step, _STEPS)}")


def _surest_first(shown: list[FindingView]) -> list[FindingView]:
    return sorted(shown, key=lambda view: -view.fact.probability)
