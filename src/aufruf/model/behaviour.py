"""Behaviour tests: what a classifier must be able to do, as short German texts that people wrote for it.

After CheckList (Ribeiro, Wu, Guestrin and Singh 2020, ACL): minimum functionality asks for an answer, invariance for
the same answer after a change that means nothing, direction for a probability that rises or falls with the meaning.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aufruf import measured

Kind = Literal["minimum", "invariance", "direction"]
_RULES: dict[str, Callable[[str], str]] = {"upper case": str.upper}


@dataclass(frozen=True)
class Case:
    """One test. ``changed`` is the second text of an invariance or a direction; else ``call`` is the right answer."""

    text: str
    call: bool | None = None
    changed: str | None = None
    rises: bool = True  # of a direction: the probability of the positive


@dataclass(frozen=True)
class Capability:
    """What a group of tests is about."""

    name: str
    kind: Kind
    about: str
    cases: tuple[Case, ...]


@dataclass(frozen=True)
class Outcome:
    """How a model did at one capability; ``failed``: the cases, and the probabilities of the positive in each text."""

    capability: Capability
    passed: int
    failed: tuple[tuple[Case, tuple[float, ...]], ...]

    @property
    def of(self) -> int:
        return self.passed + len(self.failed)


def suite(name: str) -> list[Capability]:
    """The tests of the suite ``name``, which ships with the package."""
    return [Capability(one["name"], one["kind"], one["about"], tuple(_cases(one))) for one in measured.suite(name)]


def run(
    capabilities: Sequence[Capability],
    probabilities: Callable[[list[str]], npt.NDArray[np.float64]],
    says: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]],
    positive: int,
) -> list[Outcome]:
    """Ask a model all tests at once.

    ``probabilities``: texts -> (texts, labels); ``says``: these -> the labels that each text is given.
    """
    cases = [case for one in capabilities for case in one.cases]
    texts = list(dict.fromkeys(text for case in cases for text in _texts(case)))
    odds = probabilities(texts)
    said = dict(zip(texts, says(odds)[:, positive].tolist(), strict=True))
    likely = dict(zip(texts, odds[:, positive].tolist(), strict=True))
    return [_outcome(one, said, likely) for one in capabilities]


def summary(outcomes: Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """Passed and asked, for each capability."""
    return {one.capability.name: {"passed": one.passed, "of": one.of} for one in outcomes}


def _outcome(capability: Capability, said: dict[str, bool], likely: dict[str, float]) -> Outcome:
    failed = tuple(
        (case, tuple(likely[text] for text in _texts(case)))
        for case in capability.cases
        if not _holds(capability.kind, case, said, likely)
    )
    return Outcome(capability, len(capability.cases) - len(failed), failed)


def _holds(kind: Kind, case: Case, said: dict[str, bool], likely: dict[str, float]) -> bool:
    if kind == "minimum":
        return said[case.text] == case.call
    first, second = _texts(case)
    if kind == "invariance":
        return said[first] == said[second]
    return (likely[second] > likely[first]) == case.rises and likely[second] != likely[first]


def _texts(case: Case) -> tuple[str, ...]:
    return (case.text,) if case.changed is None else (case.text, case.changed)


def _cases(table: dict[str, Any]) -> list[Case]:
    """The cases of one capability: lists of texts by answer, pairs, or texts with the changes made to each."""
    kind: Kind = table["kind"]
    if kind == "minimum":
        return [Case(text, call) for key, call in (("calls", True), ("others", False)) for text in table.get(key, [])]
    if kind == "direction":
        turned = (("rises", True), ("falls", False))
        return [Case(one[0], changed=one[1], rises=up) for key, up in turned for one in table.get(key, [])]
    return [Case(text, changed=_changed(text, change)) for text in table["texts"] for change in table["changes"]]


def _changed(text: str, change: str) -> str:
    """A text with a change: a rule by its name, or a pattern that holds ``{text}``."""
    return _RULES[change](text) if change in _RULES else change.replace("{text}", text)
