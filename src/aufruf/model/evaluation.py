"""How good, and how sure: metrics with bootstrap intervals over groups, and paired differences."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.errors import TrainingFailed
from aufruf.model import metrics
from aufruf.model.metrics import Flags, Floats

_HALF = 0.5  # from which on a label that is not the positive applies
_AT_ONCE = 2_000_000  # weights of draws that are held at a time: 16 MB, a few times over
TRAINED = ("f1", "precision", "recall", "macro_f1", "average_precision")  # told after each epoch
_NOTHING = {"roc_auc": 0.5}  # what a ratio of nothing is; of every other metric it is 0
METRICS = (*TRAINED, "roc_auc", "brier", "calibration_error")


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

    @property
    def hits(self) -> Flags:
        """Which texts have the positive label, (texts,)."""
        return self.truth[:, self.positive]


def measure(judged: Judged, weights: Floats | None = None) -> dict[str, float]:
    """The METRICS of the positive label, and the mean of all labels' F1; 0 of nothing, and 0.5 for ``roc_auc``.

    ``weights`` (one per row) count a row several times or not at all, as a bootstrap does.
    """
    w = np.ones(len(judged.truth)) if weights is None else weights
    found = {name: float(value[0]) for name, value in _measured(judged, w[None, :]).items()}
    return {name: _NOTHING.get(name, 0.0) if np.isnan(value) else value for name, value in found.items()}


def f1_by_label(judged: Judged) -> list[float]:
    """F1 of each label, in the order of the columns."""
    return [float(one) for one in np.nan_to_num(metrics.by_label(judged.truth, judged.predicted, _once(judged))[0][0])]


def intervals(
    judged: Judged, groups: Sequence[str], confidence: float, resamples: int, seed: int
) -> dict[str, Interval]:
    """Each metric with its percentile bootstrap interval (Efron and Tibshirani 1993, ch. 13), groups drawn whole.

    Resamples in which a metric is a ratio of nothing are left out of its interval; with none left it has no width. An
    interval holds its value. What ``calibration_error`` has is no confidence interval: noise only ever adds to it, to
    that of a resample once more, so that the truth lies below; nothing shows it.
    """
    values = measure(judged)
    drawn = [_measured(judged, weights) for weights in draws(groups, resamples, seed)]
    found = {name: np.concatenate([one[name] for one in drawn]) for name in METRICS}
    return {name: around(values[name], found[name], confidence) for name in METRICS}


def intervals_by_label(
    judged: Judged, groups: Sequence[str], confidence: float, resamples: int, seed: int
) -> list[Interval]:
    """F1 of each label with its interval, in the order of the columns."""
    drawn = [metrics.by_label(judged.truth, judged.predicted, w)[0] for w in draws(groups, resamples, seed)]
    columns = np.concatenate(drawn).T
    return [around(value, column, confidence) for value, column in zip(f1_by_label(judged), columns, strict=True)]


def difference(
    challenger: Judged,
    champion: Judged,
    groups: Sequence[str],
    metric: str,
    confidence: float,
    resamples: int,
    seed: int,
) -> Interval:
    """Challenger minus champion on the same rows: a paired bootstrap, the same draw for both.

    Draws in which the metric of either is a ratio of nothing are left out; with none left the interval has no width.
    """
    value = measure(challenger)[metric] - measure(champion)[metric]
    drawn = [_measured(challenger, w)[metric] - _measured(champion, w)[metric] for w in draws(groups, resamples, seed)]
    low, high = _ends(float(value), np.concatenate(drawn), confidence)
    return Interval(float(value), low, high)


def disagreements(challenger: Judged, champion: Judged, groups: Sequence[str], metric: str) -> int:
    """Groups with a row that the two answer differently, as far as the metric looks at answers."""
    differ = (_looked_at(challenger, metric) != _looked_at(champion, metric)).any(axis=1)
    return len(np.unique(np.asarray(groups, dtype=str)[differ]))


def draws(groups: Sequence[str], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each resample draws the group of each row: blocks of (resamples, rows), the same for any block size."""
    _, member = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    count = int(member.max()) + 1 if len(member) else 0
    random, block = np.random.default_rng(seed), max(1, _AT_ONCE // max(1, len(member)))
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        if count == 0:
            yield np.zeros((size, 0))
            continue
        drawn = random.integers(0, count, (size, count)) + count * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)[:, member].astype(np.float64)


