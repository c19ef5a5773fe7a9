"""A night in the hour that is there twice, and one right after the hour that is left out."""

import sys
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path

import pytest

from aufruf.steps import desk
from aufruf.steps.night import night

# Berlin's clocks go from 2:00 to 3:00 on 31 March 2030 and from 3:00 to 2:00 on 27 October 2030: after all that the
# home of these tests holds.
NIGHTS = [
    ("2030-03-31T01:00+00:00", "2030-03-31T03:00+02:00", date(2030, 3, 31), 1),
    ("2030-10-27T00:30+00:00", "2030-10-27T02:30+02:00", date(2030, 10, 27), 1),
    ("2030-10-27T01:30+00:00", "2030-10-27T02:30+01:00", date(2030, 10, 27), 2),  # the same hour again, the same day
]


def clock_at(moment: datetime) -> type[datetime]:
    """A clock that has stopped."""

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moment.astimezone(tz)

    return Stopped


def test_a_night_in_each_of_the_two_hours(after, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scores what came, once; days, folders of reports and what counts as new are those of the place."""
    posts: list[str] = []
    for number, (moment, on_the_wall, day, new) in enumerate(NIGHTS):
        assert datetime.fromisoformat(moment) == datetime.fromisoformat(on_the_wall)
        stopped = clock_at(datetime.fromisoformat(moment).astimezone(UTC))
        for name, module in list(sys.modules.items()):
            if name.startswith("aufruf.steps.") and hasattr(module, "datetime"):
                monkeypatch.setattr(module, "datetime", stopped)
        posts += after.posts(f"Kommt am Sonntag alle zum Stand Nummer {number} in der Altstadt", start=number)
        done = night(after.settings, after.classifier)
        assert (done["score"]["scored"], done["score"]["refused"]) == (1, 0)
        assert Path(done["report"]["path"]).parent.name == day.isoformat()
        assert desk._calls(after.settings, after.store, after.classifier, "1")[:2] == (day, new)
        said = [row["text_id"] for row in after.predictions(model_version="1") if row["text_id"] in posts]
        assert sorted(said) == sorted(posts)
    folders = sorted(path.name for path in (after.settings.reports / after.classifier.name).glob("2030-*"))
    assert folders == ["2030-03-31", "2030-10-27"]
