"""The gate: a pure function of numbers. It knows no model, no registry, no clock. ``docs/gate.md``: what it does."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil, log, log2, sqrt
from statistics import NormalDist
from typing import Literal

from aufruf.schemas import UNKNOWN

Verdict = Literal["first", "promoted", "kept", "waiting"]
_WHERE = {"approve": "answer it in Airflow, under Required Actions", "manual": "move the alias in MLflow"}


@dataclass(frozen=True)
class Evidence:
    """What the gate may look at. Values are shares (0..1) of the gate's metric on the same frozen test rows."""

    metric: str
    challenger: str  # version
    champion: str | None
    challenger_value: float
    baseline_value: float | None
    difference: tuple[float, float, float] | None  # value, low, high of challenger - champion; None without champion
    slices: Mapping[str, float] = field(default_factory=dict)  # F1 of "party=X", of the challenger
    behaviour: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # capability: tests passed, of so many
    looks: int = 1  # challengers that were judged on these test rows, this one included
    disagreements: int | None = None  # groups of test rows on which the two answer differently; None: not counted
    over_baseline: tuple[float, float, float] | None = None  # value, low, high of challenger - baseline
    unlike_baseline: int | None = None  # as ``disagreements``, of challenger and baseline


@dataclass(frozen=True)
class Rule:
    """The classifier's [gate]."""

    margin: float
    beat_baseline: bool
    mode: Literal["auto", "approve", "manual"]
    confidence: float = 0.95  # of the interval of the difference
    floors: Mapping[str, float] = field(default_factory=dict)  # lowest F1: of "party=X"; "party=*" of each other one
    behaviour: Mapping[str, float] = field(default_factory=dict)  # lowest share of a capability's tests that hold


@dataclass(frozen=True)
class Verdicts:
    """The verdict, and the sentences that say why."""

    verdict: Verdict
    reasons: list[str]


def judge(evidence: Evidence, rule: Rule) -> Verdicts:
    """First, promoted, kept or waiting.

    A challenger is good enough when it beats the baseline, falls below no floor and, with a champion in use, when the
    interval of the difference does not reach below minus the margin, the difference itself is above the ``step`` and
    the two disagree on ``enough`` texts. Without a champion, step and disagreements are asked against the baseline from
    the second look on. Good enough is promoted in mode ``auto``; in the other modes a person decides, and the verdict
    is ``waiting``.
    """
    against = [*_baseline(evidence, rule), *_champion(evidence, rule), *_floors(evidence, rule)]
    if against:
        return Verdicts("kept", against)
    reasons = [_in_favour(evidence), *_unchecked(evidence, rule)]
    if rule.mode != "auto":
        return Verdicts("waiting", [*reasons, f"a person decides (gate mode {rule.mode!r}): {_WHERE[rule.mode]}"])
    return Verdicts("promoted" if evidence.champion else "first", reasons)


def step(evidence: Evidence, rule: Rule) -> float:
    """How far above zero the difference must be, a share: one standard error at the first look, more at later ones.

    The parameter-free Ladder (Blum and Hardt 2015, arXiv 1502.04585, section 3.1) moves only by more than one standard
    error of the paired difference. The best of k equal challengers seems better by up to sqrt(2 ln k) standard errors
    by luck alone, so on the k-th look that is the step. Without a champion it is that of the difference to the
    baseline; zero where the baseline does not count, and at the first look.
    """
    lead = evidence.difference or _over_baseline(evidence, rule)
    if lead is None:
        return 0.0
    _, low, high = lead
    error = (high - low) / (2 * NormalDist().inv_cdf(0.5 + rule.confidence / 2))
    return error * _errors(evidence.looks)


def enough(looks: int) -> int:
    """The fewest disagreements that can say anything on the ``looks``-th look: 3 at the first, 10 at the hundredth.

    Of n disagreements between equal models all favour the challenger with probability 2^-n (the exact sign test of
    McNemar 1947). Below the probability of a lead by the ``step``, if it is normal, that is from so many on; a
    bootstrap, which can only repeat the few that it has, does not know it.
    """
    return ceil(-log2(NormalDist().cdf(-_errors(looks))))


def _errors(looks: int) -> float:
    """The step in standard errors."""
    return max(1.0, sqrt(2 * log(max(1, looks))))


def looks(judged: Iterable[tuple[str, int]], challenger: str, rows: int) -> int:
    """How often the test rows were looked at, this time included.

    ``judged``: challenger and number of test rows of each decision. Each challenger is one look; the ledger only adds,
    so a look at fewer rows than there are now is a look at that share of them.
    """
    seen: dict[str, float] = {}
    for version, count in judged:
        if version != challenger:
            seen[version] = max(seen.get(version, 0.0), min(1.0, count / rows))
    return 1 + ceil(round(sum(seen.values()), 6))


def slices_of(tag: str | None) -> dict[str, float]:
    """F1 of the slices that an evaluation has written on a version, where there is one.

    The tag is JSON: {dimension: {value: {f1: {value}}}}; small slices are not in it.
    """
    found: dict[str, dict[str, dict[str, dict[str, float] | None]]] = json.loads(tag or "{}")
    return {
        f"{dimension}={value}": f1["value"]
        for dimension, values in found.items()
        for value, one in values.items()
        if (f1 := one["f1"])
    }


def behaviour_of(tag: str | None) -> dict[str, tuple[int, int]]:
    """The behaviour tests that an evaluation has written on a version: JSON {capability: {passed, of}}."""
    found: dict[str, dict[str, int]] = json.loads(tag or "{}")
    return {capability: (one["passed"], one["of"]) for capability, one in found.items()}


