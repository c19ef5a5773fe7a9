"""A broker that has forgotten what waited in it."""

from tests.cluster.conftest import System
from tests.cluster.natively import until


def test_a_task_that_the_broker_has_lost_is_handed_out_again(system: System) -> None:
    """Redis forgets a task while no worker is there to take it; once one is, the task begins all the same."""
    system.calm()
    known = {run["dag_run_id"] for run in system.runs("ingest")}
    system.cluster.end("worker")
    system.deliver(700, votes=0)
    run = until("a run", lambda: system.new("ingest", known))
    until("the task to wait", lambda: system.tasks("ingest", run).get("ingest") == "queued")
    system.cluster.end("redis")
    system.cluster.begin("redis")
    system.cluster.begin("worker")
    assert set(system.ended("ingest", run).values()) <= {"success", "skipped"}
    path = f"dags/ingest/dagRuns/{run}/taskInstances/ingest/tries"
    assert [one["state"] for one in system.airflow.get(path)["task_instances"]] == ["success"]
