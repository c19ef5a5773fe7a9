"""Filters that need no script: a list to choose from for each, and style rules that hide what was not chosen.

The rules hold numbers only. What a filter is called by - a party, a label - stands in the page as text alone.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aufruf.reports.finding import FindingView

_CHOSEN = {
    "call": "surest",
    "uncertain": "nearest to the threshold",
    "control": "random control",
    "mismatch": "labelled otherwise",
    "where": "asked for",
}


@dataclass(frozen=True)
class Option:
    """One value of a filter; ``name`` None: the text has none."""

    number: int
    name: str | None
    texts: int


@dataclass(frozen=True)
class Filter:
    """A question by which texts are told apart, and its answers."""

    key: str
    title: str
    options: list[Option]


@dataclass(frozen=True)
class Filters:
    """The filters of a page, the number that each text has in each, and the rules."""

    all: list[Filter]
    numbers: list[dict[str, int]]
    rules: str


def build(shown: Sequence[FindingView], parties: Sequence[str | None]) -> Filters:
    """The filters by which these texts differ; parties in the given order, other answers by how common they are."""
    found, numbers = [], [dict[str, int]() for _ in shown]
    for key, title, answer in _QUESTIONS:
        answers = [answer(view) for view in shown]
        counts = Counter(answers)
        if len(counts) < 2:
            continue
        given = [name for name in dict.fromkeys(parties) if name in counts and key == "party"]
        rest = sorted({*counts} - {*given}, key=lambda one: (-counts[one], one or ""))
        order = sorted([*given, *rest], key=lambda one: one is None)  # stable: none comes last
        options = [Option(number, name, counts[name]) for number, name in enumerate(order, 1)]
        number_of = {option.name: option.number for option in options}
        for at, name in enumerate(answers):
            numbers[at][key] = number_of[name]
        found.append(Filter(key, title, options))
    return Filters(found, numbers, "\n".join(_rule(one.key, option.number) for one in found for option in one.options))


def _rule(key: str, number: int) -> str:
    return f':root:has(#by-{key} [value="{number}"]:checked) .finding:not([data-{key}="{number}"]) {{ display: none; }}'


def _why(view: FindingView) -> str:
    return _CHOSEN.get(view.fact.chosen or "", "not explained")


def _sure(view: FindingView) -> str:
    return "clear" if view.fact.confident else "close to the threshold"


def _reliable(view: FindingView) -> str:
    if view.fact.explained is None:
        return "none"
    return "not reliable" if view.doubts else "reliable"


_QUESTIONS: list[tuple[str, str, Callable[[FindingView], str | None]]] = [
    ("party", "Party", lambda view: view.fact.party),
    ("type", "Text type", lambda view: view.fact.text_type),
    ("label", "Label", lambda view: view.fact.label),
    ("sure", "Probability", _sure),
    ("words", "Explanation", _reliable),
    ("why", "Chosen as", _why),
]
