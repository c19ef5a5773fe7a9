"""Which predictions count as the last scoring's: those that a report calls new and a policy explains."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from aufruf.schemas import Explanation
from aufruf.steps.findings import begun, explanations, finding
from aufruf.store import Store


def scored(*moments: str) -> pd.DataFrame:
    return pd.DataFrame({"scored_at": pd.to_datetime(list(moments), utc=True), "at": list(moments)})


@pytest.mark.parametrize(
    ("moments", "new"),
    [
        (["2026-09-01T03:00", "2026-09-02T03:00", "2026-09-02T09:00"], 2),  # twice on the last day: both
        (["2026-09-01T21:30", "2026-09-01T22:10", "2026-09-02T03:00"], 2),  # 23:30 in Berlin is the day before
        (["2026-09-01T23:30", "2026-09-02T00:10"], 2),  # one day in Berlin, two in UTC
        (["2026-09-01T21:40", "2026-09-01T21:55", "2026-09-01T22:05"], 3),  # one scoring over midnight
        (["2026-09-01T19:00", "2026-09-01T21:55", "2026-09-01T22:05"], 2),  # and nothing of the one before it
    ],
)
def test_new_is_what_the_last_day_brought(moments: list[str], new: int) -> None:
    """Days are those of the classifier's place; a scoring that is under way at midnight stays in one piece."""
    found = scored(*moments)
    since = begun(found["scored_at"], "Europe/Berlin")
    assert list(found.loc[found["scored_at"] >= since, "at"]) == moments[len(moments) - new :]


def test_scoring_that_never_pauses_does_not_make_everything_new() -> None:
    """Where posts arrive every twenty minutes for days, the last day and its eve are as far as it goes."""
    moments = pd.date_range("2026-09-01", "2026-09-04T12:00", freq="20min", tz="Europe/Berlin")
    found = begun(pd.Series(moments.tz_convert("UTC")), "Europe/Berlin")
    assert found == pd.Timestamp("2026-09-03", tz="Europe/Berlin")


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
