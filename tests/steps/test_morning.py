"""What the morning's page counts: the last scoring as the report cuts it, and rows of files only."""

from datetime import UTC, date, datetime

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import SCORED, Prediction, QuarantinedRow, Text
from aufruf.steps import desk, findings, waiting
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
    since, _ = findings.last(store, classifier, "1")
    report = list(findings.ask(store, f"select p.text_id, p.label {findings.posts(classifier, '1', since)}"))
    calls = sorted(row["text_id"] for row in report if row["label"] == "call")
    on, count, of, shown = desk._calls(settings, store, classifier, "1")
    assert (on, count, of) == (day, new, len(calls))
    assert len(report) == new
    assert sorted(one.text_id for one in shown) == calls


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
