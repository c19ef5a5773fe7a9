"""What a version has still to score, cut into shards by day and digest. Finding it holds hashes of texts in memory.

A shard is a question, not a list: whoever works on it asks the lake what of it is still missing. So it may be tried
again, worked on twice, or be left half done.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import ceil
from typing import Any

import pandas as pd
import pyarrow as pa

from aufruf.classifier import Classifier
from aufruf.steps import missing
from aufruf.steps.missing import Asked
from aufruf.store import Store

MOST = 100  # shards of one run: each may be a task
_AT_ONCE = 10_000_000  # texts whose hashes are compared at a time: bounds memory, not texts
_EPOCH = date(1970, 1, 1)
_DIGESTS = 1 << 16  # a digest is cut at its first four hexadecimal digits, which are as good as random


@dataclass(frozen=True)
class Shard:
    """Texts of the days from ``since`` to just before ``before``, with digests from ``low`` to just before ``high``."""

    since: str
    before: str
    low: str
    high: str  # "" for no end
    texts: int  # missing when it was cut

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def count(store: Store, asked: Asked) -> int:
    """How many texts are missing."""
    return sum(_days(store, asked).values())


def window(classifier: Classifier, now: datetime) -> str | None:
    """The day (UTC) before which a new champion leaves to the record what others have scored; None: no such day."""
    days = classifier.scoring.window_days
    return None if days is None else str((now - timedelta(days=days)).date())


def left(store: Store, asked: Asked) -> tuple[int, int]:
    """How many texts the next run would score, and how many more are left to other versions: see ``Asked.since``."""
    waiting = count(store, asked)
    return waiting, 0 if asked.since is None else count(store, replace(asked, since=None)) - waiting


def cut(store: Store, asked: Asked, size: int, most: int = MOST) -> list[Shard]:
    """The missing texts in at most ``most`` shards, newest first, of about ``size`` texts or as many as it takes."""
    days = _days(store, asked)
    size = max(size, ceil(sum(days.values()) / most))
    while len(shards := _cut(days, size)) > most:
        size += ceil(size / 4)
    return shards


def texts(store: Store, asked: Asked, shard: Shard, size: int) -> Iterator[pd.DataFrame]:
    """What of a shard is missing now, in frames (text_id, digest, text) of at most ``size`` rows."""
    part = missing.Part(shard.low, shard.high, shard.since, shard.before)
    waiting: list[pa.RecordBatch] = []
    for batch in missing.texts(store, missing.find(store, asked, part), part):
        waiting.append(batch)
        while sum(part.num_rows for part in waiting) >= size:
            table = pa.Table.from_batches(waiting)
            yield _frame(table.slice(0, size))
            waiting = table.slice(size).to_batches()
    if any(part.num_rows for part in waiting):
        yield _frame(pa.Table.from_batches(waiting))


def _frame(table: pa.Table) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(table[name].to_pylist(), dtype=object) for name in table.column_names})


def _days(store: Store, asked: Asked) -> dict[date, int]:
    """Missing texts per day, newest first; of a huge lake a part of the digests at a time."""
    found: dict[date, int] = {}
    for low, high in parts(store):
        for number, n in missing.find(store, asked, missing.Part(low, high)).per_day().items():
            day = _EPOCH + timedelta(days=number)
            found[day] = found.get(day, 0) + n
    return dict(sorted(found.items(), reverse=True))


def _cut(days: dict[date, int], size: int) -> list[Shard]:
    shards: list[Shard] = []
    open_: list[tuple[date, int]] = []
    for day, n in days.items():
        if open_ and sum(some for _, some in open_) + n > size:
            shards.append(_shard(open_))
            open_ = []
        open_.append((day, n))
        if n > size:
            shards += _parts(day, n, size)
            open_ = []
    return [*shards, _shard(open_)] if open_ else shards


def _shard(days: Sequence[tuple[date, int]]) -> Shard:
    return Shard(str(days[-1][0]), _after(days[0][0]), "", "", sum(n for _, n in days))


def _parts(day: date, n: int, size: int) -> list[Shard]:
    """A day with more texts than a shard is to have."""
    parts = ranges(ceil(n / size))
    sizes = [n * (at + 1) // len(parts) - n * at // len(parts) for at in range(len(parts))]
    return [Shard(str(day), _after(day), *ends, some) for ends, some in zip(parts, sizes, strict=True)]


def _after(day: date) -> str:
    return str(day + timedelta(days=1))


def ranges(parts: int) -> list[tuple[str, str]]:
    """So many parts of all digests: from the first of each to just before the second, "" being no end."""
    ends = ["", *(f"{_DIGESTS * at // parts:04x}" for at in range(1, parts)), ""]
    return list(pairwise(ends))


def parts(store: Store) -> list[tuple[str, str]]:
    """As many parts of all digests, the lowest first, as it takes for the hashes of a part's texts to fit memory."""
    return ranges(max(1, ceil(store.count("texts") / _AT_ONCE)))