def _looked_at(judged: Judged, metric: str) -> Flags | Floats:
    """What the metric takes of a model's answers, (texts, columns)."""
    if metric == "macro_f1":
        return judged.predicted
    of_positive = judged.predicted[:, judged.positive] if metric in ("f1", "precision", "recall") else judged.scores
    return of_positive[:, None]


def around(value: float, drawn: Floats, confidence: float) -> Interval:
    """A value with the percentile interval of its resamples, NaN left out, which is made to hold it."""
    low, high = _ends(float(value), drawn, confidence)
    return Interval(float(value), min(low, float(value)), max(high, float(value)))


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


def confusion(
    truth: Flags, said: Flags, labels: Sequence[str], positive: int, several: bool
) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Counts of texts, rows as labelled and columns as said, and the names of both.

    Where a text may have ``several`` labels, only the positive against the rest makes a matrix.
    """
    names = list(labels)
    if several:
        truth, said = (np.stack([~part[:, positive], part[:, positive]], axis=1) for part in (truth, said))
        names = [f"not {labels[positive]}", labels[positive]]
    return truth.T.astype(np.int64) @ said.astype(np.int64), names


def precision_recall(judged: Judged) -> tuple[list[float], list[float]]:
    """Recall and precision at each distinct probability of the positive, the highest first; empty without positives."""
    positives, rows = metrics.at_each_score(judged.hits, judged.scores, _once(judged))
    if not judged.hits.any():
        return [], []
    return (positives[0] / positives[0, -1]).tolist(), (positives[0] / rows[0]).tolist()


def reliability(judged: Judged) -> list[tuple[float, float, int]]:
    """Mean probability of the positive, share of positives, and texts of each bin of the calibration error."""
    member = metrics.bins(judged.scores)
    parts = [member == at for at in np.unique(member)]
    return [(float(judged.scores[one].mean()), float(judged.hits[one].mean()), int(one.sum())) for one in parts]


def probabilities_of(logits: Floats, several: bool) -> Floats:
    """Softmax over the labels of a text; where it may have ``several``, each label's logistic function."""
    if several:
        return np.exp(-np.logaddexp(0.0, -logits))
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def trainer_metrics(positive: int, several: bool = False) -> Callable[[Any], dict[str, float]]:
    """``compute_metrics`` for the Trainer: TRAINED, at the likeliest label, or labels from 0.5 on.

    Raises TrainingFailed on answers that are not finite.
    """

    def compute(prediction: Any) -> dict[str, float]:
        logits = np.asarray(prediction.predictions, dtype=np.float64)
        if not np.isfinite(logits).all():  # NaN are sorted and compared like numbers: they made a perfect score
            raise TrainingFailed("what the model says of validation is not a number", next="Lower the learning rate.")
        probabilities = probabilities_of(logits, several)
        said = probabilities >= _HALF if several else one_hot(probabilities.argmax(axis=1), probabilities.shape[1])
        truth = np.asarray(prediction.label_ids) > 0
        found = measure(Judged(truth, said, probabilities[:, positive], positive))
        return {name: found[name] for name in TRAINED}

    return compute


def one_hot(labels: npt.NDArray[np.int64], classes: int) -> Flags:
    """Label indices as flags, (texts, classes)."""
    flags: Flags = labels[:, None] == np.arange(classes)
    return flags


def _likeliest_other(probabilities: Floats, positive: int) -> Flags:
    rest = probabilities.copy()
    rest[:, positive] = -1.0
    return one_hot(rest.argmax(axis=1), rest.shape[1])


def _measured(judged: Judged, weights: Floats) -> dict[str, Floats]:
    """Each metric for each draw, (draws,); NaN of nothing, but in the mean of all labels, where it counts as 0."""
    at, hits, scores = judged.positive, judged.hits, judged.scores
    f1, precision, recall = metrics.by_label(judged.truth, judged.predicted, weights)
    positives, rows = metrics.at_each_score(hits, scores, weights)
    return {
        "f1": f1[:, at],
        "precision": precision[:, at],
        "recall": recall[:, at],
        "macro_f1": np.nan_to_num(f1).mean(axis=1),
        "average_precision": metrics.average_precision(positives, rows),
        "roc_auc": metrics.roc_auc(positives, rows),
        "brier": metrics.brier(hits, scores, weights),
        "calibration_error": metrics.calibration_error(hits, scores, weights),
    }


def _once(judged: Judged) -> Floats:
    return np.ones((1, len(judged.truth)))


def _ends(value: float, drawn: Floats, confidence: float) -> tuple[float, float]:
    drawn = drawn[~np.isnan(drawn)]
    if not len(drawn):
        return value, value
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return float(low), float(high)
