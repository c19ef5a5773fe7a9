"""One small installation for each test, and exports written by hand."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.data import intake
from aufruf.schemas import Annotation, QuarantinedRow, Text
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.store import Store

SPELLINGS = {"call": ("True", "ja"), "no_call": ("False", "nein"), "abstain": ("Unsure",)}


NOW = datetime(2024, 11, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Taken:
    """What a file gave: everything at once, as a test of a small file wants it."""

    rows: int
    kept: int
    refusal: str
    counts: list[dict[str, Any]]
    texts: tuple[Text, ...]
    votes: tuple[Annotation, ...]
    quarantine: tuple[QuarantinedRow, ...]


@pytest.fixture
def taken(classifier: Classifier) -> Callable[..., Taken]:
    """Read and judge a file as ``asked``, at noon of nobody's day in November 2024."""

    def take(path: Path, asked: str = "", known: Mapping[str, Mapping[str, int]] | None = None) -> Taken:
        source = intake.source(path, "d", asked, [classifier])
        (found,) = intake.judge([source], [classifier], known or {}, NOW)
        parts = list(found.portions(NOW))
        return Taken(
            found.rows,
            found.kept,
            found.refusal,
            found.counts,
            tuple(text for part in parts for text in part.texts),
            tuple(vote for part in parts for vote in part.votes),
            tuple(row for part in parts for row in part.quarantine),
        )

    return take


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load(tmp_path / "home", {})


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.lake)


@pytest.fixture
def classifier() -> Classifier:
    return Classifier(name="calls", labels=("no_call", "call"), positive="call", spellings=SPELLINGS)


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., Path]:
    """Write a file: text as UTF-8, bytes as they are, anything else as JSON."""

    def write(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not isinstance(content, str | bytes):
            content = json.dumps(content, ensure_ascii=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


@pytest.fixture
def dropped(written: Callable[..., Path]) -> Callable[..., Path]:
    """Put a file that was finished a minute ago into the inbox ``kind``."""

    def drop(kind: str, name: str, content: Any) -> Path:
        path = written(f"home/inbox/{kind}/{name}", content)
        earlier = path.stat().st_mtime - 60
        os.utime(path, (earlier, earlier))
        return path

    return drop


@pytest.fixture
def vote() -> Callable[..., dict[str, Any]]:
    """One Label Studio task with one annotation."""

    def task(
        text: str,
        choice: str | None,
        person: Any = 7,
        identifier: str | None = None,
        question: str = "Call to Action",
        **more: Any,
    ) -> dict[str, Any]:
        answer = {"from_name": question, "to_name": "Text", "type": "choices", "value": {"choices": [choice]}}
        annotation = {
            "id": 1,
            "completed_by": person,
            "result": [answer] if choice is not None else [],
            "was_cancelled": False,
            "updated_at": "2024-11-12T10:00:00.000Z",
        }
        data = {"Text": text} | ({"Identifier": identifier} if identifier else {})
        return {"id": 1, "data": data, "annotations": [annotation | more]}

    return task


@pytest.fixture
def zeeschuimer() -> Callable[..., str]:
    """One line of a Zeeschuimer export; ``post`` is laid over the item."""

    def line(code: str, text: str | None, collected: int = 1731425774000, **post: Any) -> str:
        data = {
            "code": code,
            "taken_at": 1730302949,
            "product_type": "feed",
            "caption": None if text is None else {"text": text},
            "user": {"username": "kathaschulze"},
        }
        envelope = {
            "item_id": code,
            "timestamp_collected": collected,
            "source_platform": "instagram.com",
            "data": data | post,
        }
        return json.dumps(envelope) + "\n"

    return line


@pytest.fixture
def take(settings: Settings, classifier: Classifier) -> Callable[..., list[Any]]:
    """The step itself on these files; what it says of each."""

    def taking(*paths: Path, **options: Any) -> list[Any]:
        entries: list[Any] = ingest(settings, [classifier], paths, **options)["files"]
        return entries

    return taking
