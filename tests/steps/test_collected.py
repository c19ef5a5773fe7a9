"""Prevalence and drift are about collected posts: what came in a file of annotations counts in neither."""

from datetime import UTC, date, datetime, timedelta

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import IngestedFile, Prediction, SplitRow, Text
from aufruf.steps.prevalence import prevalence
from aufruf.steps.watched import arrived, last_arrival
from aufruf.store import Store

KEY = "call_to_action"
NOW = datetime(2026, 9, 2, 3, tzinfo=UTC)
SIDES = [None, "none", "train", "validation", "test"]  # of the ledger; None: no row


def fill(store: Store, file: str, at: datetime) -> None:
    """Five texts of a file, one for each side, which the version has scored."""
    for n, split in enumerate(SIDES):
        name, words = f"{file}:{n}", f"Text {n} aus {file}, kommt vorbei"
        about = ("caption", "post", "instagram", f"account{n}", "SPD", at, at, digest(words), group_id(words), file)
        store.put("texts", [Text(name, name, words, *about)])
        odds = {"no_call": 0.4, "call": 0.6}
        store.put("predictions", [Prediction(KEY, name, digest(words), "1", "call", odds, True, NOW, "r")])
        if split:
            store.add("splits", [SplitRow(KEY, name, digest(words), group_id(words), split, "", NOW)])


@pytest.fixture
def store(settings) -> Store:
    """A file of posts, one whose ingest broke off before it was entered, and one of annotations, a day later."""
    store = Store(settings.lake)
    for file, kind, at in (
        ("posts", "posts", NOW),
        ("broken", None, NOW),
        ("tasks", "annotations", NOW + timedelta(days=1)),
    ):
        fill(store, file, at)
        if kind:
            store.put("files", [IngestedFile(file, "", file, "columns", kind, 5, 5, 0, "new", "", NOW)])
    return store


def test_only_collected_posts_are_counted(store, classifier):
    """Of a file of annotations nothing is, also what waits for a split, has a tie or belongs to another classifier."""
    dealt = classifier.split.model_copy(update={"train": 0.0, "validation": 0.5, "test": 0.5})
    found = prevalence(store, classifier.model_copy(update={"split": dealt}), "1")
    assert found.whole.texts == 2 * len(set(SIDES) - {"train"})


def test_only_collected_posts_are_watched(store, classifier):
    """They arrive, annotated or not and trained on or not; what annotators were given is no arrival."""
    assert last_arrival(store, classifier) == date(2026, 9, 2)
    [frame] = arrived(store, classifier, "1", [(date(2026, 9, 1), date(2026, 9, 9))])
    wanted = {f"{file}:{n}" for file in ("posts", "broken") for n in range(len(SIDES))}
    assert set(frame["text_id"]) == wanted


def test_what_is_collected_again_has_not_arrived_again(store, classifier):
    """Whoever scrolls through an account once more dates all of its posts anew: they stay where they were first scored,
    and are no news of the last days; another wording is."""
    later = NOW + timedelta(days=10)
    texts = store.read("texts", {"file": "posts"})
    store.put("texts", texts.assign(collected_at=later, posted_at=NOW - timedelta(days=400)))
    words = "Text 0, geändert"
    edited = texts[:1].assign(text=words, digest=digest(words), group_id=group_id(words), collected_at=later)
    store.put("texts", edited)
    odds = {"no_call": 0.4, "call": 0.6}
    said = Prediction(KEY, edited["text_id"].iloc[0], digest(words), "1", "call", odds, True, later, "r")
    store.put("predictions", [said])
    assert last_arrival(store, classifier) == later.date()
    windows = [(date(2026, 9, 6), date(2026, 9, 13)), (date(2026, 8, 9), date(2026, 9, 6))]
    last, weeks = arrived(store, classifier, "1", windows)
    assert set(last["text_id"]) == {said.text_id}
    wanted = {f"{file}:{n}" for file in ("posts", "broken") for n in range(len(SIDES))} - {said.text_id}
    assert set(weeks["text_id"]) == wanted
