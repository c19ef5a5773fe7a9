"""Arguments: the DAG folder, and steps that fail, "" for none. For each a run of a score DAG whose other steps end
well; prints a line with the states of what comes behind ``score``, and that of the run.
"""

import json
import sys
from datetime import UTC, datetime, timedelta

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowFailException

import aufruf_airflow.task

folder, *cases = sys.argv[1:]
failing: list[str] = []


def take(verb, name, params=None, **more):
    """The step, which needs no lake."""
    if verb in failing:
        raise AirflowFailException("no")
    return {"model_version": "1", "shards": []}


aufruf_airflow.task.take = take  # before the DAG files take it
dag = DagBag(folder).dags["call_to_action.score"]
for day, case in enumerate(cases):
    failing[:] = [case]
    run = dag.test(logical_date=datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=day))
    states = {task.task_id: task.state for task in run.get_task_instances()} | {"run": run.state}
    print(json.dumps({name: states[name] for name in ("explain", "report", "done", "run")}))
