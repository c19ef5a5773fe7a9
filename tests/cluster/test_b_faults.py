"""Parts fail in the middle of a night, one at a time; afterwards nothing is lost, doubled, or left behind.

A round is a night with new posts and new votes. In each of its four stages - ingest, training, promotion, scoring -
one part fails while the stage's task runs, and comes back as compose would bring it back. Which part goes round by the
day: in eight days each fault meets each stage. AUFRUF_FAULTS=DAY, the number in the test's name, takes the choice of
that day again. With AUFRUF_FAULTS=all every fault meets every stage (about an hour), and the table of docs/cluster.md
is written to var/faults.md.
"""

import contextlib
import re
import subprocess
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.cluster.conftest import ASKED, ENDED, NAME, System
from tests.cluster.natively import CHECKOUT, until

from aufruf.release.tracking import Tracker

STAGES = {
    "ingest": ("ingest", "ingest"),
    "training": (f"{NAME}.train", "train"),
    "promotion": (f"{NAME}.train", "promote"),
    "scoring": (f"{NAME}.score", "score.shard"),
}
FOREIGN = re.compile(r"(pymp-|torchinductor_)\w+")  # folders that a living worker has, one of each: Python's, torch's
AWAY = 30.0  # seconds that a service is not there


def _killed(*services: str) -> Callable[[System, str], None]:
    """kill -9, and started again at once, as `restart: unless-stopped` does."""

    def fault(system: System, stage: str) -> None:
        for service in services:
            system.cluster.end(service)
        for service in services:
            system.cluster.begin(service)

    return fault


def _worker(system: System, stage: str) -> None:
    """The worker that has the task."""
    _killed("worker" if stage == "ingest" else "worker-gpu")(system, stage)


def _away(service: str, seconds: float = AWAY) -> Callable[[System, str], None]:
    def fault(system: System, stage: str) -> None:
        system.cluster.end(service)
        time.sleep(seconds)
        system.cluster.begin(service)

    return fault


def _busy(system: System, stage: str) -> None:
    """S3 answers 503."""
    system.cluster.switch.touch()
    time.sleep(AWAY)
    system.cluster.switch.unlink()


def _full(system: System, stage: str) -> None:
    """No byte is left on the volume that all share: a small one of its own, not the machine's."""
    if not system.cluster.small:
        pytest.skip("no small disk could be mounted, and this one is not to be filled")
    filler = system.cluster.home / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 65_536)
    time.sleep(AWAY)
    filler.unlink()


FAULTS: dict[str, Callable[[System, str], None]] = {
    "worker killed": _worker,
    "scheduler killed": _killed("scheduler"),
    "triggerer killed": _killed("triggerer"),
    "PostgreSQL restarted": _away("postgres", 2),
    "Redis away for 30 s": _away("redis"),
    "MLflow away for 30 s": _away("mlflow"),
    "S3 answers 503 for 30 s": _busy,
    "the home's disk full for 30 s": _full,
}
NO_DISK = "S3 answers 503 for 30 s"  # in place of a full disk, where there is none to be filled


def _of_day(day: int) -> dict[str, str]:
    """A fault for each stage, two of them short, two long."""
    names = list(FAULTS)
    return {stage: names[(day + 2 * at) % len(names)] for at, stage in enumerate(STAGES)}


ROUNDS = {"all": [dict.fromkeys(STAGES, fault) for fault in FAULTS]}.get(ASKED) or [_of_day(int(ASKED))]


@dataclass
class Seen:
    """One fault in one stage: seconds from it until the stage's run had ended, and how each try of its tasks ended.

    ``tries``: of the stage's task, and of those that were tried again.
    """

    fault: str
    stage: str
    seconds: float
    tries: dict[str, list[str]]

    @property
    def row(self) -> str:
        again = ", ".join(task for task, tries in self.tries.items() if len(tries) > 1) or "nothing"
        happened = "; ".join(f"{task}: {', then '.join(tries)}" for task, tries in self.tries.items())
        return f"| {self.fault} | {self.stage} | {again} | {happened} | {self.seconds:.0f} |"


@pytest.fixture(scope="session")
def table() -> Iterator[list[Seen]]:
    """What was seen, written down at the end with the day and the commit of the run."""
    seen: list[Seen] = []
    of = _day_and_commit()
    yield seen
    if ASKED == "all":
        lines = [
            *(of, ""),
            "| fault | in the middle of | what of the run was tried again | how its tries ended | seconds until well |",
            "| --- | --- | --- | --- | --- |",
            *(one.row for one in seen),
        ]
        (CHECKOUT / "var").mkdir(exist_ok=True)
        (CHECKOUT / "var" / "faults.md").write_text("\n".join(lines) + "\n", "utf-8")


def _day_and_commit() -> str:
    asked = ["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty", "--exclude", "*"]
    commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    return f"Taken on {datetime.now(UTC):%-d %B %Y} at commit {commit}."


