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
from aufruf.data import identity, proof
from aufruf.data.duplicates import Alike
from aufruf.data.proof import assert_disjoint
from aufruf.data.splits import LEDGER, extend
from aufruf.schemas import Annotation, Label, SplitRow, Text
from aufruf.settings import Settings
from aufruf.store import Store

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DEFAULT = SplitShares()
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


def wordings(texts: pd.DataFrame, threshold: float = 0.8) -> Alike:
    """The wordings of stored texts, signed here and now."""
    folded = {identity.group_id(words): identity.fold(words) for words in texts["text"]}
    return Alike.of(folded, threshold)


def prove(ledger: pd.DataFrame, texts: pd.DataFrame) -> None:
    """Raises LeakFound where two sides share something."""
    assert_disjoint(ledger, texts, wordings(texts))


def usable(ledger: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """The ledger rows that may be used."""
    return proof.usable(ledger, texts, wordings(texts))


def added(
    ledger: Sequence[SplitRow] | pd.DataFrame,
    labels: pd.DataFrame,
    texts: pd.DataFrame,
    shares: SplitShares = DEFAULT,
    near: Alike | None = None,
) -> list[SplitRow]:
    """What a classifier ``c`` adds to a ledger; ``near``: the wordings, where they are signed already."""
    known = pd.DataFrame([vars(row) for row in ledger], columns=list(LEDGER)) if isinstance(ledger, list) else ledger
    near = near or wordings(texts, shares.near_duplicate)
    rows = extend("c", shares, "call", known, labels, texts, near, NOW)
    return [SplitRow(*row) for row in rows.astype(object).itertuples(index=False)]


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
