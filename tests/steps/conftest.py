"""A home in which two nights have passed on a slice of the sample campaign; made once, read by many tests."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier, choose
from aufruf.settings import Settings


@dataclass(frozen=True)
class Nights:
    """Where it happened, and what each night returned."""

    settings: Settings
    classifier: Classifier
    results: list[dict[str, Any]]


def fill_inbox(settings: Settings, exports: Path, every: int) -> None:
    """Every n-th annotated text of the sample, all three annotators, and all later posts."""
    settings.inbox_annotations.mkdir(parents=True)
    settings.inbox_posts.mkdir(parents=True)
    for path in exports.glob("annotations_*.json"):
        tasks = json.loads(path.read_text("utf-8"))
        kept = [task for task in tasks if hash_of(task["data"]["Identifier"]) % every == 0]
        (settings.inbox_annotations / path.name).write_text(json.dumps(kept), "utf-8")
    for path in exports.glob("posts_*"):
        (settings.inbox_posts / path.name).write_bytes(path.read_bytes())
    age(settings)


def age(settings: Settings) -> None:
    """Make inbox files old enough to count as complete."""
    import os

    for folder in (settings.inbox_annotations, settings.inbox_posts):
        for path in folder.iterdir():
            os.utime(path, (1_700_000_000, 1_700_000_000))


def hash_of(word: str) -> int:
    import zlib

    return zlib.crc32(word.encode())


@pytest.fixture(scope="session")
def sample_exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample campaign's files."""
    from aufruf.sample import write_sample

    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder)
    return folder


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory, classifier_toml: str, sample_exports: Path) -> Nights:
    """Two nights, one after the other."""
    from aufruf.steps.night import night

    folder = tmp_path_factory.mktemp("nights")
    (folder / "classifiers").mkdir()
    (folder / "classifiers" / "call_to_action.toml").write_text(classifier_toml, "utf-8")
    settings = Settings.load(folder / "home", env={"AUFRUF_CLASSIFIERS": str(folder / "classifiers")})
    classifier = choose(settings, None)
    fill_inbox(settings, sample_exports, every=3)
    return Nights(settings, classifier, [night(settings, classifier), night(settings, classifier)])
