"""Many classifiers, many nights: what Airflow itself costs, in the real stack with the real DAGs.

Every task of every DAG runs as it would, in its own process, but its step does nothing: what takes time is
orchestration alone. A night is a run of ``train``, ``score`` and ``monitor`` of each classifier, all due at once, with
a logical date of its own; times come from Airflow's database.
``python -m benchmarks.nights [CLASSIFIERS] [NIGHTS]`` (default 20 and 3: half an hour); ``--of HOME`` only computes the
share of orchestration in the night that an installation has behind it, such as the demo's.
"""

import contextlib
import os
import socket
import sqlite3
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aufruf import stack
from aufruf.settings import Settings
from aufruf.stack import environment
from aufruf.stack.api import Airflow, fetch

_ROOT = Path(__file__).resolve().parents[1]
_VERBS = ("train", "score", "monitor")
_FIRST = datetime(2026, 9, 1, 2, tzinfo=UTC)
_NEVER = '\n[schedule]\ntrain = "0 0 29 2 *"\nscore = "0 0 29 2 *"\nmonitor = "0 0 29 2 *"\n'
_MINUTES = 60  # of one night, after which it is given up
_IDLE = '''
"""Every process of the stack loads this first: steps do nothing and answer what the next task reads."""
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

ANSWER = {"left": 2, "study": "s", "at": "t", "model_version": "1", "verdict": "kept", "champion": "1",
          "shards": [{"since": "2026-01-01", "before": "2026-01-02", "low": "", "high": "", "texts": 1}]}


class Idle(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != "aufruf_airflow.task":
            return None
        spec = PathFinder.find_spec(name, path, target)
        whole = spec.loader.exec_module

        def exec_module(module):
            whole(module)
            module.take = lambda *of, **more: dict(ANSWER)
            module.tell = lambda *of: None

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Idle())
'''


def main(classifiers: int = 20, nights: int = 3) -> None:
    """Print what each night took, and what a task did."""
    with tempfile.TemporaryDirectory(prefix="aufruf-bench-", dir=os.environ.get("AUFRUF_BENCH_DIR")) as folder:
        settings = _installation(Path(folder), classifiers)
        began = time.monotonic()
        with stack.interruptible(), contextlib.ExitStack() as after:
            stack.up(settings)
            after.callback(stack.down, settings)
            print(f"nights: stack with {classifiers} classifiers up after {time.monotonic() - began:.0f} s", flush=True)
            for number in range(nights):
                _night(settings, classifiers, number)
            print(f"  seconds to read a DAG file, at most: {_parse(settings):.2f}")


def _installation(folder: Path, classifiers: int) -> Settings:
    """So many classifier files, whose nights nobody but us begins."""
    files = folder / "classifiers"
    files.mkdir()
    text = (_ROOT / "classifiers" / "call_to_action.toml").read_text("utf-8")
    for number in range(classifiers):
        (files / f"c{number:03}.toml").write_text(text.partition("\n[schedule]")[0] + _NEVER, "utf-8")
    (folder / "idle").mkdir()
    (folder / "idle" / "sitecustomize.py").write_text(_IDLE, "utf-8")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder / "idle"), os.environ.get("PYTHONPATH", "")]).rstrip(":")
    os.environ["AUFRUF_DAGS"] = str(_ROOT / "dags")
    settings = Settings.load(home=folder / "home", env={"AUFRUF_CLASSIFIERS": str(files)})
    return replace(settings, airflow_port=_port(), mlflow_port=_port())


def _night(settings: Settings, classifiers: int, number: int) -> None:
    airflow, when = Airflow(settings), (_FIRST + timedelta(days=number)).isoformat()
    before, began = _size(settings), datetime.now(UTC)
    names = [f"c{of:03}.{verb}" for verb in _VERBS for of in range(classifiers)]
    for name in names:
        _begin(settings, airflow, name, when)
    end = time.monotonic() + _MINUTES * 60
    while (left := _unended(settings)) and time.monotonic() < end:
        time.sleep(2)
    found = _tasks(settings, began)
    print(
        f"  night {number + 1}: {told(found)}; database grown by {(_size(settings) - before) / 1e6:.1f} MB", flush=True
    )
    bad = {one["state"] for one in found} - {"success", "skipped"}
    if left or bad:
        raise SystemExit(f"{left} runs did not end, or tasks ended {bad}")


def _begin(settings: Settings, airflow: Airflow, dag: str, when: str) -> None:
    """Start a run; a busy server may have done so without having answered in time."""
    for _ in range(10):
        fetch(f"{airflow.url}/api/v2/dags/{dag}/dagRuns", {"logical_date": when, "conf": {}}, airflow._login())
        sql = "select count(*) from dag_run where dag_id = ? and logical_date like ?"
        if _rows(settings, sql, dag, f"{when[:10]}%")[0][0]:
            return
        time.sleep(1)
    raise SystemExit(f"Airflow did not start {dag}")


def told(tasks: list[dict[str, Any]]) -> str:
    """The night in figures: its wall clock, its tasks, the share of it in which no step was at work."""
    ran = [one for one in tasks if one["start"] and one["end"] and one["queued"]]
    spans = sorted((one["start"], one["end"]) for one in ran)
    wall = max(end for _, end in spans) - min(one["queued"] for one in ran)
    waited = statistics.mean(one["start"] - one["queued"] for one in ran)
    length = statistics.mean(one["end"] - one["start"] for one in ran)
    return (
        f"{len(ran)} tasks in {wall:.0f} s, {wall / len(ran):.2f} s a task; from queued to begun {waited:.1f} s, "
        f"begun to ended {length:.2f} s (means); no task at work in {1 - _covered(spans) / wall:.0%} of the time"
    )


def _covered(spans: list[tuple[float, float]]) -> float:
    """Seconds in which at least one task was at work."""
    covered, reached = 0.0, 0.0
    for start, end in spans:
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def _rows(settings: Settings, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    address = f"file:{settings.airflow / 'airflow.db'}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=60)) as database:
        return database.execute(sql, values).fetchall()


def _tasks(settings: Settings, since: datetime | None = None) -> list[dict[str, Any]]:
    sql = "select dag_id, task_id, state, queued_dttm, start_date, end_date from task_instance"
    found = [
        {"dag": dag, "task": task, "state": state, "queued": _time(queued), "start": _time(start), "end": _time(end)}
        for dag, task, state, queued, start, end in _rows(settings, sql)
    ]
    return [one for one in found if since is None or (one["end"] or 0) >= since.timestamp()]


def _time(value: str | None) -> float | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC).timestamp()


def _unended(settings: Settings) -> int:
    return int(_rows(settings, "select count(*) from dag_run where state in ('queued', 'running')")[0][0])


def _parse(settings: Settings) -> float:
    return float(_rows(settings, "select max(last_parse_duration) from dag")[0][0] or 0)


def _size(settings: Settings) -> int:
    return sum(path.stat().st_size for path in settings.airflow.glob("airflow.db*"))


def _port() -> int:
    with socket.socket() as probe:
        probe.bind((environment.HOST, 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--of"]:
        print(told(_tasks(Settings.load(home=Path(sys.argv[2]), env={}))))
    else:
        main(*map(int, sys.argv[1:]))
