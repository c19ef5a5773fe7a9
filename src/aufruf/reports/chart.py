"""Where bars and whiskers lie, in percent of an axis, for the drawings that stand beside the numbers."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aufruf.reports.facts import PartyCount
from aufruf.reports.intervals import Interval

_METRICS = {
    "f1": "F1",
    "precision": "Precision",
    "recall": "Recall",
    "macro_f1": "Macro-F1",
    "average_precision": "PR-AUC (average precision)",
    "roc_auc": "ROC-AUC",
    "brier": "Brier score (less is better)",
    "calibration_error": "Calibration error (too high by chance)",
}
BIASED = "calibration_error"  # resamples have it higher still, so that no interval of theirs holds the truth
_TOPS = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)  # ends of the axis whose half is a round number too


@dataclass(frozen=True)
class MetricRow:
    """One metric of the model and of the baseline, bounds NaN where it has none; None where it was not measured."""

    name: str
    model: Interval | None
    baseline: Interval | None


@dataclass(frozen=True)
class PartyBar:
    """One party's bar; ``width``, ``low`` and ``high`` in percent of the axis."""

    row: PartyCount
    share: float | None  # None without texts
    width: float
    low: float
    high: float


@dataclass(frozen=True)
class PartyChart:
    """The bars, and the share (0..1) at which the axis ends."""

    bars: list[PartyBar]
    top: float


def metrics(model: dict[str, Interval], baseline: dict[str, Interval]) -> list[MetricRow]:
    """The metrics that either has, the known ones first and by their usual names."""
    names = [*_METRICS, *sorted({*model, *baseline} - _METRICS.keys())]
    return [
        MetricRow(_METRICS.get(name, name), *(_measured(name, of.get(name)) for of in (model, baseline)))
        for name in names
        if name in model or name in baseline
    ]


def name_of(metric: str) -> str:
    """The usual name of a metric."""
    return _METRICS.get(metric, metric)


def parties(rows: Sequence[PartyCount]) -> PartyChart:
    """The parties with the largest number of calls first, on one axis that starts at zero."""
    top = axis_end(row.high for row in rows if row.texts)
    ordered = sorted(rows, key=lambda row: (row.party is None, -row.calls, row.party or ""))
    return PartyChart([_bar(row, top) for row in ordered], top)


def axis_end(values: Iterable[float]) -> float:
    """The share (0..1) at which an axis ends that has room for all the values."""
    highest = max(values, default=0.0)
    return next((top for top in _TOPS if highest <= top), 1.0)


def percent(value: float, top: float = 1.0) -> float:
    """A value as percent of an axis from 0 to ``top``, held inside it."""
    return round(100 * min(max(value / top, 0.0), 1.0), 2) if math.isfinite(value) else 0.0


def _bar(row: PartyCount, top: float) -> PartyBar:
    share = row.calls / row.texts if row.texts else None
    return PartyBar(row, share, percent(share or 0.0, top), percent(row.low, top), percent(row.high, top))


def _measured(name: str, found: Interval | None) -> Interval | None:
    if found is None or not math.isfinite(found.value):
        return None
    return Interval(found.value, math.nan, math.nan) if name == BIASED else found
