"""Splits: grouping and assigning invented German texts with planted duplicates, and adding 1,000 to a large ledger.

``python -m benchmarks.splits [N ...]`` measures other sizes than 10,000 and 100,000; each in a process of its own.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise, product
from math import log
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import identity
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps.split import split
from aufruf.store import Store

SIZES = (10_000, 100_000)
MORE = 1000
_SHARD = 50_000
_NOW = datetime(2026, 11, 1, tzinfo=UTC)
_ROOTS = [
    "wahl", "land", "stadt", "schul", "arbeit", "klima", "bau", "steuer",
    "pflege", "verkehr", "kinder", "markt", "wasser", "strom", "miet", "heimat",
]  # fmt: skip
_ENDS = [
    "programm", "tag", "plan", "ziel", "gruppe", "fest", "abend", "reform",
    "frage", "lage", "werk", "netz", "kreis", "amt", "schutz", "hilfe", "preis",
]  # fmt: skip
_SMALL = [
    "wir", "ihr", "und", "die", "der", "das", "für", "mit", "auf",
    "heute", "morgen", "jetzt", "kommt", "geht", "wählt", "gemeinsam", "endlich", "nicht", "alle",
]  # fmt: skip
_WORDS = [(root + middle + end).capitalize() for root, middle, end in product(_ROOTS, ["", *_ENDS], _ENDS)]


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print seconds and peak memory for each size, the log-log slope between sizes, and what adding 1,000 costs."""
    found = [_apart(size) for size in sizes]
    for one in found:
        print(
            f"splits {one['texts']:,} texts: {one['seconds']:.1f} s, peak {one['peak_mb']:,} MB, {one['groups']:,} "
            f"groups; {MORE:,} more: {one['more_seconds']:.1f} s, {one['signed']:,} wordings signed"
        )
    for small, large in pairwise(found):
        slope = log(large["seconds"] / small["seconds"]) / log(large["texts"] / small["texts"])
        print(f"splits slope {small['texts']:,} to {large['texts']:,}: {slope:.2f} (1 is linear)")


def measure(size: int) -> dict[str, Any]:
    """A lake of so many texts is split, then 1,000 are added."""
    classifier = Classifier(
        name="bench",
        labels=("no_call", "call"),
        positive="call",
        spellings={"call": ("1",), "no_call": ("0",)},
    )
    with tempfile.TemporaryDirectory(prefix="aufruf-bench-") as home:
        settings = Settings.load(home=Path(home), env={})
        store, written = Store(settings.lake), texts(Random(5460))
        for start in range(0, size, _SHARD):
            _fill(store, written, start, min(_SHARD, size - start))
        seconds, first = _timed(settings, classifier)
        before = store.count("signatures")
        _fill(store, written, size, MORE)
        more, _ = _timed(settings, classifier)
        return {
            "texts": size,
            "seconds": seconds,
            "groups": first["groups"],
            "more_seconds": more,
            "signed": store.count("signatures") - before,
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }


def texts(random: Random) -> Iterator[str]:
    """Posts of 6 to 30 words; of 100, 8 are dressed reposts and 4 have one word changed."""
    seen: list[str] = []
    while True:
        draw = random.random()
        if seen and draw < 0.08:
            yield random.choice(seen) + random.choice([" 🗳", "!!!", " https://example.org"])
        elif seen and draw < 0.12:
            words = random.choice(seen).split()
            words[random.randrange(len(words))] = random.choice(_WORDS)
            yield " ".join(words)
        else:
            words = [random.choice(random.choice((_WORDS, _SMALL))) for _ in range(random.randint(6, 30))]
            text = " ".join(words)
            if len(seen) < _SHARD:
                seen.append(text)
            else:
                seen[random.randrange(_SHARD)] = text
            yield text


def _fill(store: Store, written: Iterator[str], first: int, count: int) -> None:
    """Texts, and labels of which one in five is a call."""
    words = [next(written) for _ in range(count)]
    ids = [f"t{number:08}" for number in range(first, first + count)]
    table = pd.DataFrame({"text_id": ids, "text": words, "text_type": "caption", "file": "bench"}, dtype=object)
    table["digest"], table["group_id"] = table["text"].map(identity.digest), table["text"].map(identity.group_id)
    for column in set(TABLES["texts"].__annotations__) - {"KEY", *table.columns}:
        table[column] = None
    store.add("texts", table)
    said = ["call" if number % 5 == 0 else "no_call" for number in range(first, first + count)]
    labels = pd.DataFrame({"text_id": ids, "label": said}, dtype=object)
    store.add(
        "labels", labels.assign(classifier="bench", votes=2, margin=1.0, how="unanimous", decided_at=pd.Timestamp(_NOW))
    )


def _timed(settings: Settings, classifier: Classifier) -> tuple[float, dict[str, Any]]:
    start = time.perf_counter()
    result = split(settings, classifier)
    return time.perf_counter() - start, result


def _apart(size: int) -> dict[str, Any]:
    """Measured in a process of its own, so that one size's peak is not another's."""
    code = f"import json; from benchmarks.splits import measure; print(json.dumps(measure({size})))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
