"""How far texts and answers have moved: Jensen-Shannon distances, beside what chance alone would give."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aufruf.model.words import is_mention, tokens

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
LENGTHS, UNKNOWN, NEW_WORDS, LABELS, PROBABILITIES = (
    "lengths",
    "unknown_tokens",
    "new_words",
    "labels",
    "probabilities",
)
EDGES: dict[str, list[float]] = {  # of the bins, the lower edge in each
    LENGTHS: [0, 20, 40, 80, 160, 320, 640, 1280, np.inf],  # characters, each bin twice as long as the one before
    UNKNOWN: [0, 1e-9, 0.02, 0.05, 0.1, 0.2, np.inf],  # share of the tokens; most texts have none
    NEW_WORDS: [0, 1e-9, 0.1, 0.2, 0.3, 0.5, 0.75, np.inf],  # share of the words
    PROBABILITIES: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, np.inf],
}
FIGURES = (LENGTHS, UNKNOWN, NEW_WORDS, LABELS, PROBABILITIES)
_DRAWS = 2000
_CHANCE = 0.999  # of random draws that lie below what is called more than chance: ten distances are looked at a night


class Tokens(Protocol):
    """What a tokenizer must be able to do here."""

    def unknown(self, texts: Sequence[str]) -> Sequence[float]: ...


@dataclass(frozen=True)
class Distance:
    """Of two samples of one figure: their distance, what chance stays below, and the share of each in each bin."""

    value: float
    noise: float
    before: list[float]
    now: list[float]


def distance(one: Any, other: Any) -> float:
    """Jensen-Shannon distance of two lists of counts, 0..1 (Lin 1991; square root of the divergence, base 2)."""
    return float(_distances(np.asarray(one, dtype=float)[None], np.asarray(other, dtype=float)[None])[0])


def compared(before: Counts, now: Counts, seed: int) -> Distance:
    """The distance of two samples, and the 99.9th percentile of it when their texts are shuffled between them.

    Shuffling is drawing without replacement from both together (a permutation test: Fisher 1935), so small samples have
    a large ``noise``. It takes the texts for independent of each other.
    """
    pooled, n = before + now, int(now.sum())
    drawn = np.random.default_rng(seed).multivariate_hypergeometric(pooled, n, size=_DRAWS)
    by_chance = _distances((pooled - drawn).astype(float), drawn.astype(float))
    noise = float(np.quantile(by_chance, _CHANCE))
    return Distance(distance(before, now), noise, *((part / part.sum()).tolist() for part in (before, now)))


def binned(figure: str, values: Floats) -> Counts:
    """How many of the values lie in each bin of the figure; NaN lies in none."""
    edges = EDGES[figure]
    return np.histogram(values[~np.isnan(values)], bins=edges)[0].astype(np.int64)


def counted(values: Sequence[str], names: Sequence[str]) -> Counts:
    """How often each of the names occurs."""
    return np.array([sum(value == name for value in values) for name in names], dtype=np.int64)


def of_texts(texts: Sequence[str], tokenizer: Tokens, vocabulary: Collection[str]) -> Mapping[str, Floats]:
    """Length in characters, share of unknown tokens, share of words outside the vocabulary; each (texts,).

    A text without words has no share of new ones: NaN.
    """
    return {
        LENGTHS: np.array([len(text) for text in texts], dtype=float),
        UNKNOWN: np.asarray(tokenizer.unknown(texts), dtype=float),
        NEW_WORDS: np.array([_share(words(text), lambda word: word not in vocabulary) for text in texts], dtype=float),
    }


def words(text: str) -> list[str]:
    """The words of a text in lower case; mentions and links, which are nearly always new, are none."""
    return [one.lower().lstrip("#") for one in tokens(text) if not is_mention(one) and "/" not in one]


def _share(found: Sequence[str], is_so: Callable[[str], bool]) -> float:
    return sum(map(is_so, found)) / len(found) if found else np.nan


def _distances(one: Floats, other: Floats) -> Floats:
    """Row by row, (rows,) of (rows, bins)."""
    p, q = (part / part.sum(axis=1, keepdims=True) for part in (one, other))
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        halves = [np.where(part > 0, part * np.log2(part / middle), 0.0).sum(axis=1) for part in (p, q)]
    out: Floats = np.sqrt(np.maximum(0.0, (halves[0] + halves[1]) / 2))
    return out
