"""How good, and how sure: metrics with bootstrap intervals over groups, and paired differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
METRICS = ("f1", "precision", "recall", "macro_f1", "average_precision")


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap percentile interval."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Judged:
    """One model on one set of rows: label indices, and ``scores``, the probability of the positive."""

    truth: Ints
    predicted: Ints
    scores: Floats
    positive: int
    classes: int


def measure(judged: Judged, weights: Floats | None = None) -> dict[str, float]:
    """Precision, recall and F1 of the positive class, macro-F1 and average precision; a ratio of nothing is 0.

    ``weights`` (one per row) count a row several times or not at all, as a bootstrap does.
    """
    w = np.ones(len(judged.truth)) if weights is None else weights
    per_class = [_precision_recall_f1(judged, label, w) for label in range(judged.classes)]
    precision, recall, f1 = per_class[judged.positive]
    return {
        "f1": f1,
        "precision": precision,
        "recall": recall,
        "macro_f1": float(np.mean([triple[2] for triple in per_class])),
        "average_precision": average_precision(judged.truth == judged.positive, judged.scores, w),
    }


def average_precision(hits: npt.NDArray[np.bool_], scores: Floats, weights: Floats) -> float:
    """Area under the precision-recall steps, sum of (R_n - R_n-1) P_n over distinct scores; 0 without positives."""
    order = np.argsort(-scores, kind="stable")
    gains = np.cumsum(np.where(hits[order], weights[order], 0.0))
    seen = np.cumsum(weights[order])
    if len(gains) == 0 or gains[-1] == 0:
        return 0.0
    last = np.append(np.diff(scores[order]) != 0, True)  # ties count together
    recall = gains[last] / gains[-1]
    precision = np.divide(gains[last], seen[last], out=np.zeros(int(last.sum())), where=seen[last] > 0)
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def intervals(
    judged: Judged, groups: Sequence[str], confidence: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """Each metric with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13), groups drawn whole."""
    values = measure(judged)
    drawn = [measure(judged, weights) for weights in _draws(groups, resamples, seed)]
    return {name: _interval(values[name], [one[name] for one in drawn], confidence) for name in METRICS}


def difference(
    challenger: Judged,
    champion: Judged,
    groups: Sequence[str],
    metric: str,
    confidence: float,
    resamples: int,
    seed: int,
) -> Interval:
    """Challenger minus champion on the same rows: a paired bootstrap, the same draw for both."""
    value = measure(challenger)[metric] - measure(champion)[metric]
    drawn = [measure(challenger, w)[metric] - measure(champion, w)[metric] for w in _draws(groups, resamples, seed)]
    return _interval(value, drawn, confidence)


def best_threshold(truth: npt.NDArray[np.bool_], scores: Floats) -> float:
    """The threshold with the highest F1 of the positive class, midway between the two scores around it.

    0.5 when there are no positives to tune on.
    """
    if not truth.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(truth[order])
    f1 = 2 * hits / (np.arange(1, len(ranked) + 1) + truth.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # no threshold lies between equal scores
    at = int(np.argmax(f1))
    below = ranked[at + 1] if at + 1 < len(ranked) else 0.0
    return float((ranked[at] + below) / 2)


def decide(probabilities: Floats, positive: int, threshold: float) -> Ints:
    """Label indices of (texts, classes) probabilities: the positive from its threshold on, else the likeliest other."""
    rest = probabilities.copy()
    rest[:, positive] = -1.0
    chosen: Ints = np.where(probabilities[:, positive] >= threshold, positive, rest.argmax(axis=1))
    return chosen


def trainer_metrics(positive: int, classes: int) -> Callable[[Any], dict[str, float]]:
    """``compute_metrics`` for the Trainer: the same metrics, at the likeliest label."""

    def compute(prediction: Any) -> dict[str, float]:
        logits = np.asarray(prediction.predictions, dtype=np.float64)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = odds / odds.sum(axis=1, keepdims=True)
        truth = np.asarray(prediction.label_ids)
        return measure(Judged(truth, probabilities.argmax(axis=1), probabilities[:, positive], positive, classes))

    return compute


def _precision_recall_f1(judged: Judged, label: int, w: Floats) -> tuple[float, float, float]:
    said, is_so = judged.predicted == label, judged.truth == label
    hits, claims, there = float(w[said & is_so].sum()), float(w[said].sum()), float(w[is_so].sum())
    return (
        hits / claims if claims else 0.0,
        hits / there if there else 0.0,
        2 * hits / (claims + there) if claims + there else 0.0,
    )


def _draws(groups: Sequence[str], resamples: int, seed: int) -> Any:
    """Row weights of each resample: how often its group was drawn."""
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(member.max()) + 1 if len(member) else 0
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, count, count), minlength=count)[member].astype(np.float64)


def _interval(value: float, drawn: Sequence[float], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(drawn), [tail, 1 - tail])
    return Interval(float(value), float(low), float(high))
