"""LIME's linear model from second moments: the library's feature selection and ridge, on any weighted variants.

The library fits a regression for every feature that it tries; all of them follow from one matrix of weighted sums,
which can also be added up over chunks, halved and resampled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController

from aufruf.model.explain_design import Floats, Masks, kernel

_FORWARD = 6  # up to so many words the library tries features in turn, above it takes the highest weights
_RIDGE, _RIDGE_SELECTING = 1.0, 0.01  # the library's
_SINGULAR = 1e-9  # share of a word's variance below which the words chosen before explain it
_BLOCKS = 20  # parts of the draws that resamples are made of


@dataclass(frozen=True)
class Linear:
    """Numbers of the chosen words with their weights, strongest first, and the weighted R2."""

    weights: list[tuple[int, float]]
    fit: float


@dataclass(frozen=True)
class Moments:
    """Weighted sums about the mean: of words with words (n, n), words with probability (n,), and its square."""

    total: float
    words: Floats
    cross: Floats
    square: float


def sums(masks: Masks, probabilities: Floats, counts: Floats | float = 1.0) -> Floats:
    """Weighted sums of products of (1, words, probability), shape (n + 2, n + 2); ``counts``: of each variant."""
    weights = kernel(masks.mean(axis=1)) * counts
    rows = np.column_stack([np.ones(len(masks)), masks, probabilities])
    return np.asarray((rows * weights[:, None]).T @ rows)


def centred(sums_: Floats) -> Moments:
    """The sums about the weighted means."""
    total, means = float(sums_[0, 0]), sums_[0, 1:] / sums_[0, 0]
    about = sums_[1:, 1:] - total * np.outer(means, means)
    return Moments(total, about[:-1, :-1], about[:-1, -1], max(float(about[-1, -1]), 0.0))


def linear(moments: Moments, words: int) -> Linear:
    """The library's explanation: 'auto' selection of so many words, then ridge regression with alpha 1."""
    chosen = _forward(moments, words) if words <= _FORWARD else _highest(moments, words)
    some, cross = moments.words[np.ix_(chosen, chosen)], moments.cross[chosen]
    found = np.linalg.solve(some + _RIDGE * np.eye(len(chosen)), cross)
    left = moments.square - 2 * cross @ found + found @ some @ found
    fit = 1.0 - left / moments.square if moments.square > 1e-20 * moments.total else 1.0  # nothing varies
    order = sorted(range(len(chosen)), key=lambda at: -abs(found[at]))
    return Linear([(int(chosen[at]), float(found[at])) for at in order], float(fit))


def smoothed(moments: Moments, perturbations: int) -> Moments:
    """The moments that endless draws would have, as the draws so far suggest; weights sum as for ``perturbations``.

    How words go together under LIME's sampling is known (``_expected``); only how the probability goes with them is
    estimated, by a regression on all words. Where a sample selects instead, the words it leaves out count as noise.
    """
    count = len(moments.cross)
    total, expected = _expected(count, perturbations)
    tiny = 1e-9 * moments.total * np.eye(count)
    slopes = np.linalg.solve(moments.words + tiny, moments.cross)
    explained = float(slopes @ expected @ slopes)
    rest = max(moments.square - float(slopes @ moments.cross), 0.0) / moments.total * total
    return Moments(total, expected, expected @ slopes, explained + rest)


def blocks(masks: Masks, probabilities: Floats) -> Floats:
    """Sums of every 20th draw after the first, and the whole text's in each: (20, n + 2, n + 2), adding up to all."""
    whole = sums(masks[:1], probabilities[:1])
    rest = [sums(masks[1 + at :: _BLOCKS], probabilities[1 + at :: _BLOCKS]) for at in range(_BLOCKS)]
    return np.asarray(rest) + whole / _BLOCKS


def certainty(parts: Floats, found: Linear, words: int, perturbations: int, resamples: int = 50) -> float:
    """The share of bootstrap resamples that name the same strongest word and all but one of the words, signs included.

    ``parts``: of ``blocks``, which are resampled with replacement (Efron and Tibshirani 1993, chapter 8: a block
    bootstrap for what is a sum over draws). Its seed is fixed: the same draws give the same share.
    """
    picked = np.random.RandomState(0).multinomial(len(parts), np.full(len(parts), 1 / len(parts)), size=resamples)
    with _blas().limit(limits=1, user_api="blas"):  # matrices so small gain nothing from threads, and wait for them
        others = [linear(smoothed(centred(np.tensordot(picks, parts, 1)), perturbations), words) for picks in picked]
    return sum(_agree(found, other) for other in others) / resamples


def _agree(found: Linear, other: Linear) -> bool:
    """The same strongest word, and all words but one; a word of another sign is another word."""
    mine, theirs = ([(word, weight > 0) for word, weight in one.weights] for one in (found, other))
    return mine[0] == theirs[0] and len(set(mine) & set(theirs)) >= len(mine) - 1


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def overlap(one: Linear, other: Linear) -> float:
    """Jaccard index of the words that two explanations name."""
    mine, theirs = {word for word, _ in one.weights}, {word for word, _ in other.weights}
    return len(mine & theirs) / len(mine | theirs)


def _expected(count: int, perturbations: int) -> tuple[float, Floats]:
    """The weights' sum and the words' second moments about the mean that ``perturbations`` draws have in expectation.

    Words are exchangeable, so the matrix has one value on its diagonal and one off it.
    """
    kept = np.arange(count)  # words that stay, uniform in 0..n-1; all of them only in the whole text
    weights = (perturbations - 1) / count * kernel(kept / count)
    total = 1.0 + float(weights.sum())
    one = (1.0 + float(weights @ (kept / count))) / total
    two = (1.0 + float(weights @ (kept * (kept - 1) / (count * max(count - 1, 1))))) / total
    matrix = np.full((count, count), two - one * one)
    np.fill_diagonal(matrix, one - one * one)
    return total, matrix * total


def _forward(moments: Moments, words: int) -> Sequence[int]:
    """Words in the order in which each adds most to R2, by sweeping the chosen ones out of the sums."""
    left, cross = moments.words.copy(), moments.cross.copy()
    enough = _SINGULAR * np.diag(left)
    chosen: list[int] = []
    for _ in range(min(words, len(cross))):
        spread = np.diag(left)
        gains = np.where(spread > enough, cross**2 / np.maximum(spread, 1e-300), 0.0)
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        chosen.append(best)
        if spread[best] > enough[best]:
            column = left[:, best] / spread[best]
            cross, left = cross - column * cross[best], left - np.outer(column, left[best])
    return chosen


def _highest(moments: Moments, words: int) -> Sequence[int]:
    """Words with the largest weights in a ridge regression on all of them."""
    ridge = _RIDGE_SELECTING * np.eye(len(moments.cross))
    every = np.linalg.solve(moments.words + ridge, moments.cross)
    return sorted(range(len(every)), key=lambda at: -abs(every[at]))[:words]
