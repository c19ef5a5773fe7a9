"""Which predictions count as the last scoring's: those that a report calls new and a policy explains."""

import pandas as pd
import pytest

from aufruf.steps.findings import begun


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
