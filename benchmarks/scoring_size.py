"""Scoring of any size: seconds and peak memory for 10,000, 100,000 and 1,000,000 texts.

A tiny BERT with random weights scores them, so that what is measured is the way of the texts - found in the lake, cut
into shards, read, put into tokens, published - and not the model. Each size runs in a process of its own.
``python -m benchmarks.scoring_size [N ...]`` measures other sizes.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import log
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model import bundle
from aufruf.release.registry import CHAMPION, Registry
from aufruf.release.tracking import Tracker
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps.score import score
from aufruf.store import Store
from benchmarks.splits import texts

SIZES = (10_000, 100_000, 1_000_000)
_DAYS = 90  # of a campaign, over which the texts are spread
_FROM = datetime(2026, 8, 1, tzinfo=UTC)
_SHARD = 50_000
_LABELS = ("no_call", "call")


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print seconds, texts a second and peak memory for each size, and the log-log slope between sizes."""
    found = []
    for size in sizes:
        one = _apart(size)
        found.append(one)
        print(
            f"scoring {one['texts']:,} texts: {one['seconds']:.1f} s ({one['texts'] / one['seconds']:,.0f} texts/s), "
            f"{one['processor']:.1f} s of processor, peak {one['peak_mb']:,} MB, {one['before_mb']:,} MB before; "
            f"{one['predictions']:,} predictions; nothing to do: {one['again']:.1f} s",
            flush=True,
        )
    for small, large in pairwise(found):
        scale = log(large["texts"] / small["texts"])
        slopes = [log(large[what] / small[what]) / scale for what in ("seconds", "processor")]
        print(
            f"scoring slope {small['texts']:,} to {large['texts']:,}: {slopes[0]:.2f} by the clock, {slopes[1]:.2f} by "
            f"the processor (1 is linear); peak memory {large['peak_mb'] / small['peak_mb']:.2f} times"
        )


def measure(size: int) -> dict[str, Any]:
    """A lake of so many texts is scored, and then asked once more."""
    spellings = {"call": ("1",), "no_call": ("0",)}
    classifier = Classifier(name="bench", labels=_LABELS, positive="call", spellings=spellings)
    with tempfile.TemporaryDirectory(prefix="aufruf-bench-") as home:
        settings = Settings.load(home=Path(home), env={})
        subprocess.run([sys.executable, "-m", "benchmarks.scoring_size", "--fill", home, str(size)], check=True)
        before = _peak()
        start, processor = time.perf_counter(), time.process_time()
        done = score(settings, classifier)
        seconds, processor, peak = time.perf_counter() - start, time.process_time() - processor, _peak()
        start = time.perf_counter()
        assert score(settings, classifier)["status"] == "nothing to do"
        again = time.perf_counter() - start
        assert done["scored"] == size
        return {
            "texts": size,
            "seconds": seconds,
            "processor": processor,
            "before_mb": before,
            "peak_mb": peak,
            "predictions": Store(settings.lake).count("predictions"),
            "again": again,
        }


def fill(settings: Settings, size: int) -> None:
    """Texts in a lake and a champion in a registry."""
    store, written = Store(settings.lake), texts(Random(5460))
    for start in range(0, size, _SHARD):
        count = min(_SHARD, size - start)
        words = [next(written) for _ in range(count)]
        numbers = range(start, start + count)
        table = pd.DataFrame({"text_id": [f"t{n:08}" for n in numbers], "text": words, "file": "bench"}, dtype=object)
        table["text_type"], table["group_id"] = "caption", ""
        table["digest"] = [_digest(text) for text in words]
        table["posted_at"] = [_FROM + timedelta(seconds=n * 7919 % (_DAYS * 86_400)) for n in numbers]
        for column in set(TABLES["texts"].__annotations__) - {"KEY", *table.columns}:
            table[column] = None
        store.add("texts", table)
    _register(settings)


def _digest(text: str) -> str:
    from aufruf.data.identity import digest

    return digest(text)


def _register(settings: Settings) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder, names = settings.home / "made", dict(enumerate(_LABELS))
    special, letters = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"], "abcdefghijklmnopqrstuvwxyzäöüß0123456789!?#@.,:/"
    roles = {"pad_token": special[0], "unk_token": special[1]}
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters)]
    inner = Tokenizer(models.WordPiece({piece: at for at, piece in enumerate(pieces)}, unk_token=special[1]))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    PreTrainedTokenizerFast(tokenizer_object=inner, **roles).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=1, num_attention_heads=1, intermediate_size=32,
        max_position_embeddings=32, num_labels=2, id2label=names, label2id={v: k for k, v in names.items()},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    card = bundle.Card(_LABELS, "call", 0.5, 24, "head_tail", "tiny", None, {}, "")
    registry = Registry(settings, "bench")
    with Tracker(settings, "bench").run("train", {}, {}) as run:
        tags = {"aufruf.manifest": bundle.seal(folder, card), "aufruf.threshold": 0.5}
        registry.register(run, run.artifacts(folder, "model"), tags)
    registry.point(CHAMPION, "1")


def _peak() -> int:
    """Megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _apart(size: int) -> dict[str, Any]:
    """Measured in a process of its own, so that one size's peak is not another's."""
    code = f"import json; from benchmarks.scoring_size import measure; print(json.dumps(measure({size})))"
    told = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found


if __name__ == "__main__":
    if sys.argv[1:2] == ["--fill"]:
        fill(Settings.load(home=Path(sys.argv[2]), env={}), int(sys.argv[3]))
    else:
        main(tuple(map(int, sys.argv[1:])) or SIZES)
