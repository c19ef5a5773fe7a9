"""Runs in MLflow: a parent for a sweep, a nested run for each trial, one for a training. Every run is ended."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from aufruf.errors import AufrufError
from aufruf.settings import Settings

_PARAM_LENGTH = 6000  # MLflow's limit for a value
_BATCH = 900  # MLflow takes 1,000 metrics at once


def client(settings: Settings) -> MlflowClient:
    """A client of the tracking server, or of the embedded database. Makes the embedded folders."""
    if settings.tracking_uri.startswith("sqlite:"):
        settings.mlflow.mkdir(parents=True, exist_ok=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    return MlflowClient(tracking_uri=settings.tracking_uri, registry_uri=settings.tracking_uri)


class Tracker:
    """The runs of one classifier: experiment of the same name."""

    def __init__(self, settings: Settings, experiment: str) -> None:
        self.client = client(settings)
        self.experiment_id = _experiment(self.client, settings, experiment)

    @contextmanager
    def run(self, name: str, tags: Mapping[str, Any], params: Mapping[str, Any]) -> Iterator["Run"]:
        """A run that ends FINISHED, or FAILED when the block raises, or KILLED when it is interrupted."""
        run = self.start(name, tags, params)
        try:
            yield run
        except (KeyboardInterrupt, SystemExit):
            run.end("KILLED")
            raise
        except BaseException as failure:
            run.tag({"failure": f"{type(failure).__name__}: {failure}"[:500]})
            run.end("FAILED")
            raise
        run.end("FINISHED")

    def start(self, name: str, tags: Mapping[str, Any], params: Mapping[str, Any], parent: str | None = None) -> "Run":
        """Open a run; the caller ends it."""
        wanted = {MLFLOW_RUN_NAME: name, **({MLFLOW_PARENT_RUN_ID: parent} if parent else {}), **tags}
        created = self.client.create_run(
            self.experiment_id, tags={k: str(v) for k, v in wanted.items() if v is not None}
        )
        run = Run(self.client, created.info.run_id, str(created.info.artifact_uri))
        run.params(params)
        return run

    def end_orphans(self, tags: Mapping[str, str]) -> None:
        """End the runs with these tags whose process was killed: whoever calls this is about to do their work."""
        wanted = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
        for run in self.find(" and ".join([*wanted, "attributes.status = 'RUNNING'"])):
            self.client.set_terminated(run.info.run_id, "KILLED")

    def find(self, filter_string: str) -> list[Any]:
        """Runs that match MLflow's filter, newest first."""
        return list(
            self.client.search_runs([self.experiment_id], filter_string, order_by=["attributes.start_time DESC"])
        )


class Run:
    """One open run. Metrics go out in batches."""

    def __init__(self, client: MlflowClient, run_id: str, artifact_uri: str) -> None:
        self.client, self.id, self.artifact_uri = client, run_id, artifact_uri

    def params(self, values: Mapping[str, Any]) -> None:
        rows = [Param(key, str(value)[:_PARAM_LENGTH]) for key, value in values.items()]
        for start in range(0, len(rows), 100):
            self.client.log_batch(self.id, params=rows[start : start + 100])

    def tag(self, values: Mapping[str, Any]) -> None:
        rows = [RunTag(key, str(value)) for key, value in values.items() if value is not None]
        self.client.log_batch(self.id, tags=rows)

    def metrics(self, values: Mapping[str, float]) -> None:
        self.history([values])

    def history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Metrics of consecutive epochs, the first at step 1; a single row of final figures at step 1 as well."""
        now = int(time.time() * 1000)
        points = [Metric(k, float(v), now, step) for step, row in enumerate(rows, 1) for k, v in row.items()]
        for start in range(0, len(points), _BATCH):
            self.client.log_batch(self.id, metrics=points[start : start + _BATCH])

    def artifacts(self, folder: Path, path: str) -> str:
        """Upload a folder; returns its URI in the artifact store."""
        self.client.log_artifacts(self.id, str(folder), path)
        return f"{self.artifact_uri}/{path}"

    def table(self, name: str, values: Any) -> None:
        """A small JSON artifact."""
        self.client.log_dict(self.id, values, name)

    def end(self, status: str) -> None:
        self.client.set_terminated(self.id, status)


class SweepJournal:
    """Writes each trial of a sweep as a nested run."""

    def __init__(self, tracker: Tracker, parent: Run) -> None:
        self.tracker, self.parent = tracker, parent

    def trial(self, number: int, params: Mapping[str, Any], history: list[dict[str, float]], state: str) -> None:
        tags = {"aufruf.step": "trial", "aufruf.trial": number, "aufruf.pruned": str(state == "PRUNED").lower()}
        run = self.tracker.start(f"trial {number}", tags, params, parent=self.parent.id)
        run.history(history)
        run.end("FAILED" if state == "FAILED" else "FINISHED")


def _experiment(client: MlflowClient, settings: Settings, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise AufrufError(f"the MLflow experiment {name!r} was deleted", next="Restore it in the MLflow UI.")
        return str(found.experiment_id)
    # the embedded store is one folder, so that the server and the shell see the same artifacts
    location = (settings.mlflow / "artifacts" / name).as_uri() if settings.embedded_registry else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:  # another process created it in the meantime
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)
