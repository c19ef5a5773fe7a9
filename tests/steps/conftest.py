"""A home in which two nights have passed on a slice of the sample campaign; made once, read by many tests."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier, choose
from aufruf.settings import Settings
from aufruf.store import Store


@pytest.fixture(scope="session", autouse=True)
def _the_same_on_every_machine(full_precision: object) -> None:
    """Tests of what models say do not depend on the processor."""


@dataclass(frozen=True)
class Nights:
    """Where it happened, and what each night returned."""

    settings: Settings
    classifier: Classifier
    results: list[dict[str, Any]]


@pytest.fixture(scope="session")
def nights(
    tmp_path_factory: pytest.TempPathFactory, classifier_toml: str, fill_inbox: Callable[[Path, int], None]
) -> Nights:
    """Two nights, one after the other."""
    from aufruf.steps.night import night

    folder = tmp_path_factory.mktemp("nights")
    (folder / "classifiers").mkdir()
    (folder / "classifiers" / "call_to_action.toml").write_text(classifier_toml, "utf-8")
    settings = Settings.load(folder / "home", env={"AUFRUF_CLASSIFIERS": str(folder / "classifiers")})
    classifier = choose(settings, None)
    fill_inbox(settings.home, 3)
    return Nights(settings, classifier, [night(settings, classifier), night(settings, classifier)])


@pytest.fixture
def quoted() -> Callable[[Store, list[str]], list[str]]:
    """``quoted(store, lines)``: the lines in which three words stand as they do in one of the lake's texts."""

    def threes(said: str) -> set[tuple[str, ...]]:
        words = re.findall(r"\w+", said.casefold())
        return set(zip(words, words[1:], words[2:], strict=False))

    def found(store: Store, lines: list[str]) -> list[str]:
        texts = set().union(*map(threes, store.read("texts", columns=["text"])["text"]))
        assert len(texts) > 100
        return [line for line in lines if threes(" ".join(map(str, json.loads(line).values()))) & texts]

    return found


@pytest.fixture(scope="session")
def corpus_home(tmp_path_factory, classifier_toml, fill_inbox) -> Settings:
    """A home with a labelled and split corpus, in which nothing was trained yet."""
    from aufruf.steps.ingest import ingest
    from aufruf.steps.label import label
    from aufruf.steps.split import split

    folder = tmp_path_factory.mktemp("corpus")
    (folder / "classifiers").mkdir()
    (folder / "classifiers" / "call_to_action.toml").write_text(classifier_toml.replace("epochs = 2", "epochs = 3"))
    settings = Settings.load(folder / "home", env={"AUFRUF_CLASSIFIERS": str(folder / "classifiers")})
    classifier = choose(settings, None)
    fill_inbox(settings.home, 6)
    inbox = [*settings.inbox_annotations.iterdir()]
    ingest(settings, [classifier], inbox)
    label(settings, classifier)
    split(settings, classifier)
    return settings