@pytest.mark.parametrize("number", range(len(ROUNDS)), ids=[f"{ASKED}-{at}" for at in range(len(ROUNDS))])
def test_a_night_goes_on(system: System, table: list[Seen], number: int) -> None:
    """Each stage ends well although a part failed in it; rows, champion, runs and files are as they should be."""
    system.calm()
    before = {name: system.store.count(name) for name in ("texts", "annotations", "labels", "splits")}
    at = {dag: {run["dag_run_id"] for run in system.runs(dag)} for dag, _ in STAGES.values()}
    system.deliver(number)
    for stage, fault in ROUNDS[number].items():
        dag, task = STAGES[stage]
        if ASKED != "all" and FAULTS[fault] is _full and not system.cluster.small:
            warnings.warn(f"no disk can be mounted that may be filled; in its place: {NO_DISK}", stacklevel=1)
            fault = NO_DISK
        if stage == "training":
            system.airflow.trigger(dag)
        if stage == "scoring":  # of posts of its own, when nothing else is scored
            system.calm()
            at[dag] = {run["dag_run_id"] for run in system.runs(dag)}
            system.deliver(500 + number, votes=0)
        run = until(f"a run of {dag}", lambda dag=dag: system.new(dag, at[dag]))
        until(f"{task} to run", lambda dag=dag, run=run, task=task: _running(system, dag, run, task))
        if stage == "training":
            until(
                "a checkpoint", lambda: list(system.settings.runs.glob("**/checkpoint-*/aufruf.json")), 60, every=0.05
            )
        start, at_fault = time.monotonic(), datetime.now(UTC)
        FAULTS[fault](system, stage)
        if stage == "training":  # the run goes on to the next stage
            until("the training", lambda dag=dag, run=run: system.tasks(dag, run).get("train") == "success")
            states = {"train": "success"}
        else:
            states = system.ended(dag, run)
        table.append(Seen(fault, stage, time.monotonic() - start, _tries(system, dag, run, task, at_fault)))
        assert _ended(system, dag, run, task) > at_fault, f"{task} had ended before the fault"
        assert set(states.values()) <= {"success", "skipped"}, (stage, fault, states)
    system.calm()
    _as_it_should_be(system, before)


def _running(system: System, dag: str, run: str, task: str) -> bool:
    """Looked at until it runs; one that had ended before anybody saw it run would be no stage to fail in."""
    state = system.tasks(dag, run).get(task)
    assert state not in ENDED, f"{task} had ended before it was seen at work"
    return state == "running"


def _ended(system: System, dag: str, run: str, task: str) -> datetime:
    """When the last try of a task ended; of a mapped one the last of all."""
    found = system.airflow.get(f"dags/{dag}/dagRuns/{run}/taskInstances", limit=100)["task_instances"]
    return max(datetime.fromisoformat(one["end_date"]) for one in found if one["task_id"] == task and one["end_date"])


def _tries(system: System, dag: str, run: str, asked: str, since: datetime) -> dict[str, list[str]]:
    """How each try of the task ended, with what Airflow noted of it; also of tasks that were tried again since then."""
    path = f"dags/{dag}/dagRuns/{run}/taskInstances"
    tries: dict[str, list[str]] = {}
    for one in until("the tasks", lambda: system.airflow.get(path, limit=100))["task_instances"]:
        if one["task_id"] == asked or one["try_number"] > 1:
            at = "" if one["map_index"] < 0 else f"/{one['map_index']}"
            of = f"{path}/{one['task_id']}{at}/tries"
            said = until("the tries", lambda of=of: system.airflow.get(of))["task_instances"]
            again = any(datetime.fromisoformat(found["end_date"]) > since for found in said[:-1] if found["end_date"])
            if one["task_id"] == asked or again:
                tries[one["task_id"] + at.replace("/", " ")] = [_how(system, dag, run, found) for found in said]
    return dict(sorted(tries.items()))


def _how(system: System, dag: str, run: str, found: dict[str, Any]) -> str:
    """The state of one try and what is in Airflow's log of events about it."""
    asked = {"dag_id": dag, "run_id": run, "task_id": found["task_id"], "try_number": found["try_number"]}
    asked |= {"map_index": found["map_index"], "limit": 100}
    events = until("the events", lambda: system.airflow.get("eventLogs", **asked))["event_logs"]
    why = sorted({one["event"] for one in events if " " in one["event"]})
    return f"{found['state']} ({', '.join(why)})" if why else found["state"]


def _as_it_should_be(system: System, before: dict[str, int]) -> None:
    """No row lost or doubled, one champion, nothing RUNNING, nothing left in work folders, all told to MLflow."""
    new = {"texts": 64, "annotations": 40, "labels": 40, "splits": 40}
    assert {name: system.store.count(name) - count for name, count in before.items()} == new
    system.sound()
    until("all to be told to MLflow", lambda: not _untold(system), 60)
    assert not list(system.settings.runs.glob("*"))
    assert not [path for path in system.settings.home.rglob("*") if _unfinished(path)]
    outside = Counter((path.parent.name, FOREIGN.sub(r"\1", path.name)) for path in system.cluster.left())
    assert {kind for _, kind in outside} <= {"pymp-", "torchinductor_"}, outside
    assert set(outside.values()) <= {1}, outside
    ours = {
        child.pid
        for one in system.cluster.processes.values()
        for child in psutil.Process(one.pid).children(recursive=True)
    }
    ours |= {one.pid for one in system.cluster.processes.values()}
    assert not [one.pid for one in _of(system.cluster.home) if one.pid not in ours]


def _untold(system: System) -> list[Path]:
    """What runs have left in the outbox once a command has delivered it, as each does; refused is nothing, ever."""
    outbox = system.settings.mlflow / "outbox"
    assert not [path for path in outbox.glob("*") if path.suffix in {".refused", ".given-up"}]
    Tracker(system.settings, NAME)
    return list(outbox.glob("*"))


def _unfinished(path: Path) -> bool:
    """How we name what is on its way."""
    ours = path.name.startswith((".fetch-", ".sample-")) or path.name.endswith((".draft", ".new", ".part"))
    return ours and "airflow" not in path.parts


def _of(home: Path) -> list[psutil.Process]:
    """The processes that work in this home."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get("AUFRUF_HOME") == str(home):
                found.append(process)
    return found
