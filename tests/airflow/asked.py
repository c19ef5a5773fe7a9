"""Answers each line of input with a line of JSON. ``{"environment"}``: what Airflow makes of the DAG folder; with
``dag`` and ``day`` the states of the tasks of that run; with ``code`` and ``arguments`` what a fork that runs it says.

A script of its own, because importing Airflow changes the logging of the process that does it; one for all tests,
because importing it takes longer than all that is asked.
"""

import json
import os
import sys
from datetime import datetime

from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

HEAVY = ("torch", "transformers", "mlflow", "great_expectations", "deltalake", "pandas", "sklearn")


def describe(folder):
    bag = DagBag(folder)
    return {
        "errors": bag.import_errors,
        "heavy": [name for name in HEAVY if name in sys.modules],
        "dags": {dag.dag_id: _dag(dag) for dag in bag.dags.values()},
    }


def _dag(dag):
    # What the DAG processor does with it, raising when it cannot be stored, and what the scheduler reads.
    stored = DagSerialization.from_dict(DagSerialization.to_dict(dag)).timetable
    never_ran = {"last_automated_data_interval": None, "restriction": TimeRestriction(None, None, dag.catchup)}
    first = stored.next_dagrun_info(**never_ran)
    return {
        "doc": dag.doc_md,
        "tags": sorted(dag.tags),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "start_date": dag.start_date and dag.start_date.isoformat(),
        "schedule": repr(dag.timetable),
        "first": first and first.run_after.isoformat(),
        "params": {key: dag.params.get_param(key).dump() for key in dag.params},
        "tasks": {task.task_id: _task(task) for task in dag.tasks},
    }


def _task(task):
    return {
        "owner": task.owner,
        "doc": task.doc_md,
        "timeout": task.execution_timeout and task.execution_timeout.total_seconds(),
        "retries": task.retries,
        "pool": task.pool,
        "queue": task.queue,
        "outlets": [asset.name for asset in task.outlets],
        "upstream": sorted(task.upstream_task_ids),
        "trigger_rule": task.trigger_rule.value,
        "mapped": task.is_mapped,
        "waits": (hours := getattr(task, "response_timeout", None)) and hours.total_seconds(),
    }


def run(folder, dag, day):
    """One run in this process, as ``airflow dags test`` makes it: task -> state."""
    made = DagBag(folder).dags[dag].test(logical_date=datetime.fromisoformat(f"{day}T00:00:00+00:00"))
    return {task.task_id: task.state for task in made.get_task_instances()}


def fork(code, arguments):
    """What this code prints at its end, one line of JSON, in a process that has loaded Airflow."""
    ours, its = os.pipe()
    if not (child := os.fork()):
        try:
            os.dup2(its, 1)
            sys.argv = ["-c", *arguments]
            exec(compile(code, "<asked>", "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own code
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(its)
    with os.fdopen(ours) as printed:
        said = printed.read()
    os.waitpid(child, 0)
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Airflow prints is no answer
    for line in sys.stdin:
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked.pop("environment"))
        answer = fork(**asked) if "code" in asked else run(sys.argv[1], **asked) if asked else describe(sys.argv[1])
        print(json.dumps(answer), file=answers, flush=True)
