"""The first rows by some order of all that pass: memory holds about so many, however many come."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

Array = np.ndarray[Any, Any]
_HEX = 15  # digits of a digest that make a number of 60 bits


class Least:
    """The ``most`` rows with the lowest ranks; of rows with one rank, those with the lowest digests."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: list[pa.RecordBatch | pa.Table] = []
        self._ranks: list[tuple[Array, Array]] = []
        self._worst = np.inf

    @property
    def full(self) -> bool:
        return sum(len(one) for one in self._held) >= self.most

    def take(self, batch: pa.RecordBatch, rank: Array) -> None:
        """Rows with a column ``digest``, of one schema in every call, and the rank of each, floats."""
        near = np.flatnonzero(rank <= self._worst)
        if len(near):
            some = batch.take(pa.array(near))
            self._held.append(some)
            self._ranks.append((rank[near], numbers(some)))
            if sum(len(one) for one in self._held) > 2 * self.most:
                self._cut()

    def frame(self) -> pd.DataFrame | None:
        """The rows in their order; None where none came."""
        self._cut()
        return self._held[0].to_pandas() if self._held else None

    def _cut(self) -> None:
        if not self._held:
            return
        parts = [pa.Table.from_batches([one]) if isinstance(one, pa.RecordBatch) else one for one in self._held]
        rank, digest = (np.concatenate(some) for some in zip(*self._ranks, strict=True))
        first = np.lexsort((digest, rank))[: self.most]
        self._held = [pa.concat_tables(parts).take(pa.array(first)).combine_chunks()]
        self._ranks = [(rank[first], digest[first])]
        if len(first) == self.most:
            self._worst = rank[first[-1]]


def numbers(batch: pa.RecordBatch) -> Array:
    """The digests of a batch as numbers in the same order, but for what differs after 60 bits only."""
    return np.array([int(one[:_HEX], 16) for one in batch["digest"].to_pylist()], np.int64)
