"""What to do stands on the run: when a run fails, what its failed tasks said becomes the note on it.

Airflow's tasks cannot write a note without a token for its API; the scheduler, which calls this when the state of a run
changes, can: it is about to write the run anyway.
"""

import sys
from typing import Any, ClassVar

from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

from aufruf_airflow.notes import cures, note


@hookimpl
def on_dag_run_failed(dag_run: Any, msg: str) -> None:
    """Write the note, unless a person has written one, or no task of ours said anything."""
    if not dag_run.note and (said := note(cures(dag_run))):
        dag_run.note = said


class RunNotes(AirflowPlugin):
    name = "run_notes"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
