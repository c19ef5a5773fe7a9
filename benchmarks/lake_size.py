"""A lake of any size: what scoring, ingest and pruning cost when nearly everything is done already.

Texts and the predictions of one version for all of them but a night's worth lie in the tables: 970 days in large files,
the last 30 in the small commits that nights leave. Filling appends, so that it takes minutes; what is measured goes
through the store and the steps, each operation in a process of its own. Ids are of three platforms, as in real
corpora, so each file's smallest and largest id say nothing of what it does not hold.
``python -m benchmarks.lake_size [TEXTS ...]`` measures other sizes; AUFRUF_BENCH_DIR says where.
"""

import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import log
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from aufruf.arrow import schema_of
from aufruf.classifier import Classifier, choose
from aufruf.schemas import IngestedFile, Prediction
from aufruf.settings import Settings
from aufruf.steps import backlog, chosen, prevalence, queue, report, watched
from aufruf.steps.ingest import ingest
from aufruf.steps.missing import Asked
from aufruf.store import Store
from benchmarks.splits import texts as written_texts

DAYS, NIGHTS = 1000, 30  # of the campaign; of these in small commits
_INGESTS = 4  # commits of texts a night
_BULK = 250_000  # rows of a large file
_FILE = "bench"  # of which all texts are
_BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
_SHARD = 20_000
_PLATFORMS = ("facebook", "instagram", "tiktok")
_VERSION = "7"
_ASKED = Asked("bench", _VERSION)


def main(sizes: tuple[int, ...] = (100_000,)) -> None:
    """Print seconds and peak memory of each operation at each size, and the log-log slope between sizes."""
    before: dict[str, Any] = {}
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="aufruf-bench-", dir=os.environ.get("AUFRUF_BENCH_DIR")) as home:
            _apart("fill", home, size)
            print(f"lake of {size:,} texts, a night of {size // DAYS:,}: {_files(home)}", flush=True)
            found = {}
            for name in OPERATIONS:
                found[name] = one = _apart(name, home, size)
                slope = ""
                if name in before:
                    ratio = one["seconds"] / before[name]["seconds"]
                    slope = f"; slope {log(ratio) / log(size / before['size']):.2f} (1 is linear)"
                print(
                    f"  {name}: {one['seconds']:.2f} s, peak {one['peak_mb']:,} MB "
                    f"({one['before_mb']:,} before); {one['told']}{slope}",
                    flush=True,
                )
        before = {**found, "size": size}


