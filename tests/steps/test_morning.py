"""What the morning's page counts: the last scoring as the report cuts it, and rows of files only."""

from datetime import UTC, date, datetime

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import SCORED, IngestedFile, Prediction, QuarantinedRow, SplitRow, Text
from aufruf.steps import desk, findings, nights, waiting
from aufruf.store import Store

NOW = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def scored(settings, classifier):
    """``scored(*moments)``: a post was scored at each (UTC); every other one is a call."""

    def score(*moments: str) -> Store:
        store = Store(settings.lake)
        for n, moment in enumerate(moments):
            words, at = f"Text {n}", datetime.fromisoformat(f"{moment}+00:00")
            facts = ("caption", None, "instagram", None, None, NOW, NOW)
            store.add("texts", [Text(f"t{n}", f"t{n}", words, *facts, digest(words), group_id(words), "f")])
            odds = {"no_call": 0.2, "call": 0.8} if n % 2 else {"no_call": 0.9, "call": 0.1}
            key = (classifier.name, f"t{n}", digest(words), "1")
            store.add("predictions", [Prediction(*key, "call" if n % 2 else "no_call", odds, True, at, "r")])
        return store

    return score


@pytest.mark.parametrize(
    ("moments", "day", "new"),
    [
        (["2026-09-01T03:00", "2026-09-02T03:00", "2026-09-02T09:00"], date(2026, 9, 2), 2),
        (["2026-09-01T19:00", "2026-09-01T21:55", "2026-09-01T22:05:00.000001"], date(2026, 9, 2), 2),  # over midnight
        (["2026-09-01T23:30", "2026-09-02T00:10", "2026-09-02T03:00"], date(2026, 9, 2), 3),  # one day in Berlin
        (["2026-09-02T03:00", "2026-09-02T22:30"], date(2026, 9, 3), 1),  # two days there
    ],
)
def test_the_last_scoring_is_that_of_the_report(settings, classifier, scored, moments, day, new):
    """The day is the classifier's, and a scoring over midnight stays in one piece: on the page as in the report."""
    store = scored(*moments)
    report = findings.latest(findings.scored(store, classifier, "1"), classifier.schedule.timezone)
    calls = sorted(report.loc[report["label"] == "call", "text_id"])
    on, count, of, shown = desk._calls(settings, store, classifier, "1")
    assert (on, count, of) == (day, new, len(calls))
    assert len(report) == new
    assert sorted(one.text_id for one in shown) == calls


@pytest.mark.parametrize(
    ("moments", "told"),
    [
        (["2026-09-02T03:00", "2026-09-02T09:00"], ["2 texts"]),
        (["2026-09-01T03:00", "2026-09-02T03:00"], ["1 text", "1 text"]),
        (["2026-09-01T19:00", "2026-09-01T21:55", "2026-09-01T22:05"], ["2 texts", "1 text"]),  # over midnight
        (["2026-09-01T23:30", "2026-09-02T00:10"], ["2 texts"]),  # one day in Berlin, two in UTC
    ],
)
def test_a_scoring_is_one_event(settings, classifier, scored, moments, told):
    """Cut as the report cuts the last one: the first sentence of the page and its nights count alike."""
    found = nights._scored(scored(*moments), classifier)
    newest = sorted(found, key=lambda event: event.at, reverse=True)
    assert [event.sentence for event in newest] == [f"Version 1 scored {count}." for count in told]
    assert newest[0].at == datetime.fromisoformat(f"{moments[-1]}+00:00")


def test_annotated_texts_are_counted_apart(settings, classifier, scored):
    """They are scored to be measured; the first sentence of the page leaves them out."""
    store = scored("2026-09-02T03:00", "2026-09-02T03:01", "2026-09-02T03:02")
    for n, told in ((2, "2 texts and 1 annotated one"), (1, "1 text and 2 annotated ones"), (0, "3 annotated texts")):
        words = f"Text {n}"
        store.add("splits", [SplitRow(classifier.name, f"t{n}", digest(words), group_id(words), "test", "", NOW)])
        [event] = nights._scored(store, classifier)
        assert event.sentence == f"Version 1 scored {told}."
        assert desk._calls(settings, store, classifier, "1")[1] == n


def test_one_is_one(settings, classifier, tmp_path):
    """One file, one post, one row, one text: no plural."""
    store = Store(settings.lake)
    file = IngestedFile("a" * 64, "", "a.csv", "generic", "posts", 2, 1, 1, "new", "", NOW)
    store.add("files", [file])
    [event] = nights._taken(store, tmp_path)
    assert event.sentence == "1 file was taken in: 1 post; 1 row went to quarantine."


def test_nothing_scored_is_no_day(settings, classifier):
    assert desk._calls(settings, Store(settings.lake), classifier, "1") == (None, 0, 0, [])


def test_texts_that_no_model_could_score_wait_for_nobody(settings, tmp_path):
    """They stand in the quarantine under their version; what waits to be mended are rows of files."""
    store = Store(settings.lake)
    store.add("quarantine", [QuarantinedRow(f"{SCORED}calls:1", n, "no number", "{}", NOW) for n in range(3)])
    assert waiting._quarantined(store, tmp_path) == []
    store.add("quarantine", [QuarantinedRow("a" * 64, 1, "the text is empty", "{}", NOW)])
    [found] = waiting._quarantined(store, tmp_path)
    assert found.count == 1
    assert "no number" not in found.sentence
