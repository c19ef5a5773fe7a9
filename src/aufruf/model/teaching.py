"""Which unlabelled texts would teach a model most: near the threshold, likely positive, unlike the others, or any."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
UNCERTAIN, POSITIVE, DIVERSE, RANDOM = "uncertain", "positive", "diverse", "random"
_ALIKE = 0.6  # cosine of words above which two texts teach the same
_LIKELY = 0.2  # share of the texts among which diverse ones are looked for: of the others most are far from anything
_CHUNK = 500  # texts compared at a time


@dataclass(frozen=True)
class Pick:
    """A text by its place, and why it was taken."""

    row: int
    why: str  # uncertain | positive | diverse | random


def chosen(
    probabilities: Floats,
    threshold: float,
    texts: Sequence[str],
    known: Sequence[str],
    most: int,
    mix: Mapping[str, float],
    seed: int,
    choosable: npt.NDArray[np.bool_] | None = None,
    drawable: npt.NDArray[np.bool_] | None = None,
    kin: npt.NDArray[np.int64] | None = None,
) -> list[Pick]:
    """At most ``most`` of the texts, each reason as often as its share in ``mix``.

    The random ones are drawn first, whatever they are like: they are what validation and test are made of. The others
    are like none of them, and no two of them alike. Which are drawn depends on ``drawable``, ``most``, ``mix`` and
    ``seed`` alone.

    ``probabilities``: of the positive, (texts,). ``known``: labelled texts, from which the diverse ones shall differ.
    ``choosable``, ``drawable``: which may be taken for what a model says of them, and which by chance (default: all).
    ``kin``: numbers, (texts, columns): of the texts with one number in a column one is taken; no two of ``drawable``
    have one.
    uncertain: nearest to the threshold (Lewis and Gale 1994, SIGIR); positive: most probable, which finds more of a
    rare label; diverse: of the likelier fifth the farthest from all that is labelled or taken (greedy k-center: Sener
    and Savarese 2018, ICLR), by the cosine of TF-IDF vectors of words; random: drawn with ``seed``.
    """
    if not (len(texts) and most):
        return []
    words, seen = _vectors(texts, known)
    near = _nearest(words, seen)
    order = {
        UNCERTAIN: -np.abs(_logit(probabilities) - _logit(np.array([threshold]))[0]),
        POSITIVE: np.asarray(probabilities, dtype=float),
        RANDOM: np.zeros(len(texts)),
    }
    likely = probabilities >= np.quantile(probabilities, 1 - _LIKELY)
    every = np.ones(len(texts), dtype=bool)
    allowed = dict.fromkeys(mix, every if choosable is None else choosable)
    allowed |= {RANDOM: every if drawable is None else drawable}
    order[RANDOM][allowed[RANDOM]] = np.random.default_rng(seed).random(int(allowed[RANDOM].sum()))
    related = np.arange(len(texts))[:, None] if kin is None else kin
    open_, beside = every.copy(), np.zeros(len(texts))  # beside: cosine to the nearest taken
    drawn = np.flatnonzero(allowed[RANDOM])
    drawn = drawn[np.argsort(-order[RANDOM][drawn])][: round(most * mix.get(RANDOM, 0.0) / sum(mix.values()))]
    picks = [Pick(int(at), RANDOM) for at in drawn]
    for at in map(int, drawn):
        beside = np.maximum(beside, _cosines(words, at))
    open_ &= (beside < _ALIKE) & ~_any_of(related, drawn)
    owed = dict.fromkeys(mix, 0.0)
    while len(picks) < most and (able := _able(mix, allowed, open_)):
        able = {name: mask for name, mask in able.items() if name != RANDOM} or able
        for name in able:
            owed[name] += mix[name]
        why = max(able, key=lambda name: owed[name])
        owed[why] -= sum(mix[name] for name in able)
        worth = likely - np.maximum(near, beside) if why == DIVERSE else order[why]
        at = int(np.argmax(np.where(able[why], worth, -np.inf)))
        picks.append(Pick(at, why))
        alike = _cosines(words, at)
        beside = np.maximum(beside, alike)
        open_ &= (alike < _ALIKE) & ~_any_of(related, np.array([at]))
    return picks


def _able(
    mix: Mapping[str, float], allowed: Mapping[str, npt.NDArray[np.bool_]], open_: npt.NDArray[np.bool_]
) -> dict[str, npt.NDArray[np.bool_]]:
    """The reasons that still have a text, and which."""
    left = {name: allowed[name] & open_ for name, share in mix.items() if share > 0}
    return {name: mask for name, mask in left.items() if mask.any()}


def _any_of(kin: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """The texts that share a number with one of the rows, these included, (texts,)."""
    shared = [np.isin(column, column[rows]) for column in kin.T]
    return np.any(shared, axis=0)


def _vectors(texts: Sequence[str], known: Sequence[str]) -> tuple[Any, Any]:
    """TF-IDF of words, rows of length 1; (texts, words) and (known, words). A text without a word is all zeros."""
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer

    features = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    try:
        every = features.fit_transform([*texts, *known])
    except ValueError:  # no text has a word
        every = csr_matrix((len(texts) + len(known), 1), dtype=np.float32)
    return every[: len(texts)], every[len(texts) :]


def _cosines(words: Any, at: int) -> Floats:
    """The cosine of each text with one of them, (texts,)."""
    return np.asarray((words @ words[at].T).todense()).ravel()


def _nearest(words: Any, seen: Any) -> Floats:
    """The largest cosine of each text with a labelled one, (texts,)."""
    out = np.zeros(words.shape[0])
    for start in range(0, words.shape[0] if seen.shape[0] else 0, _CHUNK):
        out[start : start + _CHUNK] = (words[start : start + _CHUNK] @ seen.T).max(axis=1).todense().ravel()
    return out


def _logit(p: Floats) -> Floats:
    held: Floats = np.clip(p, 1e-6, 1 - 1e-6)
    return np.log(held / (1 - held))
