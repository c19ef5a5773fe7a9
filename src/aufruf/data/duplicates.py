"""Which texts read so much alike that they must stay on one side of a split.

Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, section 3.4); each is verified with the exact Jaccard similarity before it counts.
"""

from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from datasketch import MinHash

SHINGLE = 5  # characters
SHORTEST = 20  # folded characters; below, one changed word changes what is said: "csu" is not "spd"
_PERMUTATIONS = 128
_MISSED = 1e-4  # share of pairs exactly at the threshold that banding may overlook; above it, far fewer
_REMEMBERED = 4096  # shingle sets kept while verifying; neighbours in a bucket are verified together
_PRIME = np.uint32(0x01000193)


class Union:
    """Sets of the numbers 0..n-1 that grow by joining. ``label``: the set of each number, shape (n,)."""

    def __init__(self, n: int) -> None:
        self.label = np.arange(n)
        self._members: dict[int, list[int]] = {}

    def join(self, one: int, other: int) -> None:
        """Make the sets of ``one`` and ``other`` a single set; the smaller one is relabelled."""
        small, large = int(self.label[one]), int(self.label[other])
        if small == large:
            return
        few, many = self._members.pop(small, [small]), self._members.pop(large, [large])
        if len(few) > len(many):
            few, many, large = many, few, small
        self.label[few] = large
        many.extend(few)
        self._members[large] = many


def components(keys: Sequence[Iterable[Hashable]]) -> np.ndarray:
    """Number of the component of each item, where items that share a key are connected; shape (n,)."""
    union = Union(len(keys))
    holder: dict[Hashable, int] = {}
    for at, mine in enumerate(keys):
        for key in mine:
            union.join(at, holder.setdefault(key, at))
    return union.label


def shingles(folded: str) -> frozenset[str]:
    """The character 5-grams of a folded text; a shorter text is its own only one."""
    return frozenset(folded[at : at + SHINGLE] for at in range(max(1, len(folded) - SHINGLE + 1)))


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the character 5-grams of two folded texts, 0..1."""
    return _jaccard(shingles(one), shingles(other))


def near_groups(folded: Sequence[str], threshold: float) -> np.ndarray:
    """Number of the near-duplicate group of each folded text, shape (n,).

    Texts are in one group when a chain of pairs with a similarity of ``threshold`` or more connects them.
    Equal texts always are; texts under 20 characters only when equal.
    """
    unique = {text: at for at, text in enumerate(dict.fromkeys(folded))}
    texts, union, known = list(unique), Union(len(unique)), _Shingles()
    for bucket in _buckets(texts, threshold):
        for at, left in enumerate(bucket[:-1]):
            rest = bucket[at + 1 :]
            for right in rest[union.label[rest] != union.label[left]]:
                if union.label[left] != union.label[right] and known.near(texts[left], texts[right], threshold):
                    union.join(left, right)
            if (union.label[bucket] == union.label[left]).all():
                break
    return union.label[[unique[text] for text in folded]] if len(folded) else union.label


def near_pairs(folded: Sequence[str], threshold: float) -> set[tuple[str, str]]:
    """Every pair of different folded texts at least as similar as ``threshold``, each in ascending order."""
    texts, known = sorted(set(folded)), _Shingles()
    candidates = {
        (int(left), int(right))
        for bucket in _buckets(texts, threshold)
        for at, left in enumerate(bucket)
        for right in bucket[at + 1 :]
    }
    return {
        (texts[one], texts[other])
        for one, other in sorted(candidates)
        if known.near(texts[one], texts[other], threshold)
    }


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


class _Shingles:
    """Verifies candidates, remembering the shingles of the texts seen last."""

    def __init__(self) -> None:
        self._of = lru_cache(maxsize=_REMEMBERED)(shingles)

    def near(self, one: str, other: str, threshold: float) -> bool:
        return _jaccard(self._of(one), self._of(other)) >= threshold


def _buckets(texts: Sequence[str], threshold: float) -> Iterator[np.ndarray]:
    """Ascending positions of texts that agree in one band of their signatures, for each band in turn."""
    long = np.array([at for at, text in enumerate(texts) if len(text) >= SHORTEST], dtype=np.int64)
    if len(long) < 2:
        return
    bands, rows = banding(threshold)
    signatures = _signatures([texts[at] for at in long])
    for band in range(bands):
        values = _mix(signatures[:, band * rows : (band + 1) * rows])
        order = np.argsort(values, kind="stable")
        starts = np.flatnonzero(np.diff(values[order], prepend=values[order[0]] + np.uint64(1)))
        ends = np.append(starts[1:], len(order))
        for start, end in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            yield long[order[start:end]]


def banding(threshold: float) -> tuple[int, int]:
    """Bands and rows per band: as selective as missing at most 1 in 10,000 pairs at ``threshold`` allows.

    A pair of similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands.
    """
    for rows in range(_PERMUTATIONS, 1, -1):
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MISSED:
            return _PERMUTATIONS // rows, rows
    return _PERMUTATIONS, 1


def _signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures, shape (texts, permutations), uint32."""
    signatures = np.empty((len(texts), _PERMUTATIONS), dtype=np.uint32)
    hashed = (_hashes(text) for text in texts)
    bulk = MinHash.generator(hashed, num_perm=_PERMUTATIONS, seed=1, scheme="affine32", hashfunc=_as_is)
    for at, minhash in enumerate(bulk):
        signatures[at] = minhash.hashvalues
    return signatures


def _hashes(text: str) -> list[int]:
    """A 32-bit hash of each 5-gram, the same in every process (the built-in ``hash`` is salted)."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    windows = len(points) - SHINGLE + 1
    value = np.zeros(windows, dtype=np.uint32)
    for at in range(SHINGLE):
        value = (value ^ points[at : at + windows]) * _PRIME
        value ^= value >> np.uint32(15)
    return value.tolist()


def _as_is(value: int) -> int:
    return value


def _mix(columns: np.ndarray) -> np.ndarray:
    """One 64-bit number per row; two different rows may share it, which verification then finds out."""
    value = np.full(len(columns), 0xCBF29CE484222325, dtype=np.uint64)
    for at in range(columns.shape[1]):
        value = (value ^ columns[:, at]) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return value
