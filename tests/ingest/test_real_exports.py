"""The step on data that other people published, and on the sample campaign."""

import os
import time
from pathlib import Path

import pytest

from aufruf.classifier import Classifier
from aufruf.sample import write_sample
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.store import Store

SHARED = Path(os.environ.get("AUFRUF_SHARED_DATA") or Path(__file__).resolve().parents[2] / ".." / "shared" / "data")


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} is absent: set AUFRUF_SHARED_DATA to the folder that holds it")
    return path


def test_germeval_is_taken_whole(settings: Settings, store: Store, classifier: Classifier) -> None:
    """6,840 comments with semicolons, CRLF and doubled quotation marks: every row is a vote under its own id."""
    spellings = {"call": ("TRUE",), "no_call": ("FALSE",)}
    germeval = classifier.model_copy(update={"spellings": spellings})
    columns = {"text_id": "id", "text": "description", "label": "C2A"}
    result = ingest(settings, [germeval], [shared("germeval_c2a/c2a_train.csv")], columns=columns)
    assert (result["files"][0]["rows"], result["files"][0]["refused"], result["annotations"]) == (6840, 0, 6840)
    assert store.count("texts") == 6840
    first = store.read("texts", {"text_id": "874458912592533"})
    assert first["text"][0].startswith("Wenn Du Wert drauf legst")


def test_tweets_are_taken_in_seconds(settings: Settings, store: Store, classifier: Classifier) -> None:
    """16,954 tweets with ids of 19 digits and times as floats come in whole, and quickly."""
    columns = {
        "post_id": "status_id",
        "text": "full_text",
        "author": "twitter_handle",
        "party": "party",
        "posted_at": "created_at",
    }
    path = shared("politician_tweets_2021/tw_data.csv")
    start = time.monotonic()
    result = ingest(settings, [classifier], [path], columns=columns)
    seconds = time.monotonic() - start
    assert (result["files"][0]["rows"], result["posts"]) == (16954, 16954)
    found = store.read("texts", {"post_id": "1421531116025126914"})
    assert found["text_id"].tolist() == ["unknown:1421531116025126914:caption"]
    assert str(found["posted_at"][0]) == "2021-07-31 18:00:03+00:00"
    assert seconds < 60  # about 3 on two idle cores, and as long again to load Great Expectations


def test_the_sample_campaign_is_taken(settings: Settings, store: Store, tmp_path: Path) -> None:
    """The sample's exports are all recognised; only skipped annotations, ads and posts without text are refused."""
    classifier = Classifier(
        name="calls",
        labels=("no_call", "call"),
        positive="call",
        spellings={"call": ("True",), "no_call": ("False",), "abstain": ("Unsure",)},
    )
    files = [path for path in write_sample(tmp_path / "sample") if path.name != "authors.csv"]
    result = ingest(settings, [classifier], files, authors=tmp_path / "sample" / "authors.csv")
    assert {entry["status"] for entry in result["files"]} == {"new"}
    assert all(entry["rows"] == entry["kept"] + entry["refused"] for entry in result["files"])
    assert set(store.read("quarantine")["reasons"]) == {
        "the annotation was cancelled",
        "the annotation was skipped: no answer",
        "the post is an advertisement shown to the reader",
        "the post has no text",
    }
    texts = store.read("texts")
    assert texts["party"].notna().all()
    assert texts["text_id"].is_unique
    again = ingest(settings, [classifier], files)
    assert {entry["status"] for entry in again["files"]} == {"unchanged"}
