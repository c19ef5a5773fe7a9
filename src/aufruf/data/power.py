"""What difference in F1 a test set can tell apart, and how many more positives it would take for a smaller one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pandas as pd

Flags = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
_AT_ONCE = 2_000_000  # cells of the table of draws: 16 MB


@dataclass(frozen=True)
class Power:
    """F1 as a share, not in points."""

    f1: float
    standard_error: float
    correlation: float | None  # of the two models' F1 over the draws; None without a usable second, counted as 0
    detectable: float  # the difference that is found in 80 % of cases, two-sided at 5 %
    positives: int
    wanted: float
    more_positives: int  # labelled positives that the test set lacks to tell ``wanted`` apart


def power(
    truth: Flags,
    champion: Flags,
    other: Flags | None,
    groups: Sequence[str],
    seed: int,
    wanted: float = 0.03,
    resamples: int = 2000,
    least: int = 1,
) -> Power | None:
    """Paired bootstrap over groups (Efron and Tibshirani 1993, ch. 13); None where the champion's F1 does not vary at
    all: it finds all of the positives and nothing else, or none of them.

    detectable = (z.975 + z.80) SE of the difference (Bloom 1995, Evaluation Review 19(5): minimum detectable effect).
    Without ``other`` the two models are taken for independent, SE = sqrt(2) SE of F1; of models that err in opposite
    ways it is more. So they are with one whose F1 does not vary, or that answers fewer than ``least`` groups otherwise:
    a difference that never shows in a draw says nothing of another model's. SE falls with 1 / sqrt(n), so telling
    ``wanted`` apart takes positives * (detectable / wanted)^2 positives.
    """
    if other is not None and len(set(np.asarray(groups, dtype=object)[champion != other])) < least:
        other = None
    answers = [champion] if other is None else [champion, other]
    drawn = _f1_of_draws(truth, answers, groups, resamples, seed)
    error = float(drawn[:, 0].std(ddof=1))
    if error == 0:
        return None
    correlation, gap = None, error * 2**0.5
    apart = 0.0 if other is None else float((drawn[:, 0] - drawn[:, 1]).std(ddof=1))
    if other is not None and apart > 0 and drawn[:, 1].std() > 0:
        gap, correlation = apart, float(np.asarray(np.corrcoef(drawn.T))[0, 1])
    detectable = (NormalDist().inv_cdf(0.975) + NormalDist().inv_cdf(0.8)) * gap
    positives = int(truth.sum())
    needed = ceil(positives * (detectable / wanted) ** 2)
    f1 = float(_f1((truth & champion).sum(keepdims=True), champion.sum() + truth.sum(keepdims=True))[0])
    return Power(f1, error, correlation, detectable, positives, wanted, max(0, needed - positives))


def _f1_of_draws(truth: Flags, answers: Sequence[Flags], groups: Sequence[str], resamples: int, seed: int) -> Floats:
    """F1 of each answer in each resample, shape (resamples, answers); the same groups are drawn for all."""
    code, names = pd.factorize(np.asarray(groups, dtype=object), sort=True)
    n = len(names)
    hits = [np.bincount(code, weights=truth & said, minlength=n) for said in answers]
    below = [np.bincount(code, weights=truth.astype(int) + said, minlength=n) for said in answers]
    rows = [
        np.stack([_f1(draws @ one, draws @ other) for one, other in zip(hits, below, strict=True)], axis=1)
        for draws in _draws(n, resamples, seed)
    ]
    drawn: Floats = np.concatenate(rows)
    return drawn


def _draws(groups: int, resamples: int, seed: int) -> Iterator[Floats]:
    """How often each group is drawn, a few resamples at a time: shape (some, groups)."""
    random, step = np.random.default_rng(seed), max(1, _AT_ONCE // max(1, groups))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        yield random.multinomial(groups, np.full(groups, 1 / groups), size=size).astype(np.float64)


def _f1(hits: Floats, below: Floats) -> Floats:
    """2 hits / (claims + positives); 0 of nothing."""
    found: Floats = np.divide(2 * hits, below, out=np.zeros(len(hits)), where=below > 0)
    return found
