"""How far texts and answers have moved: Jensen-Shannon distances, beside what chance alone would give."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from aufruf.model.words import HASH, is_link, is_mention, tokens

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
_AT_ONCE = 2_000_000  # numbers of draws that are held at a time: 16 MB
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
    """The distance of two samples, and the 99.9th percentile of it when their blocks are shuffled between them.

    Both are (blocks, bins): how many texts of each block, say an account's day, lie in each bin; a block has some.
    Texts of a block are alike, so blocks change sides whole: drawn without replacement from both samples, as many as
    there are now (a permutation test: Fisher 1935; of clusters: Good 2005, Permutation, Parametric and Bootstrap Tests,
    chapter 9). So small samples, and those of few blocks, have a large ``noise``.
    """
    kinds, often = np.unique(np.concatenate([before, now]), axis=0, return_counts=True)
    pooled, random = often @ kinds, np.random.default_rng(seed)
    found = []
    for start in range(0, _DRAWS, size := max(1, _AT_ONCE // len(kinds))):
        some = min(size, _DRAWS - start)
        drawn = random.multivariate_hypergeometric(often, len(now), size=some) @ kinds
        found.append(_distances((pooled - drawn).astype(float), drawn.astype(float)))
    noise = float(np.quantile(np.concatenate(found), _CHANCE))
    sums = before.sum(axis=0), now.sum(axis=0)
    return Distance(distance(*sums), noise, *((part / part.sum()).tolist() for part in sums))


def binned(figure: str, values: Floats, blocks: npt.NDArray[Any]) -> Counts:
    """How many of the values of each block lie in each bin of the figure, (blocks, bins); NaN lies in none."""
    edges, given = EDGES[figure], ~np.isnan(values)
    return _by_block(np.digitize(values[given], edges[1:-1]), blocks[given], len(edges) - 1)


def counted(values: Sequence[str | None], names: Sequence[str], blocks: npt.NDArray[Any]) -> Counts:
    """How often each of the names occurs in each block, (blocks, names); None is nobody's name."""
    at = {name: place for place, name in enumerate(names)}
    given = np.array([value is not None for value in values], dtype=np.bool_)
    places = np.array([at[value] for value in values if value is not None], dtype=np.int64)
    return _by_block(places, blocks[given], len(names))


def _by_block(places: npt.NDArray[np.int64], blocks: npt.NDArray[Any], bins: int) -> Counts:
    names, of = np.unique(blocks, return_inverse=True)
    counts = np.zeros((len(names), bins), dtype=np.int64)
    np.add.at(counts, (of, places), 1)
    return counts


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
    """The words of a text in lower case, without soft hyphens; mentions and links, nearly always new, are none."""
    plain = text.replace("\u00ad", "")
    return [one.lower().lstrip(HASH) for one in tokens(plain) if not is_mention(one) and not is_link(one)]


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
