"""How good, and how sure: metrics with bootstrap intervals over groups, and paired differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_HALF = 0.5  # from which on a label that is not the positive applies
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
    """One model on one set of rows: which labels a text has and is given, and the probability of the positive."""

    truth: Flags  # (texts, labels), one or several to a text
    predicted: Flags
    scores: Floats
    positive: int


def measure(judged: Judged, weights: Floats | None = None) -> dict[str, float]:
    """Precision, recall and F1 of the positive label, the mean of all labels' F1, average precision; 0 of nothing.

    ``weights`` (one per row) count a row several times or not at all, as a bootstrap does.
    """
    w = np.ones(len(judged.truth)) if weights is None else weights
    hits, claims, there = (w @ part for part in (judged.truth & judged.predicted, judged.predicted, judged.truth))
    f1, at = _ratio(2 * hits, claims + there), judged.positive
    return {
        "f1": float(f1[at]),
        "precision": float(_ratio(hits, claims)[at]),
        "recall": float(_ratio(hits, there)[at]),
        "macro_f1": float(np.mean(f1)),
        "average_precision": average_precision(judged.truth[:, at], judged.scores, w),
    }


def f1_by_label(judged: Judged) -> list[float]:
    """F1 of each label, in the order of the columns."""
    hits, both = judged.truth & judged.predicted, judged.truth.sum(axis=0) + judged.predicted.sum(axis=0)
    return [float(one) for one in _ratio(2.0 * hits.sum(axis=0), both.astype(np.float64))]


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


def decide(probabilities: Floats, positive: int, threshold: float, several: bool = False) -> Flags:
    """The labels that (texts, labels) probabilities stand for, in the same shape.

    The positive from its threshold on. Of the others, the likeliest where the positive is not said; where a text may
    have ``several`` labels, each from 0.5 on.
    """
    called = probabilities[:, positive] >= threshold
    said = probabilities >= _HALF if several else _likeliest_other(probabilities, positive) & ~called[:, None]
    said[:, positive] = called
    return said


def probabilities_of(logits: Floats, several: bool) -> Floats:
    """Softmax over the labels of a text; where it may have ``several``, each label's logistic function."""
    if several:
        return np.exp(-np.logaddexp(0.0, -logits))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def trainer_metrics(positive: int, several: bool = False) -> Callable[[Any], dict[str, float]]:
    """``compute_metrics`` for the Trainer: the same metrics, at the likeliest label, or labels from 0.5 on."""

    def compute(prediction: Any) -> dict[str, float]:
        probabilities = probabilities_of(np.asarray(prediction.predictions, dtype=np.float64), several)
        said = probabilities >= _HALF if several else one_hot(probabilities.argmax(axis=1), probabilities.shape[1])
        truth = np.asarray(prediction.label_ids) > 0
        return measure(Judged(truth, said, probabilities[:, positive], positive))

    return compute


def one_hot(labels: npt.NDArray[np.int64], classes: int) -> Flags:
    """Label indices as flags, (texts, classes)."""
    flags: Flags = labels[:, None] == np.arange(classes)
    return flags


def _likeliest_other(probabilities: Floats, positive: int) -> Flags:
    rest = probabilities.copy()
    rest[:, positive] = -1.0
    return one_hot(rest.argmax(axis=1), rest.shape[1])


def _ratio(part: Floats, of: Floats) -> Floats:
    return np.divide(part, of, out=np.zeros(len(of)), where=of > 0)


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
