"""The gate: a pure function of numbers. It knows no model, no registry, no clock."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["first", "promoted", "kept", "waiting"]


@dataclass(frozen=True)
class Evidence:
    """What the gate may look at. Values are shares (0..1) of the gate's metric on the same frozen test rows."""

    metric: str
    challenger: str  # version
    champion: str | None
    challenger_value: float
    champion_value: float | None
    baseline_value: float | None
    difference: tuple[float, float, float] | None  # value, low, high of challenger - champion; None without champion


@dataclass(frozen=True)
class Rule:
    """The classifier's [gate]."""

    margin: float
    beat_baseline: bool
    mode: Literal["auto", "approve", "manual"]


@dataclass(frozen=True)
class Verdicts:
    """The verdict, and the sentences that say why."""

    verdict: Verdict
    reasons: list[str]


def judge(evidence: Evidence, rule: Rule) -> Verdicts:
    """First, promoted, kept or waiting.

    A challenger is good enough when it beats the baseline and, with a champion in use, when the interval of the
    difference does not reach below minus the margin and the difference itself is above zero. Good enough is promoted in
    mode ``auto``; in the other modes a person decides, and the verdict is ``waiting``.
    """
    against = [*_baseline(evidence, rule), *_champion(evidence, rule)]
    if against:
        return Verdicts("kept", against)
    reasons = [_in_favour(evidence)]
    if rule.mode != "auto":
        return Verdicts("waiting", [*reasons, f"a person decides (gate mode {rule.mode!r}): move the alias in MLflow"])
    return Verdicts("promoted" if evidence.champion else "first", reasons)


def sentence(verdict: str, evidence: Evidence) -> str:
    """The decision as a person says it, in points of the metric (hundredths)."""
    name, points = evidence.metric.upper().replace("_", " "), evidence.difference
    if evidence.champion is None:
        score = f"{name} {100 * evidence.challenger_value:.1f}"
        ending = {"first": "is the first champion", "waiting": "waits for a person"}.get(verdict, "was not taken")
        return f"version {evidence.challenger} {ending}: {score}"
    head = {"promoted": "promoted version", "kept": f"kept version {evidence.champion}: version"}.get(
        verdict, "version"
    )
    change = "" if points is None else _points(points, name)
    tail = ", waits for a person" if verdict == "waiting" else ""
    return f"{head} {evidence.challenger} is {change}{tail}"


def _points(difference: tuple[float, float, float], name: str) -> str:
    value, low, high = (100 * part for part in difference)
    return f"{value:+.1f} {name}, interval {low:+.1f} to {high:+.1f}"


def _baseline(evidence: Evidence, rule: Rule) -> list[str]:
    if not rule.beat_baseline or evidence.baseline_value is None:
        return []
    if evidence.challenger_value > evidence.baseline_value:
        return []
    return [
        f"the baseline is as good or better: {evidence.metric} {100 * evidence.baseline_value:.1f} "
        f"against {100 * evidence.challenger_value:.1f}"
    ]


def _champion(evidence: Evidence, rule: Rule) -> list[str]:
    if evidence.difference is None:
        return []
    value, low, _ = evidence.difference
    found = []
    if value <= 0:
        found.append(f"not better than version {evidence.champion} ({100 * value:+.1f} points)")
    if low < -rule.margin:
        found.append(
            f"could be worse than version {evidence.champion} by {-100 * low:.1f} points; "
            f"the margin is {100 * rule.margin:.1f}"
        )
    return found


def _in_favour(evidence: Evidence) -> str:
    if evidence.difference is not None:
        return f"better than version {evidence.champion}: {_points(evidence.difference, evidence.metric)}"
    if evidence.baseline_value is None:
        return f"no champion yet; {evidence.metric} {100 * evidence.challenger_value:.1f}"
    return (
        f"no champion yet, and {evidence.metric} {100 * evidence.challenger_value:.1f} "
        f"beats the baseline's {100 * evidence.baseline_value:.1f}"
    )