def sentence(verdict: str, evidence: Evidence) -> str:
    """The decision as a person says it; differences are in points of the metric (hundredths)."""
    points = evidence.difference
    if evidence.champion is None:
        score = f"{_name(evidence)} {evidence.challenger_value:.3f}"
        ending = {"first": "is the first champion", "waiting": "waits for a person"}.get(verdict, "was not taken")
        return f"version {evidence.challenger} {ending}: {score}"
    head = {"promoted": "promoted version", "kept": f"kept version {evidence.champion}: version"}.get(
        verdict, "version"
    )
    change = "" if points is None else _points(points, _name(evidence))
    tail = ", waits for a person" if verdict == "waiting" else ""
    return f"{head} {evidence.challenger} is {change}{tail}"


def _name(evidence: Evidence) -> str:
    return evidence.metric.upper().replace("_", " ")


def _points(difference: tuple[float, float, float], name: str) -> str:
    value, low, high = (100 * part for part in difference)
    return f"{value:+.1f} points of {name}, interval {low:+.1f} to {high:+.1f}"


def _baseline(evidence: Evidence, rule: Rule) -> list[str]:
    if not rule.beat_baseline or evidence.baseline_value is None:
        return []
    if evidence.challenger_value <= evidence.baseline_value:
        return [
            f"the baseline is as good or better: {_name(evidence)} {evidence.baseline_value:.3f} "
            f"against {evidence.challenger_value:.3f}"
        ]
    lead = _over_baseline(evidence, rule)
    return [] if lead is None else _perhaps_luck(evidence, rule, "the baseline", lead[0], evidence.unlike_baseline)


def _over_baseline(evidence: Evidence, rule: Rule) -> tuple[float, float, float] | None:
    """The lead that must be no luck: of a model that would be the first champion, where others were tried before it."""
    asked = rule.beat_baseline and evidence.champion is None and evidence.looks > 1
    return evidence.over_baseline if asked else None


def _champion(evidence: Evidence, rule: Rule) -> list[str]:
    if evidence.difference is None:
        return []
    (value, low, _), other = evidence.difference, f"version {evidence.champion}"
    found = _perhaps_luck(evidence, rule, other, value, evidence.disagreements)
    if low < -rule.margin:
        found.append(f"could be worse than {other} by {-100 * low:.1f} points; the margin is {100 * rule.margin:.1f}")
    return found


def _perhaps_luck(evidence: Evidence, rule: Rule, other: str, lead: float, disagreements: int | None) -> list[str]:
    """Why a lead over the other may be luck, or none."""
    needed, least = step(evidence, rule), enough(evidence.looks)
    if lead <= 0:
        return [f"not better than {other} ({100 * lead:+.1f} points)"]
    if disagreements is not None and disagreements < least:
        return [
            f"too few disagreements to tell: the two differ on {disagreements} test texts (near-duplicates "
            f"and texts of a post count once); look number {evidence.looks} needs {least}"
        ]
    if lead <= needed:
        return [
            f"{100 * lead:+.1f} points over {other} may be luck: look number {evidence.looks} at this test set needs "
            f"more than {100 * needed:+.1f}; new test texts lower that"
        ]
    return []


def _in_favour(evidence: Evidence) -> str:
    if evidence.difference is not None:
        return f"better than version {evidence.champion}: {_points(evidence.difference, _name(evidence))}"
    if evidence.baseline_value is None:
        return f"no champion yet; {_name(evidence)} {evidence.challenger_value:.3f}"
    told = f"no champion yet, and {_name(evidence)} {evidence.challenger_value:.3f}"
    baseline = f"the baseline's {evidence.baseline_value:.3f}"
    if evidence.challenger_value > evidence.baseline_value:
        return f"{told} beats {baseline}"
    return f"{told} does not beat {baseline}, which the classifier file does not ask for"


def _floors(evidence: Evidence, rule: Rule) -> list[str]:
    found = []
    for name, f1 in evidence.slices.items():
        floor = floor_of(name, rule.floors)
        if floor is not None and f1 < floor:
            found.append(f"{name} falls to F1 {f1:.3f}; its floor is {floor:.3f}")
    for name, least in rule.behaviour.items():
        passed, of = evidence.behaviour.get(name, (0, 0))
        if of and passed < least * of:
            found.append(f"behaviour {name}: {passed} of {of} tests hold; at least {100 * least:g}% must")
    return found


def _unchecked(evidence: Evidence, rule: Rule) -> list[str]:
    """What [gate] names but nothing was measured of: a floor that was misspelt must not look as if it held."""
    measured = {*evidence.slices, *filter(None, map(_any_like, evidence.slices))}
    floors = [f"not checked: {name} has no test texts, or too few" for name in rule.floors if name not in measured]
    return [*floors, *(f"not checked: no tests of {name}" for name in rule.behaviour if name not in evidence.behaviour)]


def floor_of(name: str, floors: Mapping[str, float]) -> float | None:
    """The lowest F1 of a slice, its own or that of each like it; None where it has none."""
    return floors.get(name, floors.get(_any_like(name) or ""))


def _any_like(name: str) -> str | None:
    """ "party=X" -> "party=*"; None of texts whose party is unknown: they are of no party."""
    dimension, _, value = name.partition("=")
    return None if value == UNKNOWN else f"{dimension}=*"
