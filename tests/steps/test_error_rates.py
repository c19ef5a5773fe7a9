"""What a version's error rates, and its record at a probability, rest on: texts that are alike count for less."""

from datetime import UTC, datetime

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Label, Prediction, SplitRow, Text
from aufruf.settings import Settings
from aufruf.steps.beside import track_record
from aufruf.steps.prevalence import test_errors as errors_of
from aufruf.store import Store

NOW = datetime(2025, 2, 17, 5, tzinfo=UTC)
KEY = ("call_to_action",)


def put(store: Store, text_id: str, group: str, author: str, label: str, said: str) -> None:
    """A test text with its label, and what version 1 says of it with a probability of 0.4."""
    words = f"{text_id} im Wahlkreis"
    about = (None, "instagram", author, None, NOW, NOW)
    store.add("texts", [Text(text_id, text_id, words, "caption", *about, digest(words), group_id(words), "f")])
    odds = {"no_call": 0.6, "call": 0.4}
    store.add("predictions", [Prediction(*KEY, text_id, digest(words), "1", said, odds, True, NOW, "r")])
    store.add("labels", [Label(*KEY, text_id, label, 2, 1.0, "unanimous", NOW)])
    store.add("splits", [SplitRow(*KEY, text_id, digest(words), group, "test", "", NOW)])


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store(settings.lake)


def test_copies_are_no_record_of_their_own(store, classifier):
    """Of texts of one group one counts: 20 wordings are a record, four times five copies are none."""
    for at in range(20):
        put(store, f"t{at:02}", f"g{at % 5}", "Ada", "call", "call")
    assert track_record(store, classifier, "1")(0.4) is None
    for at in range(20, 35):
        put(store, f"t{at}", f"g{at}", "Ada", "no_call", "call")
    record = track_record(store, classifier, "1")(0.4)
    assert (record.texts, record.calls) == (20, 5)


def test_a_rate_without_an_error_is_not_known_better_than_by_account(store, classifier):
    """All calls are found; that all errors are one account's says that texts of an account are alike, calls too."""
    for author in range(4):
        for at in range(6):
            put(store, f"c{author}{at}", f"c{author}{at}", f"a{author}", "call", "call")
            said = "call" if author == 0 else "no_call"
            put(store, f"n{author}{at}", f"n{author}{at}", f"a{author}", "no_call", said)
    found = errors_of(store, classifier, "1")
    assert found.found == found.positives  # the rate stays 1 ...
    assert found.positives < 12  # ... of far fewer than 24 independent texts
    assert found.sensitivity.low < 0.8
