"""The note on a failed run, made of what its tasks said when they failed."""

import json
from typing import Any

from aufruf_airflow.notify import CURE

_LONGEST = 1000  # what Airflow keeps of a note
_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_{}[]<>#|~"})  # notes are Markdown


def cures(dag_run: Any) -> list[tuple[str, str]]:
    """Task and sentence of each failed task that left one, in the session that the run belongs to."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.xcom import XComModel
    from sqlalchemy import select
    from sqlalchemy.orm import object_session

    session = object_session(dag_run)
    if session is None:
        return []
    same = (
        TaskInstance.dag_id == XComModel.dag_id,
        TaskInstance.run_id == XComModel.run_id,
        TaskInstance.task_id == XComModel.task_id,
        TaskInstance.map_index == XComModel.map_index,
    )
    asked = (
        select(XComModel.task_id, XComModel.value)
        .where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == CURE)
        .where(*same, TaskInstance.state == "failed")
        .order_by(XComModel.task_id, XComModel.map_index)
    )
    return [(row.task_id, _text(row.value)) for row in session.execute(asked)]


def note(said: list[tuple[str, str]]) -> str:
    """The sentences as one text of at most 1,000 characters, each once."""
    lines = [f"{task}: {' '.join(sentence.split())}".translate(_SPECIAL) for task, sentence in said]
    return "\n\n".join(dict.fromkeys(lines))[:_LONGEST]


def _text(value: Any) -> str:
    try:
        return str(json.loads(value) if isinstance(value, str) else value)
    except ValueError:
        return str(value)
