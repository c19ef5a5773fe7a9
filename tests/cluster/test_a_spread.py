"""Two workers of the queue gpu, and a pool of two slots: trials and shards spread over both. Comes after the night."""

import re
from collections.abc import Iterator

import pytest
from tests.cluster.conftest import NAME, SHARD, System
from tests.cluster.natively import until

from aufruf.stack.api import fetch

WORKERS = ("worker-gpu", "worker-gpu-2")
TAKEN = re.compile(r"Executing workload in Celery: .*? log_path='([^']+)'")
TRIALS = 3


@pytest.fixture(scope="module")
def two(system: System) -> Iterator[System]:
    """What `make compose-up GPU_WORKERS=2` makes of a running system; afterwards it is as before."""
    first, second = WORKERS
    system.calm()
    system.cluster.another(first, second)
    try:
        slots(system, 2)
        until("the second worker", lambda: f"{second}@" in (log := system.cluster.log(second)) and " ready." in log)
        yield system
    finally:
        system.cluster.end(second)
        slots(system, 1)


def slots(system: System, count: int) -> None:
    """Give the pool so many, as the service setup does with AUFRUF_GPU_SLOTS."""
    airflow = system.airflow
    body = {"name": "gpu", "slots": count, "include_deferred": False}
    url = f"{airflow.url}/api/v2/pools/gpu?update_mask=slots"
    assert fetch(url, body, airflow._login(), "PATCH")["slots"] == count


def test_shards_spread_over_the_workers(two: System) -> None:
    """Each worker scored some of the shards, by its own log; together they scored each of them, and each text once."""
    known = {run["dag_run_id"] for run in two.runs(f"{NAME}.score")}
    two.deliver(900, posts=2 * SHARD + SHARD // 2)
    run = until("the scoring", lambda: two.new(f"{NAME}.score", known))
    assert set(two.ended(f"{NAME}.score", run).values()) <= {"success", "skipped"}
    until("each text to be read", lambda: not two.unscored())
    shards = mapped(two, f"{NAME}.score", run, "score.shard")
    assert len(shards) >= 3
    each_took_some(two, run, "score.shard", shards)


def test_trials_spread_over_the_workers(two: System) -> None:
    """Each worker trained some of the sweep's trials, by its own log; together they trained each of them."""
    two.calm()
    run = two.airflow.trigger(f"{NAME}.train", {"trials": TRIALS, "promote": False})
    until("the sweep", lambda: two.tasks(f"{NAME}.train", run).get("sweep.closed") == "success")
    trials = mapped(two, f"{NAME}.train", run, "sweep.trial")
    assert trials == set(range(TRIALS))
    each_took_some(two, run, "sweep.trial", trials)
    two.calm()


def mapped(system: System, dag: str, run: str, task: str) -> set[int]:
    """The map indices of a task's instances, all of which ended well."""
    path = f"dags/{dag}/dagRuns/{run}/taskInstances"
    found = until("the tasks", lambda: system.airflow.get(path, limit=100))["task_instances"]
    ours = [one for one in found if one["task_id"] == task]
    assert {one["state"] for one in ours} == {"success"}
    return {one["map_index"] for one in ours}


def each_took_some(system: System, run: str, task: str, indices: set[int]) -> None:
    """By the logs of the workers: none took nothing, and none what the other took."""
    one, other = (taken(system, worker, run, task) for worker in WORKERS)
    assert one
    assert other
    assert not one & other
    assert one | other == indices


def taken(system: System, worker: str, run: str, task: str) -> set[int]:
    """Which instances of a mapped task a worker began, as it wrote down when it got them."""
    log = (system.cluster.logs / f"{worker}.log").read_text("utf-8", "replace")
    of_run = re.compile(rf"run_id={re.escape(run)}/task_id={re.escape(task)}/map_index=(\d+)/")
    return {int(found[1]) for path in TAKEN.findall(log) if (found := of_run.search(path))}
