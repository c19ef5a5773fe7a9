"""What a run made, and what to do where it failed, stands on it as a note: links, and what its failed tasks said.

Airflow's tasks cannot write a note without a token for its API; the scheduler, which calls this when the state of a run
changes, can: it is about to write the run anyway.
"""

import sys
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from aufruf_airflow.links import base_url, server
from aufruf_airflow.notes import cures, note, ways


@hookimpl
def on_dag_run_success(dag_run: Any, msg: str) -> None:
    """Write the links, unless a person has written a note."""
    if not dag_run.note and (said := note([], ways(dag_run, base_url(), server()))):
        dag_run.note = said


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Write what went wrong and the links, unless a person has written a note."""
    if not dag_run.note and (said := note(cures(dag_run), ways(dag_run, base_url(), server()))):
        dag_run.note = said


class RunNotes(AirflowPlugin):
    name = "run_notes"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
