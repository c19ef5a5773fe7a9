"""Which texts a version has not scored: one pass over the texts, one over the predictions, 40 bytes a text in memory.

A join in SQL holds all keys of one side as text: with ten million texts two gigabytes, for each shard again. Here a
text is 128 bits of the BLAKE3 hash of its id and wording, which the query itself makes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from aufruf.arrow import plain
from aufruf.conditions import quoted
from aufruf.store import Store

DAY = "date_trunc('day', coalesce(posted_at, collected_at, to_timestamp(0)))"  # an undated text counts as the oldest
HASH = "arrow_cast(digest(concat(text_id, '|', digest), 'blake3'), 'FixedSizeBinary(32)')"
_AT_ONCE = 1 << 17  # predictions looked up at a time
NEVER = np.iinfo(np.int64).max
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Asked:
    """Whose backlog: a classifier's, for one version of its model.

    ``since``: older texts are asked for only where no version has scored them; None: all are.
    """

    classifier: str
    version: str
    since: str | None = None  # a day, YYYY-MM-DD, UTC


@dataclass(frozen=True)
class Part:
    """Texts of the days from ``since`` to just before ``before``, with digests from ``low`` to just before ``high``.

    "" stands for no end.
    """

    low: str = ""
    high: str = ""
    since: str = ""
    before: str = ""

    def condition(self) -> str:
        """As SQL. The bounds of ``posted_at`` say nothing new; files need not be read because of them."""
        parts = [within("texts", self.low, self.high)]
        for sign, day in ((">=", self.since), ("<", self.before)):
            if day:
                parts += [
                    f"{DAY} {sign} timestamp '{day}'",
                    f"(posted_at is null or posted_at {sign} timestamp '{day}')",
                ]
        return " and ".join(parts)


@dataclass(frozen=True)
class Missing:
    """The texts of a part, in the order of their hashes, and which of them are missing."""

    first: Array  # 64 bits, sorted
    second: Array  # 64 more
    days: Array  # since 1970
    missing: Array

    def per_day(self) -> dict[int, int]:
        days, counts = np.unique(self.days[self.missing], return_counts=True)
        return dict(zip(days.tolist(), counts.tolist(), strict=True))

    def has(self, hashes: Array) -> Array:
        """Which of these are missing."""
        return self._are(hashes, self.missing)

    def scored(self, hashes: Array) -> Array:
        """Which of these are texts as they read now, and not missing."""
        return self._are(hashes, ~self.missing)

    def of(self, hashes: Array, values: Array) -> Array:
        """The value of each of these, of ``values`` for each text of the part; ``NEVER`` for what is no such text."""
        at, there = _found(self.first, self.second, hashes)
        return np.where(there, values[at], NEVER) if len(self.first) else np.full(len(hashes), NEVER)

    def _are(self, hashes: Array, which: Array) -> Array:
        at, there = _found(self.first, self.second, hashes)
        return there & which[at] if len(self.first) else there


def find(store: Store, asked: Asked, part: Part) -> Missing:
    """What of a part is missing now."""
    sql = f"select {HASH} as hash, {DAY} as day from texts where {part.condition()}"  # noqa: S608 - quoted
    hashes, days = [np.empty((0, 2), np.uint64)], [np.empty(0, np.int32)]
    for batch in store.query(sql, "texts"):
        hashes.append(hashes_of(batch))
        days.append(
            batch["day"].cast(pa.date32()).to_numpy(zero_copy_only=False).astype("datetime64[D]").astype(np.int32)
        )
    every, day = np.concatenate(hashes), np.concatenate(days)
    del hashes, days
    order = np.argsort(every[:, 0])
    first, second, day = every[order, 0], every[order, 1], day[order]
    del every, order
    missing = np.ones(len(first), bool)
    since = None if asked.since is None else int(pd.Timestamp(asked.since).value // 86_400_000_000_000)
    for others, mine in _said(store, asked, part) if len(first) else ():
        at, there = _found(first, second, others)
        missing[at[there & (mine if since is None else mine | (day[at] < since))]] = False
    return Missing(first, second, day, missing)


def first_said(store: Store, classifier: str, found: Missing, part: Part) -> Array:
    """When any version first scored each text of ``found`` as it reads now, in microseconds since 1970, (texts,);
    ``NEVER`` where none has."""
    first = np.full(len(found.first), NEVER)
    sql = (
        f"select {HASH} as hash, scored_at from predictions where classifier = {quoted(classifier)} "  # noqa: S608
        f"and {within('predictions', part.low, part.high)}"
    )
    for batch in store.query(sql, "predictions"):
        at, there = _found(found.first, found.second, hashes_of(batch))
        np.minimum.at(first, at[there], microseconds(batch["scored_at"])[there])
    return first


def microseconds(times: pa.Array) -> Array:
    """Since 1970, (rows,); ``NEVER`` for none."""
    return times.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).fill_null(NEVER).to_numpy(zero_copy_only=False)


def texts(store: Store, found: Missing, part: Part) -> Iterator[pa.RecordBatch]:
    """Id, digest and text of what is missing, in batches."""
    sql = f"select {HASH} as hash, text_id, digest, text from texts where {part.condition()}"  # noqa: S608 - quoted
    for batch in store.query(sql, "texts") if found.missing.any() else ():
        rest = plain(batch, ["text_id", "digest", "text"])
        yield rest.filter(pa.array(found.has(hashes_of(batch))))


def within(table: str, low: str, high: str) -> str:
    """The condition that a table's digest lies in a part."""
    return f"{table}.digest >= {quoted(low)}" + (f" and {table}.digest < {quoted(high)}" if high else "")


def hashes_of(batch: pa.RecordBatch) -> Array:
    """The first 128 bits of each hash."""
    column = batch["hash"]
    whole = np.frombuffer(column.buffers()[1], np.uint64).reshape(-1, 4)
    return whole[column.offset : column.offset + len(column), :2]


def _said(store: Store, asked: Asked, part: Part) -> Iterator[tuple[Array, Array]]:
    """Hashes of what was scored, many at a time, and whether by the version that is asked for."""
    its = f"model_version = {quoted(asked.version)}"
    sql = (
        f"select {HASH} as hash, {its} as mine from predictions where classifier = {quoted(asked.classifier)} "  # noqa: S608
        f"and {within('predictions', part.low, part.high)}" + (f" and {its}" if asked.since is None else "")
    )
    waiting: list[tuple[Array, Array]] = []
    for batch in store.query(sql, "predictions"):
        waiting.append((hashes_of(batch), batch["mine"].to_numpy(zero_copy_only=False)))
        if sum(len(mine) for _, mine in waiting) >= _AT_ONCE:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """In the order of the hashes: then looking them up goes through memory once."""
    hashes, mine = np.concatenate([one for one, _ in parts]), np.concatenate([two for _, two in parts])
    order = np.argsort(hashes[:, 0])
    return hashes[order], mine[order]


def _found(first: Array, second: Array, hashes: Array) -> tuple[Array, Array]:
    """Where hashes stand among the sorted ones, and which of them really do. Of two texts that share 64 bits only one
    is found: the other counts as missing, is looked at again, and published no second time."""
    if not len(first):
        return np.zeros(len(hashes), np.int64), np.zeros(len(hashes), bool)
    at = np.minimum(np.searchsorted(first, hashes[:, 0]), len(first) - 1)
    return at, (first[at] == hashes[:, 0]) & (second[at] == hashes[:, 1])
