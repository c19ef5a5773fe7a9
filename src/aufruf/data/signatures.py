"""Signatures of wordings: MinHash bands, by which near-duplicates are looked up, and a sketch, which rules pairs out.

Candidates come from MinHash with banding (Broder 1997; Leskovec, Rajaraman, Ullman, Mining of Massive Datasets,
section 3.4). A signature depends on nothing but the wording, so it is made once and kept in the lake.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.data.identity import name_of

SHINGLE = 5  # characters
SHORTEST = 20  # folded characters; below, one changed word changes what is said: "csu" is not "spd"
_PERMUTATIONS = 128
_FOLDED = "visible"  # how texts are folded: signatures of before invisible signs were left out are made anew
_MISSED = 1e-4  # share of pairs exactly at the threshold that banding may overlook; above it, far fewer
_SKETCH = 1024  # bits
_PRIME = np.uint32(0x01000193)

Words = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Signatures:
    """Signatures of n wordings that are long enough to have near-duplicates, by ascending name."""

    names: npt.NDArray[np.object_]  # (n,)
    grams: npt.NDArray[np.int64]  # (n,) different 5-grams
    bands: Words  # (n, bands)
    sketch: Words  # (n, 16)
    renamed: frozenset[str] = frozenset()  # those whose name is of a time when texts were folded otherwise

    def at(self, names: Sequence[str] | npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Where these wordings stand; -1 for one that has no signature."""
        return pd.Index(self.names).get_indexer(pd.Index(np.asarray(names, dtype=object)))

    def similarity_bound(self, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """What the Jaccard similarity of each pair cannot exceed.

        A bit that one sketch alone has set stands for at least one 5-gram that the other wording lacks.
        """
        one, other = self.sketch[left], self.sketch[right]
        sizes = self.grams[left], self.grams[right]
        lacking = [np.bitwise_count(a & ~b).sum(axis=1, dtype=np.int64) for a, b in ((one, other), (other, one))]
        common = np.minimum(sizes[0] - lacking[0], sizes[1] - lacking[1])
        bound: npt.NDArray[np.float64] = common / (sizes[0] + sizes[1] - common)
        return bound


def scheme(threshold: float) -> str:
    """The name under which signatures for a threshold are kept."""
    bands, rows = banding(threshold)
    return f"minhash {SHINGLE}-grams {bands}x{rows} {_FOLDED}"


def sign(folded: Mapping[str, str], threshold: float) -> pd.DataFrame:
    """Rows of the table ``signatures``, one a wording (name -> folded text); short ones have no bands."""
    long = [name for name, text in folded.items() if len(text) >= SHORTEST]
    short = [name for name, text in folded.items() if len(text) < SHORTEST]
    bands, sketch = _bands_and_sketch([folded[name] for name in long], threshold)
    frame = pd.DataFrame({"wording": [*long, *short]}, dtype=object)
    frame["scheme"] = scheme(threshold)
    frame["grams"] = [len(shingles(folded[name])) for name in frame["wording"]]
    frame["bands"] = [row.tobytes() for row in bands] + [b""] * len(short)
    frame["renamed"] = [name_of(folded[name]) != name for name in frame["wording"]]
    frame["sketch"] = [row.tobytes() for row in sketch] + [b""] * len(short)
    return frame


def signatures(rows: pd.DataFrame, threshold: float) -> Signatures:
    """Arrays from rows of the table; those of wordings too short for near-duplicates are left out."""
    long = rows[rows["bands"].map(len) > 0].sort_values("wording")
    return Signatures(
        names=long["wording"].to_numpy(dtype=object),
        grams=long["grams"].to_numpy(dtype=np.int64),
        bands=_words(long["bands"], banding(threshold)[0]),
        sketch=_words(long["sketch"], _SKETCH // 64),
        renamed=frozenset(long.loc[long["renamed"].eq(True), "wording"]),
    )


def shingles(folded: str) -> frozenset[str]:
    """The character 5-grams of a folded text; a shorter text is its own only one."""
    return frozenset(folded[at : at + SHINGLE] for at in range(max(1, len(folded) - SHINGLE + 1)))


def banding(threshold: float) -> tuple[int, int]:
    """Bands and rows per band: as selective as missing at most 1 in 10,000 pairs at ``threshold`` allows.

    A pair of similarity s becomes a candidate with probability 1 - (1 - s^rows)^bands.
    """
    for rows in range(_PERMUTATIONS, 1, -1):
        if (1 - threshold**rows) ** (_PERMUTATIONS // rows) <= _MISSED:
            return _PERMUTATIONS // rows, rows
    return _PERMUTATIONS, 1


def _words(packed: pd.Series, width: int) -> Words:
    return np.frombuffer(b"".join(packed), dtype="<u8").astype(np.uint64, copy=False).reshape(-1, width)


def _bands_and_sketch(texts: Sequence[str], threshold: float) -> tuple[Words, Words]:
    """Shapes (texts, bands) and (texts, 16), little-endian."""
    bands, rows = banding(threshold)
    hashes = [_hashes(text) for text in texts]
    bits = np.zeros((len(texts), _SKETCH), dtype=np.bool_)
    for at, values in enumerate(hashes):
        bits[at, values % _SKETCH] = True
    minimal = np.empty((len(texts), _PERMUTATIONS), dtype=np.uint32)
    listed = (values.tolist() for values in hashes)
    from datasketch import MinHash  # a second to load, for commands that make no signature too

    bulk = MinHash.generator(listed, num_perm=_PERMUTATIONS, seed=1, scheme="affine32", hashfunc=_as_is)
    for at, minhash in enumerate(bulk):
        minimal[at] = minhash.hashvalues
    mixed = [_mix(minimal[:, band * rows : (band + 1) * rows]) for band in range(bands)]
    return np.stack(mixed, axis=1).astype("<u8"), np.packbits(bits, axis=1, bitorder="little").view("<u8")


def _hashes(text: str) -> npt.NDArray[np.uint32]:
    """A 32-bit hash of each 5-gram, the same in every process (the built-in ``hash`` is salted)."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    windows = len(points) - SHINGLE + 1
    value = np.zeros(windows, dtype=np.uint32)
    for at in range(SHINGLE):
        value = (value ^ points[at : at + windows]) * _PRIME
        value ^= value >> np.uint32(15)
    return value


def _as_is(value: int) -> int:
    return value


def _mix(columns: npt.NDArray[np.uint32]) -> Words:
    """One 64-bit number per row; two different rows may share it, which verification then finds out."""
    value = np.full(len(columns), 0xCBF29CE484222325, dtype=np.uint64)
    for at in range(columns.shape[1]):
        value = (value ^ columns[:, at]) * np.uint64(0x9E3779B97F4A7C15)
        value ^= value >> np.uint64(29)
    return value
