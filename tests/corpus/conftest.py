"""A lake filled by hand, and the real corpora where they are at hand."""

import csv
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aufruf.classifier import Classifier, SplitShares, Votes
from aufruf.data import identity
from aufruf.schemas import Annotation, Label, Text
from aufruf.settings import Settings
from aufruf.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


def text(text_id: str, words: str, post: str | None = None, kind: str = "caption", platform: str = "x") -> Text:
    """A stored text; its post, when it has one, is on ``platform``."""
    return Text(
        text_id=text_id,
        post_id=post,
        text=words,
        text_type=kind,
        post_type=None,
        platform=platform or None,
        author=None,
        party=None,
        posted_at=None,
        collected_at=None,
        digest=identity.digest(words),
        group_id=identity.group_id(words),
        file="f",
    )


def vote(text_id: str, annotator: str, label: str) -> Annotation:
    """A vote for the classifier ``c``."""
    return Annotation("c", text_id, annotator, label, None, "f")


def decided(text_id: str, label: str | None = "no_call") -> Label:
    """A label of the classifier ``c``."""
    return Label("c", text_id, label, 2, 1.0, "unanimous" if label else "tie", NOW)


def frame(rows: Sequence[Any]) -> pd.DataFrame:
    """Rows of a table as the store would give them back."""
    return pd.DataFrame([vars(row) for row in rows], dtype=object)


def classifier(**sections: Any) -> Classifier:
    """A two-label classifier named ``c``."""
    return Classifier(
        name="c",
        labels=("no_call", "call"),
        positive="call",
        spellings={"call": ("TRUE",), "no_call": ("FALSE",)},
        **{"votes": Votes(), "split": SplitShares(), **sections},
    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(home=tmp_path, env={})


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.lake)


def corpus(name: str, delimiter: str) -> list[dict[str, str]]:
    """The rows of a real corpus; the test is skipped where it is not at hand."""
    folder = Path(os.environ.get("AUFRUF_SHARED_DATA") or ROOT / ".." / "shared" / "data")
    path = folder / name
    if not path.exists():
        pytest.skip(f"{name} is absent: set AUFRUF_SHARED_DATA to the folder that holds it")
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines, delimiter=delimiter))


@pytest.fixture(scope="session")
def germeval() -> list[dict[str, str]]:
    """6,840 labelled posts: id, description, C2A (TRUE | FALSE)."""
    return corpus("germeval_c2a/c2a_train.csv", ";")


@pytest.fixture(scope="session")
def tweets() -> list[dict[str, str]]:
    """1,000 coded tweets, 90 of them by two people: ane_A, ane_B, ppc_A, ppc_B."""
    return corpus("politician_tweets_2021/tw_annot.csv", ",")
