"""In the nights in which clocks change there is one night as ever: at its hour, or after it if the hour is left out."""

from pathlib import Path
from typing import Any

import pytest

NIGHTS = """
import json, sys
from datetime import datetime
from zoneinfo import ZoneInfo
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DataInterval, TimeRestriction
import pendulum

dag = DagBag(sys.argv[1]).dags["changing.train"]
stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
at, found = pendulum.instance(datetime.fromisoformat(sys.argv[2])), []
for _ in range(4):
    info = stored.next_dagrun_info(
        last_automated_data_interval=DataInterval.exact(at),
        restriction=TimeRestriction(pendulum.datetime(2026, 1, 1), None, True),
    )
    at = info.run_after
    found.append(at.astimezone(ZoneInfo("Europe/Berlin")).isoformat())
print(json.dumps(found))
"""


@pytest.mark.parametrize(
    ("hour", "since", "nights"),
    [  # clocks go from 2:00 to 3:00 on 29 March 2026 and from 3:00 to 2:00 on 25 October
        (1, "2026-03-27T00:00:00+00:00", ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T01:30"]),
        (2, "2026-03-27T00:00:00+00:00", ["2026-03-28T02:30", "2026-03-29T03:30", "2026-03-30T02:30"]),
        (1, "2026-10-23T00:00:00+00:00", ["2026-10-24T01:30", "2026-10-25T01:30", "2026-10-26T01:30"]),
        (2, "2026-10-23T00:00:00+00:00", ["2026-10-24T02:30", "2026-10-25T02:30", "2026-10-26T02:30"]),
    ],
)
def test_each_day_has_one_night(
    tmp_path: Path, recipe: str, make: Any, airflow: Any, hour: int, since: str, nights: list[str]
) -> None:
    """By the clock on the wall; the hour that there is twice has one run, the one that there is not is made up for."""
    due = f'{recipe}\n[schedule]\ntimezone = "Europe/Berlin"\ntrain = "30 {hour} * * *"\n'
    site = make(tmp_path, changing=due)
    found = airflow.python(site, NIGHTS, str(Path(__file__).resolve().parents[2] / "dags"), since)
    days = [one[:16] for one in found]
    assert [day for day in days if day[:10] in {night[:10] for night in nights}] == nights
