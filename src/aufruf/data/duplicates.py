"""Which wordings read so much alike that their texts must stay on one side of a split.

Candidates share a band of their signatures; each is verified with the exact Jaccard similarity before it counts.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from aufruf.data.signatures import Signatures, Words, shingles, sign, signatures

_REMEMBERED = 4096  # shingle sets kept while verifying; neighbours in a bucket are verified together
_AT_ONCE = 200_000  # pairs whose sketches are compared at once: 80 MB

Ints = npt.NDArray[np.int64]
Read = Callable[[Sequence[str]], Mapping[str, str]]  # names of wordings -> folded texts


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


def components(n: int, columns: Iterable[Ints], edges: Sequence[tuple[int, int]] = ()) -> Ints:
    """Number of the component of each of n items, shape (n,).

    Items are connected by an equal number in a column (-1 is none), and by ``edges``.
    """
    rows, keys, first = [np.arange(0)], [np.arange(0)], n
    for column in columns:
        there = np.flatnonzero(column >= 0)
        rows.append(there)
        keys.append(column[there] + first)
        first += int(column.max(initial=-1)) + 1
    pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
    rows.append(pairs[:, 0])
    keys.append(pairs[:, 1])
    ends = np.concatenate(rows), np.concatenate(keys)
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(first, first))
    label: Ints = connected_components(graph, directed=False)[1][:n].astype(np.int64)
    return label


def similarity(one: str, other: str) -> float:
    """Jaccard similarity of the character 5-grams of two folded texts, 0..1."""
    return _jaccard(shingles(one), shingles(other))


class Alike:
    """Which of the signed wordings are near-duplicates. ``read`` fetches the few that must be compared."""

    def __init__(self, signs: Signatures, read: Read, threshold: float) -> None:
        self.signs, self.threshold, self._read = signs, threshold, read
        self._shingles = lru_cache(maxsize=_REMEMBERED)(shingles)

    @classmethod
    def of(cls, folded: Mapping[str, str], threshold: float) -> "Alike":
        """Signs these wordings (name -> folded text) here and now."""
        signs = signatures(sign(folded, threshold), threshold)
        return cls(signs, lambda names: {name: folded[name] for name in names}, threshold)

    def groups(self, names: Sequence[str]) -> Ints:
        """Number of the near-duplicate group of each of these different wordings, shape (n,).

        Wordings are in one group when a chain of pairs among them, as similar as the threshold or more, connects them.
        """
        at = self.signs.at(names)
        held = np.flatnonzero(at >= 0)
        union = Union(len(held))
        for values in self.signs.bands[at[held]].T:
            for left, right in _pairs(values, union.label):
                apart = union.label[left] != union.label[right]
                left, right = left[apart], right[apart]
                for one, other in self._near(at[held[left]], at[held[right]], left, right):
                    union.join(one, other)
        label = np.arange(len(names)) + len(names)
        label[held] = union.label
        return label

    def pairs(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """Every pair of near-duplicates among these wordings, each in ascending order."""
        at = self.signs.at(sorted(set(names)))
        return self._pairs(at[at >= 0], None)

    def across(self, sides: Mapping[str, int]) -> list[tuple[str, str]]:
        """The near-duplicates that stand on different sides. ``sides``: wording -> one bit for each side it is on."""
        names = sorted(sides)
        at = self.signs.at(names)
        mask = np.array([sides[name] for name in names], dtype=np.int64)
        return self._pairs(at[at >= 0], mask[at >= 0])

    def touching(self, new: Sequence[str], known: Sequence[str], kind: Ints) -> list[tuple[str, str]]:
        """Near-duplicates (new, known), at least one for each kind of known wording that a new one is near to.

        ``kind``: a number for each known wording; what holds of one of a kind holds of all.
        """
        ours, theirs = self.signs.at(new), self.signs.at(known)
        ours, kind, theirs = ours[ours >= 0], kind[theirs >= 0], theirs[theirs >= 0]
        found: dict[tuple[int, int], tuple[int, int]] = {}
        for band in range(self.signs.bands.shape[1] if len(ours) else 0):
            left, hit = _meeting(self.signs.bands[ours, band], self.signs.bands[theirs, band])
            ahead = [pair not in found for pair in zip(ours[left].tolist(), kind[hit].tolist(), strict=True)]
            left, hit = left[ahead], hit[ahead]
            for one, other in self._near(ours[left], theirs[hit], left, hit):
                found[int(ours[one]), int(kind[other])] = int(ours[one]), int(theirs[other])
        return [(self.signs.names[one], self.signs.names[other]) for one, other in found.values()]

    def _pairs(self, at: Ints, mask: Ints | None) -> list[tuple[str, str]]:
        """Near-duplicates among the signatures ``at``; with ``mask`` those that are not on one and the same side."""
        kept: set[tuple[int, int]] = set()
        for values in self.signs.bands[at].T:
            ahead = np.arange(len(at)) if mask is None else _mixed(values, mask)
            for left, right in _pairs(values[ahead]):
                one, other = ahead[left], ahead[right]
                if mask is not None:
                    apart = np.bitwise_count(mask[one] | mask[other]) > 1
                    one, other = one[apart], other[apart]
                likely = self._likely(at[one], at[other])
                pairs = np.sort(np.stack([at[one[likely]], at[other[likely]]], axis=1), axis=1)
                kept.update(map(tuple, pairs.tolist()))
        ordered = np.array(sorted(kept), dtype=np.int64).reshape(-1, 2)
        near = self._near(ordered[:, 0], ordered[:, 1], ordered[:, 0], ordered[:, 1])
        return [(self.signs.names[one], self.signs.names[other]) for one, other in near]

    def _near(self, left: Ints, right: Ints, *named: Ints) -> list[tuple[int, int]]:
        """Of the pairs of signatures left[i], right[i] those that are near-duplicates, as the numbers ``named``."""
        likely = self._likely(left, right)
        if not len(likely):
            return []
        left, right = left[likely], right[likely]
        names = self.signs.names
        folded = self._read([str(name) for name in names[np.unique([left, right])]])
        known = ((folded.get(names[one]), folded.get(names[other])) for one, other in zip(left, right, strict=True))
        near = [a is not None and b is not None and self._verified(a, b) for a, b in known]
        return list(zip(*(numbers[likely][near].tolist() for numbers in named), strict=True))

    def _verified(self, one: str, other: str) -> bool:
        return _jaccard(self._shingles(one), self._shingles(other)) >= self.threshold

    def _likely(self, left: Ints, right: Ints) -> Ints:
        """Which pairs their sketches do not rule out."""
        parts = [slice(start, start + _AT_ONCE) for start in range(0, len(left), _AT_ONCE)]
        bounds = [self.signs.similarity_bound(left[part], right[part]) for part in parts]
        return np.flatnonzero(np.concatenate([np.empty(0), *bounds]) >= self.threshold)


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def _pairs(values: Words, label: Ints | None = None) -> Iterator[tuple[Ints, Ints]]:
    """Positions of equal values, pair by pair: neighbours in sorted order first, then the next but one, and so on.

    With ``label``, which may change in between, values whose holders all have one label are dropped on the way.
    """
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    run = np.cumsum(np.diff(ranked, prepend=ranked[:1]) != 0)
    at, step = np.arange(len(order)), 1
    while len(at := at[: np.searchsorted(at, len(order) - step)]):
        at = at[run[at + step] == run[at]]
        if label is not None and step & (step - 1) == 0:  # at 1, 2, 4, ...
            of = label[order]
            starts = np.flatnonzero(np.diff(run, prepend=-1))
            united = np.maximum.reduceat(of, starts) == np.minimum.reduceat(of, starts)
            at = at[~united[run[at]]]
        yield order[at], order[at + step]
        step += 1


def _mixed(values: Words, mask: Ints) -> Ints:
    """Positions whose value is also held on another side."""
    _, run = np.unique(values, return_inverse=True)
    held = np.zeros(int(run.max(initial=-1)) + 1, dtype=np.int64)
    np.bitwise_or.at(held, run, mask)
    return np.flatnonzero(np.bitwise_count(held)[run] > 1)


def _meeting(new: Words, known: Words) -> tuple[Ints, Ints]:
    """Positions (in ``new``, in ``known``) of equal values."""
    order = np.argsort(new, kind="stable")
    ranked = new[order]
    low, high = np.searchsorted(ranked, known, "left"), np.searchsorted(ranked, known, "right")
    times = high - low
    hit = np.repeat(np.arange(len(known)), times)
    nth = np.arange(len(hit)) - np.repeat(np.cumsum(times) - times, times)
    return order[low[hit] + nth], hit
