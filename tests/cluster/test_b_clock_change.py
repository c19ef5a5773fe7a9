"""The nights around a change of the clock, in the cluster: Airflow makes up for them by a backfill.

Autumn and spring take turns by the day; with AUFRUF_FAULTS=all both are run.
"""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.cluster.conftest import ASKED, ENDED, NAME, System
from tests.cluster.natively import until

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Text
from aufruf.stack.api import fetch

BERLIN = ZoneInfo("Europe/Berlin")
CHANGES = {  # clocks go from 3:00 to 2:00, and from 2:00 to 3:00
    "2025-10": ("2025-10-25", "2025-10-26", "2025-10-27"),
    "2026-03": ("2026-03-28", "2026-03-29", "2026-03-30"),
}
PATIENCE = 900.0  # seconds for three nights, of which each took 100 on a machine with a load of ten
LEFT_OUT = {"2026-03-29T02:30": "2026-03-29T03:30"}
NIGHTS = [("2025-10", ("score", "monitor")), ("2026-03", ("train", "monitor"))]


@pytest.mark.parametrize(("month", "verbs"), NIGHTS if ASKED == "all" else [NIGHTS[int(ASKED) % 2]])
def test_each_night_has_one_run(system: System, month: str, verbs: tuple[str, ...]) -> None:
    """At its local hour, or after it where clocks leave it out; all end well, no row is doubled, no text left out.

    ``score`` and ``train`` are due at an hour that each night has once, ``monitor`` at one that is there twice or not
    at all.
    """
    system.calm()
    if "score" in verbs:
        unannounced(system)
        assert len(system.unscored()) == 3
    for verb in verbs:
        backfill(system, f"{NAME}.{verb}", CHANGES[month])
    for verb in verbs:
        dag = f"{NAME}.{verb}"
        runs = until(f"the nights of {dag}", lambda dag=dag: ended(system, dag, CHANGES[month]), PATIENCE)
        minute, hour, *_ = getattr(system.classifier.schedule, verb).split()
        due = [f"{night}T{int(hour):02}:{int(minute):02}" for night in CHANGES[month]]
        assert [at for at, _ in runs] == [LEFT_OUT.get(at, at) for at in due]
        assert {state for _, state in runs} == {"success"}
    system.sound()


def unannounced(system: System) -> None:
    """Three texts in the lake of which no asset event tells: only a night finds them."""
    now, rows = datetime.now(UTC), []
    for n in range(3):
        words, name = f"Kommt am Sonntag um {n} Uhr zum Infostand", f"clock:{n}"
        about = ("caption", "post", "instagram", "Ada", "GRÜNE", now, now)
        rows.append(Text(f"{name}:caption", name, words, *about, digest(words), group_id(words), "f"))
    system.store.put("texts", rows)


def backfill(system: System, dag: str, nights: tuple[str, ...]) -> None:
    """Ask Airflow for the runs of these nights, one after the other as the DAG's own."""
    hours = f"{nights[0]}T00:00", f"{nights[-1]}T23:59"
    first, last = (datetime.fromisoformat(hour).replace(tzinfo=BERLIN).isoformat() for hour in hours)
    airflow, body = system.airflow, {"dag_id": dag, "from_date": first, "to_date": last, "max_active_runs": 1}
    assert until("the backfill before", lambda: fetch(f"{airflow.url}/api/v2/backfills", body, airflow._login()))


def ended(system: System, dag: str, nights: tuple[str, ...]) -> list[tuple[str, str]]:
    """When the runs of these nights were due on the wall, and how they ended; nothing before all have ended."""
    answer = system.airflow.get(f"dags/{dag}/dagRuns", run_type="backfill", order_by="logical_date", limit=100) or {}
    found = [(on_the_wall(run["logical_date"]), run["state"]) for run in answer.get("dag_runs", [])]
    ours = [(at, state) for at, state in found if at[:10] in nights]
    return ours if len(ours) >= len(nights) and {state for _, state in ours} <= ENDED else []


def on_the_wall(moment: str) -> str:
    return datetime.fromisoformat(moment).astimezone(BERLIN).isoformat()[:16]
