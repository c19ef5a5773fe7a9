"""Addresses that the UIs of Airflow, MLflow and our pages have for one thing, and what a task has said of it."""

import json
import os
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from aufruf.classifier import names
from aufruf.settings import Settings, without_login

PAGES = "/aufruf/classifiers"  # where plugins/classifier_pages.py is mounted
INGEST = "ingest"  # the one DAG of all classifiers
_VERBS = {"train", "score", "monitor"}


def base_url() -> str:
    """The address at which people open Airflow, as far as it is configured, without a slash at its end."""
    from airflow.configuration import conf

    return str(conf.get("api", "base_url", fallback="") or "").rstrip("/")


def server() -> str:
    """The tracking server's address, without a login, when a browser can open it, else nothing."""
    uri = without_login(os.environ.get("AUFRUF_MLFLOW_URL") or os.environ.get("MLFLOW_TRACKING_URI", ""))
    return uri if uri.startswith(("http://", "https://")) else ""


def classifier_of(dag_id: str, task_id: str) -> str:
    """The classifier that a task works for; "" for one that works for all, and for tasks of other people's DAGs."""
    name, _, verb = dag_id.rpartition(".")
    found = name if verb in _VERBS else task_id.partition(".")[2] if dag_id == INGEST else ""
    return found if found in names(Settings.load()) else ""


def page(base: str, classifier: str, below: str = "") -> str:
    """The classifier's page, or something below it; without a classifier the list of all."""
    return f"{base.rstrip('/')}{PAGES}/" + (f"{quote(classifier)}/{quote(below, safe='/#')}" if classifier else "")


def report(base: str, classifier: str, task_id: str, said: dict[str, Any]) -> str:
    """The page that a task has written, or that shows what it did; "" where there is none."""
    if not classifier:
        return ""
    version = said.get("model_version") or said.get("challenger")
    path = {
        "monitor": "monitor/index.html",
        "drift": "monitor/index.html",
        "promote": "champions/index.html",
    }.get(task_id, "index.html")
    if task_id == "report" and "path" in said:
        path = "/".join(PurePath(str(said["path"])).parts[-2:])  # DAY/index.html
    elif task_id in {"evaluate", "approval.ask"} and version:
        path = f"evaluation/{version}/index.html"
    elif task_id.startswith("label."):
        path = "agreement.html"
    return page(base, classifier, f"reports/{path}")


def version(server: str, classifier: str, said: dict[str, Any]) -> str:
    """The registered version that a task speaks of, in MLflow; "" where it speaks of none."""
    number = str(said.get("model_version") or said.get("challenger") or "")
    return f"{server}/#/models/{quote(classifier)}/versions/{quote(number)}" if server and classifier and number else ""


def run(server: str, said: dict[str, Any]) -> str:
    """The run that a task has made in MLflow; "" where it has made none."""
    return f"{server}/#/runs/{quote(str(said['run_id']))}" if server and said.get("run_id") else ""


def said_by(ti_key: Any) -> dict[str, Any]:
    """What a task returned, where that is an object; asked of Airflow's database, in the API server only."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    asked = XComModel.get_many(
        key="return_value",
        run_id=ti_key.run_id,
        dag_ids=ti_key.dag_id,
        task_ids=ti_key.task_id,
        map_indexes=ti_key.map_index,
    )
    with create_session() as session:
        row = session.execute(asked.with_only_columns(XComModel.value)).first()
    try:
        found = json.loads(row.value) if row is not None and isinstance(row.value, str) else row and row.value
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