def fill(settings: Settings, size: int) -> None:
    """The tables as a campaign leaves them."""
    night = size // DAYS
    old = size - NIGHTS * night
    bulk = [(start, min(start + _BULK, old)) for start in range(0, old, _BULK)]
    parts = [(old + night * at // _INGESTS, old + night * (at + 1) // _INGESTS) for at in range(NIGHTS * _INGESTS)]
    wordings = [text for text, _ in zip(written_texts(Random(5460)), range(20_000), strict=False)]
    Store(settings.lake).add(
        "files", [IngestedFile(_FILE, "", "bench.csv", "csv", "posts", size, size, 0, "new", "", _BEGAN)]
    )
    Store(settings.lake).add("texts", _texts(0, 1, size, wordings).to_pandas())  # makes the tables, as ever
    for start, end in [(1, bulk[0][1]), *bulk[1:], *parts]:
        write_deltalake(f"{settings.lake}/texts", _texts(start, end, size, wordings), mode="append")
    Store(settings.lake).add("predictions", _said(0))
    nights = [(old + night * at, old + night * (at + 1)) for at in range(NIGHTS - 1)]
    for start, end in [(1, bulk[0][1]), *bulk[1:], *nights]:
        write_deltalake(f"{settings.lake}/predictions", _predictions(start, end), mode="append")


def listing(settings: Settings, size: int) -> str:
    """What is missing, cut into shards: what `score` asks first."""
    shards = backlog.cut(Store(settings.lake), _ASKED, _SHARD)
    return f"{sum(one.texts for one in shards):,} missing in {len(shards)} shards"


def reading(settings: Settings, size: int) -> str:
    """The night's texts, as the one who scores them gets them."""
    return f"{sum(map(len, backlog.texts(Store(settings.lake), _ASKED, _last(size), _SHARD))):,} read"


def reading_next(settings: Settings, size: int) -> tuple[str, float]:
    """The texts that came meanwhile."""
    shards = backlog.cut(Store(settings.lake), _ASKED, _SHARD)
    start = time.perf_counter()
    found = sum(len(rows) for one in shards for rows in backlog.texts(Store(settings.lake), _ASKED, one, _SHARD))
    return f"{found:,} read", time.perf_counter() - start


def publishing(settings: Settings, size: int) -> tuple[str, float]:
    """The predictions of the night, merged."""
    store = Store(settings.lake)
    rows = [one for frame in backlog.texts(store, _ASKED, _last(size), _SHARD) for one in frame.itertuples()]
    said = [
        Prediction("bench", row.text_id, row.digest, _VERSION, "call", {"call": 0.9}, True, _BEGAN, "r") for row in rows
    ]
    start = time.perf_counter()
    return f"{store.add('predictions', said):,} published", time.perf_counter() - start


def taking(settings: Settings, size: int) -> tuple[str, float]:
    """A file with the posts of one more night, half of them known already."""
    night, wordings = size // DAYS, [text for text, _ in zip(written_texts(Random(1)), range(9_000), strict=False)]
    start = size + night * _taken(settings)
    table = _texts(start - night // 2, start + night // 2, size, wordings).to_pandas()
    path = settings.home / "night.csv"
    table[["text_id", "text", "platform", "author", "posted_at"]].to_csv(path, index=False)
    columns = {name: name for name in ("text_id", "text", "platform", "author", "posted_at")}
    with tempfile.TemporaryDirectory(prefix="aufruf-bench-") as elsewhere:  # loads what checks need
        ingest(Settings.load(home=Path(elsewhere), env={}), [], [path], columns=columns)
    start = time.perf_counter()
    done = ingest(settings, [], [path], columns=columns)
    return f"{done['posts']:,} new of {night:,}", time.perf_counter() - start


def _taken(settings: Settings) -> int:
    return Store(settings.lake).count("files") - 1  # but the one of which all texts are


def queueing(settings: Settings, size: int) -> str:
    """The texts that `queue` chooses from."""
    return f"{len(queue.ranked(Store(settings.lake), _classifier(), _VERSION, 0.5, set(), 2000)):,} candidates"


def watching(settings: Settings, size: int) -> str:
    """The texts that `monitor` compares: the last week, and the eight before it."""
    end = (_BEGAN + timedelta(days=DAYS)).date()
    windows = [(end - timedelta(days=7), end), (end - timedelta(days=63), end - timedelta(days=7))]
    found = watched.arrived(Store(settings.lake), _classifier(), _VERSION, windows)
    return " and ".join(f"{len(one):,}" for one in found) + " texts"


def counting(settings: Settings, size: int) -> str:
    """The shares by type and week, and how alike texts of an account are."""
    return f"{prevalence.prevalence(Store(settings.lake), _classifier(), _VERSION).whole.texts:,} held-out texts"


def choosing(settings: Settings, size: int) -> str:
    """The texts that `explain` takes by the policy, when all were scored at once, as after a change of champion."""
    return f"{len(chosen.choose(Store(settings.lake), _classifier(), _VERSION, 0.5)):,} chosen"


def reporting(settings: Settings, size: int) -> str:
    """What `report` counts beside the shares, and the texts that it shows."""
    told = report.gather(Store(settings.lake), _classifier(), _VERSION)
    return f"{told.whole.texts:,} texts, {len(told.calls):,} shown"


def _classifier() -> Classifier:
    return choose(Settings.load(home=None, env={}), "call_to_action").model_copy(update={"name": "bench"})


def compaction(settings: Settings, size: int) -> str:
    """Small files written into large ones."""
    gone = {table: Store(settings.lake).compact(table) for table in ("texts", "predictions")}
    return f"small files {gone}; {_files(str(settings.home))}"


def vacuum(settings: Settings, size: int) -> str:
    """Old versions of both tables deleted."""
    gone = sum(Store(settings.lake).vacuum(table, 0) for table in ("texts", "predictions"))
    return f"{gone >> 20:,} MB gone; {_files(str(settings.home))}"


OPERATIONS: dict[str, Callable[[Settings, int], Any]] = {
    "listing": listing,
    "reading": reading,
    "publishing": publishing,
    "taking": taking,
    "queueing": queueing,
    "watching": watching,
    "counting": counting,
    "choosing": choosing,
    "reporting": reporting,
    "compaction": compaction,
    "vacuum": vacuum,
    "listing again": listing,
    "reading again": reading_next,
    "taking again": taking,
}


def _texts(start: int, end: int, size: int, wordings: list[str]) -> pa.Table:
    numbers = range(start, end)
    began = int(_BEGAN.timestamp() * 1_000_000)
    when = pa.array([began + n * DAYS * 86_400_000_000 // size for n in numbers]).cast(
        schema_of("texts").field("posted_at").type
    )
    columns = {
        "text_id": [_id(n) for n in numbers],
        "post_id": [str(n) for n in numbers],
        "text": [f"{wordings[n % len(wordings)]} {n}" for n in numbers],
        "text_type": ["caption"] * len(numbers),
        "platform": [_PLATFORMS[n % 3] for n in numbers],
        "author": [f"account{n % 500}" for n in numbers],
        "posted_at": when,
        "collected_at": when,
        "digest": (digests := [_digest(n) for n in numbers]),
        "group_id": digests,
        "file": [_FILE] * len(numbers),
    }
    return _table("texts", columns, len(numbers))


def _predictions(start: int, end: int) -> pa.Table:
    numbers = range(start, end)
    columns = {
        "classifier": ["bench"] * len(numbers),
        "text_id": [_id(n) for n in numbers],
        "digest": [_digest(n) for n in numbers],
        "model_version": [_VERSION] * len(numbers),
        "label": ["call" if n % 9 else "no_call" for n in numbers],
        "probabilities": [[("no_call", n % 997 / 997), ("call", 1 - n % 997 / 997)] for n in numbers],
        "confident": [n % 11 > 0 for n in numbers],
        "scored_at": [_BEGAN] * len(numbers),
        "run": [_digest(7)[:32]] * len(numbers),
    }
    return _table("predictions", columns, len(numbers))


def _said(n: int) -> list[Prediction]:
    return [Prediction("bench", _id(n), _digest(n), _VERSION, "call", {"call": 0.9, "no_call": 0.1}, True, _BEGAN, "r")]


def _table(name: str, columns: dict[str, Any], rows: int) -> pa.Table:
    schema = schema_of(name)
    none = pa.nulls(rows)
    return pa.table(
        {f.name: pa.array(columns[f.name], f.type) if f.name in columns else none.cast(f.type) for f in schema},
        schema=schema,
    )


def _id(n: int) -> str:
    return f"{_PLATFORMS[n % 3]}:{3_100_000_000_000_000_000 + n * 7_919}:caption"


def _digest(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def _last(size: int) -> backlog.Shard:
    """The shard of the last night."""
    first = (_BEGAN + timedelta(days=DAYS - 1)).date()
    return backlog.Shard(str(first), str(first + timedelta(days=1)), "", "", size // DAYS)


def _files(home: str) -> str:
    def of(table: str) -> str:
        found = list(Path(home, "lake", table).rglob("*.parquet"))
        return f"{table} {len(found)} files, {sum(one.stat().st_size for one in found) >> 20:,} MB"

    return ", ".join(map(of, ("texts", "predictions")))


def _peak() -> int:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _apart(name: str, home: str, size: int) -> dict[str, Any]:
    """One operation in a process of its own, so that its peak is its own."""
    command = [sys.executable, "-m", "benchmarks.lake_size", "--do", name, home, str(size)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


def _do(name: str, home: str, size: int) -> dict[str, Any]:
    settings, before, start = Settings.load(home=Path(home), env={}), _peak(), time.perf_counter()
    told = {**OPERATIONS, "fill": fill}[name](settings, size)
    seconds = time.perf_counter() - start
    told, seconds = told if isinstance(told, tuple) else (told, seconds)
    return {"seconds": seconds, "before_mb": before, "peak_mb": _peak(), "told": told}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--do"]:
        print(json.dumps(_do(sys.argv[2], sys.argv[3], int(sys.argv[4]))))
    else:
        main(tuple(map(int, sys.argv[1:])) or (100_000,))
