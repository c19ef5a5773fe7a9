"""The arithmetic of figures, for many weightings of the rows at once, as a bootstrap needs them.

``weights`` has the shape (draws, rows): how often each draw counts each row. A figure has the shape (draws,), and is
NaN in a draw in which it is a ratio of nothing.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
BINS = 10  # of the calibration error


def ratio(part: Floats, of: Floats, otherwise: float = np.nan) -> Floats:
    """``part / of``; ``otherwise`` where there is nothing to divide by."""
    return np.divide(part, of, out=np.full(np.shape(of), otherwise), where=of > 0)


def by_label(truth: Flags, predicted: Flags, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """F1, precision and recall of each label, each (draws, labels)."""
    hits, claims, there = (weights @ part.astype(np.float64) for part in (truth & predicted, predicted, truth))
    return ratio(2 * hits, claims + there), ratio(hits, claims), ratio(hits, there)


def at_each_score(hits: Flags, scores: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """How many positives, and how many rows, have at least each distinct score, highest first: (draws, scores)."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.diff(scores[order]) != 0, True)[: len(scores)]  # equal scores count together
    ranked = weights[:, order]
    return np.cumsum(ranked * hits[order], axis=1)[:, last], np.cumsum(ranked, axis=1)[:, last]


def average_precision(positives: Floats, rows: Floats) -> Floats:
    """Area under the precision-recall steps, sum of (R_n - R_n-1) P_n, of ``at_each_score``; NaN without positives."""
    if positives.shape[1] == 0:
        return np.full(len(positives), np.nan)
    found = np.diff(positives, prepend=0.0, axis=1)
    return ratio(np.sum(found * ratio(positives, rows, 0.0), axis=1), positives[:, -1])


def roc_auc(positives: Floats, rows: Floats) -> Floats:
    """The chance that a positive scores higher than another row, ties half, of ``at_each_score``; NaN without both.

    Trapezoids under the ROC curve: the Mann-Whitney statistic (Hanley and McNeil 1982, Radiology 143).
    """
    if positives.shape[1] == 0:
        return np.full(len(positives), np.nan)
    others = rows - positives
    before = np.concatenate([np.zeros((len(positives), 1)), positives[:, :-1]], axis=1)
    area = np.sum(np.diff(others, prepend=0.0, axis=1) * (positives + before) / 2, axis=1)
    return ratio(area, positives[:, -1] * others[:, -1])


def brier(hits: Flags, scores: Floats, weights: Floats) -> Floats:
    """Mean squared distance between probability and outcome (Brier 1950), of the positive alone: 0 to 1."""
    return ratio(weights @ (scores - hits) ** 2, weights.sum(axis=1))


def bins(scores: Floats) -> npt.NDArray[np.int64]:
    """The bin, 0..BINS-1, of each row: as many rows in each as equal scores, which stay together, allow."""
    if not len(scores):
        return np.zeros(0, dtype=np.int64)
    inner = np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(inner, scores, side="left")


def calibration_error(hits: Flags, scores: Floats, weights: Floats) -> Floats:
    """Mean distance, over bins of equally many rows, of mean probability and share of positives.

    Expected calibration error (Naeini, Cooper and Hauskrecht 2015) with bins of equal mass, which overstate it less
    than bins of equal width (Roelofs et al. 2022). The bins are those of the unweighted rows.
    """
    member = (bins(scores)[:, None] == np.arange(BINS)).astype(np.float64)
    gap = np.abs(weights @ (member * (scores - hits)[:, None]))
    return ratio(gap.sum(axis=1), weights.sum(axis=1))
