"""Which predictions count as the last scoring's: those that a report calls new and a policy explains."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from aufruf.schemas import Explanation
from aufruf.steps.findings import explanations, finding, scorings
from aufruf.store import Store


def at(moment: str) -> pd.Timestamp:
    return pd.Timestamp(moment, tz="UTC")


@pytest.mark.parametrize(
    ("arrived", "new"),
    [
        ({"09-01T03:00": "09-01T02:00", "09-02T03:00": "09-02T02:00", "09-02T09:00": "09-02T08:00"}, 2),  # twice a day
        ({"09-01T21:30": "09-01T21:00", "09-01T22:10": "09-01T22:00", "09-02T03:00": "09-02T02:00"}, 2),  # 23:30 there
        ({"09-01T23:30": "09-01T23:00", "09-02T00:10": "09-02T00:05"}, 2),  # one day in Berlin, two in UTC
        (
            {"09-01T21:40": "09-01T21:00", "09-01T21:55": "09-01T21:00", "09-01T22:05": "09-01T21:00"},
            3,
        ),  # over midnight
        ({"09-01T19:00": "09-01T18:00", "09-01T20:00": "09-01T19:30", "09-02T01:00": "09-01T19:30"}, 2),  # long shards
        ({"09-01T19:00": "08-20T19:00", "09-02T19:00": "08-20T19:00", "09-03T01:00": "08-20T19:00"}, 2),  # no further
    ],
)
def test_new_is_what_the_last_day_brought(arrived: dict[str, str], new: int) -> None:
    """Days are those of the classifier's place; a scoring under way at midnight stays in one piece, however slow."""
    moments = {at(f"2026-{one}"): at(f"2026-{other}") for one, other in arrived.items()}
    assert scorings(moments, "Europe/Berlin")[0] == sorted(moments, reverse=True)[:new]


def test_scoring_that_never_pauses_does_not_make_everything_new() -> None:
    """Where posts arrive every twenty minutes for days, each scored ten minutes later, the last day is that day."""
    moments = pd.date_range("2026-09-01", "2026-09-04T12:00", freq="20min", tz="Europe/Berlin").tz_convert("UTC")
    found = scorings({one: one - pd.Timedelta(minutes=10) for one in moments}, "Europe/Berlin")
    assert [len(some) for some in found] == [37, 72, 72, 72]


@pytest.mark.parametrize(("stored", "shown"), [(0.95, 0.95), (0.0, 0.0), (float("nan"), None), (None, None)])
def test_a_finding_has_the_faithfulness_that_was_stored(stored: float | None, shown: float | None) -> None:
    """A number where it was measured; None where it was not, as pandas spells it (NaN) or Python."""
    row = {"text_id": "a", "digest": "d", "text": "Geht!", "text_type": "caption", "party": None, "author": None}
    row |= {"posted_at": pd.NaT, "label": "call", "probability": 0.9, "confident": True}
    why = {"words": '[["Geht", 0.3]]', "chosen": "call", "fit": 0.7, "stability": 0.8, "fold_case": False}
    found = finding(row, {"a": {"d": {**why, "faithfulness": stored, "unreliable": ""}}}, UTC).explained
    assert found is not None
    assert (found.fit, found.stability, found.faithfulness, found.doubts) == (0.7, 0.8, shown, [])


@pytest.mark.parametrize("fold_case", [False, True])
def test_each_wording_has_its_own_explanation(settings, classifier, fold_case: bool) -> None:
    """A text that was edited, and explained before and after, shows what was found of how it reads now."""
    policy = classifier.explain.model_copy(update={"fold_case": fold_case})
    classifier, at = classifier.model_copy(update={"explain": policy}), datetime(2026, 9, 1, tzinfo=UTC)
    store = Store(settings.lake)
    for wording, word in (("old", "Geht"), ("new", "Kommt")):
        key, words = (classifier.name, "a", wording, "1"), f'[["{word}", 0.3]]'
        store.add("explanations", [Explanation(*key, "call", "call", words, 0.7, 0.8, at)])
    explained = explanations(store, classifier, "1")
    row = {"text_id": "a", "text": "t", "text_type": "caption", "party": None, "author": None, "posted_at": pd.NaT}
    row |= {"label": "call", "probability": 0.9, "confident": True}
    found = {now: finding({**row, "digest": now}, explained, UTC).explained for now in ("old", "new", "newer")}
    assert {now: one and one.words for now, one in found.items()} == {
        "old": [("Geht", 0.3)], "new": [("Kommt", 0.3)], "newer": None,
    }  # fmt: skip
    assert {one.fold_case for one in found.values() if one} == {fold_case}
