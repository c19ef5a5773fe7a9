"""Texts and a model to measure with: the sample campaign, real tweets where they are, and the stand-in."""

import csv
import os
import tempfile
from pathlib import Path

from aufruf.model import bundle
from aufruf.model.predictor import Predictor
from aufruf.model.stand_in import FULL_NAME, NAME, convert
from aufruf.sample.posts import Campaign

LABELS = ("no_call", "call")


def sample_texts() -> list[str]:
    """The texts of the sample campaign."""
    return [text.text for post in Campaign(5460).annotated() for text in post.texts]


def tweets(count: int) -> list[str]:
    """Real tweets by politicians; none where the data are not there."""
    shared = os.environ.get("AUFRUF_SHARED_DATA") or Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(shared) / "politician_tweets_2021" / "tw_data.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["full_text"] for row in rows[:: max(1, len(rows) // count)]][:count]


def model(home: Path) -> Path:
    """A sealed bundle of the stand-in with an untrained head: as slow as a trained one, and nobody's opinion."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    encoder, folder = convert(home / NAME), home / "bundle"
    torch.manual_seed(0)
    ids = dict(enumerate(LABELS))
    untrained = AutoModelForSequenceClassification.from_pretrained(
        encoder, num_labels=len(LABELS), id2label=ids, label2id={v: k for k, v in ids.items()}, dtype=torch.float32
    )
    untrained.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    card = bundle.Card(LABELS, "call", 0.5, 256, "head_tail", FULL_NAME, None, {}, "")
    bundle.seal(folder, card)
    return folder


def loaded() -> tuple[Path, Predictor]:
    """The bundle's folder and its predictor."""
    folder = model(Path(tempfile.mkdtemp(prefix="aufruf-bench-")))
    return folder, Predictor.load(folder)
