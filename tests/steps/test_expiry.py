"""What is too old to be kept, in lakes that lack a table."""

from datetime import UTC, datetime, timedelta

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Explanation, Prediction, Text
from aufruf.steps import expiry
from aufruf.store import Store

NOW = datetime(2025, 2, 17, 5, tzinfo=UTC)


def test_texts_of_no_known_file_are_as_old_as_they_were_collected(settings):
    """With a table of files that has no rows: a text without a date stays, one that was collected long ago goes."""
    about = ("caption", None, None, None, None, None)
    times = {"a": None, "b": NOW - timedelta(days=900), "c": NOW}
    rows = [Text(one, None, one, *about, at, digest(one), group_id(one), "f") for one, at in times.items()]
    Store(settings.lake).add("texts", rows)
    found = expiry.old(settings, None, NOW - timedelta(days=365))
    assert found.texts["text_id"].tolist() == ["b"]


def test_what_models_said_of_texts_that_are_gone_goes_too(settings):
    """A text that went while it was scored has left a prediction and an explanation, which nothing else would find."""
    store = Store(settings.lake)
    about = ("caption", None, None, None, None, None, NOW)
    store.add("texts", [Text("a", None, "a", *about, digest("a"), group_id("a"), "f")])
    for one in "ab":
        key = ("c", one, digest(one), "1")
        store.add("predictions", [Prediction(*key, "call", {"call": 1.0}, True, NOW, "run")])
        store.add("explanations", [Explanation(*key, "call", "call", "[]", 0.9, 0.9, NOW)])
    found = expiry.old(settings, None, None)
    assert found.counts() == {"originals": 0, "quarantine": 0, "texts": 0, "orphans": 1}
    found.clear(store)
    assert store.read("predictions")["text_id"].tolist() == store.read("explanations")["text_id"].tolist() == ["a"]
    assert expiry.old(settings, None, None).counts()["orphans"] == 0
