"""A small home with rows written by hand: two accounts, one classifier, a report, an original."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from aufruf.classifier import Classifier
from aufruf.classifier import choose as choose_classifier
from aufruf.data.identity import digest, group_id
from aufruf.schemas import (
    Annotation,
    Author,
    Explanation,
    IngestedFile,
    Label,
    Prediction,
    QuarantinedRow,
    SplitRow,
    Text,
)
from aufruf.settings import Settings
from aufruf.store import Store

NOW = datetime(2025, 2, 17, 5, tzinfo=UTC)
TEXTS = {  # text_id -> (author, text)
    "instagram:AAAAAA1:caption": ("Anna_Nord", "Geht am Sonntag wählen und bringt eure Nachbarn mit zum Marktplatz!"),
    "instagram:AAAAAA1:ocr": (None, "Am 23. Februar in den Wahllokalen im Osten der Stadt"),
    "instagram:AAAAAA2:caption": ("anna_nord", "Danke für den schönen Abend in der Stadthalle, ihr wart wunderbar."),
    "instagram:BBBBBB1:caption": ("berta", "Kommt am Samstag zum Infostand auf dem Markt, @anna_nord ist auch da."),
    "instagram:BBBBBB2:caption": ("berta", "Unser Programm für bessere Radwege und Brücken ist da."),
}
CLASSIFIER = """
labels = ["no_call", "call"]
positive = "call"
[spellings]
call = ["1"]
no_call = ["0"]
"""
HERS = [one for one in TEXTS if ":AAAAAA" in one]


def text(text_id: str, author: str | None, said: str, file: str = "f1") -> Text:
    platform, post, kind = text_id.split(":")
    party = None if author is None else "Liste Flussufer" if author == "berta" else "Anna_Nord"
    return Text(
        text_id, post, said, kind, "post", platform, author, party, NOW, NOW, digest(said), group_id(said), file
    )


def vote(text_id: str, label: str = "call") -> Annotation:
    return Annotation("call_to_action", text_id, "Ada", label, NOW, "f1")


def said(text_id: str, probability: float, words: str) -> tuple[Prediction, Explanation]:
    key = ("call_to_action", text_id, digest(words), "1")
    label = "call" if probability >= 0.5 else "no_call"
    odds = {"no_call": 1 - probability, "call": probability}
    first = words.split()[0]
    return (
        Prediction(*key, label, odds, True, NOW, "run"),
        Explanation(*key, "call", label, json.dumps([[first, 0.4]]), 0.9, 0.9, NOW),
    )


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Settings of the home, its tables filled."""
    settings = replace(Settings.load(tmp_path / "home", env={}), classifiers=tmp_path / "classifiers")
    settings.classifiers.mkdir()
    (settings.classifiers / "call_to_action.toml").write_text(CLASSIFIER, "utf-8")
    store = Store(settings.lake)
    store.add("texts", [text(one, *facts) for one, facts in TEXTS.items()])
    store.add("annotations", [vote(one) for one in TEXTS])
    store.add("labels", [Label("call_to_action", one, "call", 2, 1.0, "unanimous", NOW) for one in TEXTS])
    for one, (_, words) in TEXTS.items():
        prediction, explanation = said(one, 0.9, words)
        store.add("predictions", [prediction])
        store.add("explanations", [explanation])
    store.add(
        "splits",
        [SplitRow("call_to_action", one, digest(TEXTS[one][1]), "g", "train", "", NOW) for one in HERS[:2]],
    )
    store.add("authors", [Author("anna_nord", "Liste Flussufer"), Author("berta", "Liste Flussufer")])
    store.add("files", [IngestedFile("f1", "", "anna_nord.json", "table", "posts", 5, 5, 0, "new", "", NOW)])
    rows = [{"user": {"username": "ANNA_NORD"}, "text": ""}, {"author": "berta", "party": "anna_nord", "text": ""}]
    store.add("quarantine", [QuarantinedRow("f1", at, "empty", json.dumps(row), NOW) for at, row in enumerate(rows, 1)])
    return settings


@pytest.fixture
def original(home: Settings) -> Path:
    """An original under raw with rows of both accounts."""
    home.raw.mkdir(parents=True)
    path = home.raw / f"{'0' * 64}.ndjson"
    lines = [{"id": one, "user": name, "body": words} for one, (name, words) in TEXTS.items()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    other = home.raw / f"{'1' * 64}.csv"
    other.write_text("author,text\nberta,Hallo\ncarla,Guten Morgen\n", "utf-8")
    return path


@pytest.fixture
def one_classifier(home: Settings) -> Classifier:
    return choose_classifier(home, None)
