"""The note on a run: what its tasks said when they failed, and the ways to what they made."""

import json
import re
from typing import Any

from aufruf_airflow import links
from aufruf_airflow.notify import CURE

_LONGEST = 1000  # what Airflow keeps of a note
_SIGNS = "\\`*_{}[]<>#|~"  # mean something in Markdown, which notes are
_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in _SIGNS})
_ESCAPED = re.compile(rf"\\([{re.escape(_SIGNS)}])")


_PAGES = {  # task: what its page is called
    "report": "Report of the day",
    "evaluate": "Evaluation",
    "promote": "Champions",
    "monitor": "What has moved",
}


def cures(dag_run: Any) -> list[tuple[str, str]]:
    """Task and sentence of each failed task that left one, in the session that the run belongs to."""
    return [(task, _text(value)) for task, value, state in _said(dag_run, CURE) if state == "failed"]


def ways(dag_run: Any, base: str, server: str) -> list[tuple[str, str]]:
    """Name and address of what a run of ours made: pages below ``base``, and in MLflow at ``server``."""
    classifier = links.classifier_of(dag_run.dag_id, "")
    if not classifier and dag_run.dag_id != links.INGEST:
        return []
    said = {task: _object(value) for task, value, state in _said(dag_run, "return_value") if state == "success"}
    made = [(name, links.report(base, classifier, task, said[task])) for task, name in _PAGES.items() if task in said]
    models = [
        found
        for task in ("train", "evaluate", "score.closed")
        for found in (
            ("Run in MLflow", links.run(server, said.get(task, {}))),
            ("Version in MLflow", links.version(server, classifier, said.get(task, {}))),
        )
    ]
    found = [("Classifier" if classifier else "Classifiers", links.page(base, classifier)), *made, *models]
    return list({name: (name, address) for name, address in reversed(found) if address}.values())[::-1]


def note(said: list[tuple[str, str]], found: list[tuple[str, str]]) -> str:
    """The sentences, each once, and behind them the ways as links, in at most 1,000 characters of Markdown."""
    led = ""
    for name, address in found:
        more = f"{led} · [{name}]({address})" if led else f"[{name}]({address})"
        led = more if len(more) <= _LONGEST // 2 else led
    lines = dict.fromkeys(f"{task}: {' '.join(sentence.split())}".translate(_SPECIAL) for task, sentence in said)
    text = "\n\n".join(lines)[: _LONGEST - len(led) - 2]
    return f"{text}\n\n{led}" if text else led


def plain(text: str) -> str:
    """What a note says, as it was said: without the escapes of Markdown, and without the ways behind it."""
    *said, last = text.strip().split("\n\n")
    led = last.startswith("[") and last.endswith(")")
    return _ESCAPED.sub(r"\1", "\n\n".join(said if led else [*said, last]))


def _said(dag_run: Any, key: str) -> list[Any]:
    """Task, value and state of the XComs of that key, in the session that the run belongs to."""
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
        select(XComModel.task_id, XComModel.value, TaskInstance.state)
        .where(XComModel.dag_id == dag_run.dag_id, XComModel.run_id == dag_run.run_id, XComModel.key == key)
        .where(*same)
        .order_by(XComModel.task_id, XComModel.map_index)
    )
    return [tuple(row) for row in session.execute(asked)]


def _object(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str:
    try:
        return str(json.loads(value) if isinstance(value, str) else value)
    except ValueError:
        return str(value)
