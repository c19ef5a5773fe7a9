"""Runs in MLflow: a parent for a sweep, a nested run for each trial, one for a training. Every run is ended."""

import hashlib
import json
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from aufruf.errors import AufrufError, LeaseLost
from aufruf.release import journal, tickets
from aufruf.release.outbox import END_SECONDS, FAILURE, LIMITS, Outbox, deliver_left
from aufruf.release.server import Patient, client
from aufruf.settings import Settings

log = logging.getLogger(__name__)
_PARAM_LENGTH, _TAG_LENGTH = 6000, 8000  # MLflow's limits for a value
_KILLED_SECONDS = 5.0  # whoever interrupts a run does not wait for long
_EPOCH = "epoch"  # a metric that every row of a history has
_COUNTED = (_EPOCH, "best_epoch", "seed_value")  # metrics whose steps say which rows a run has been told


class Tracker:
    """The runs of one classifier: experiment of the same name. Opening one delivers what killed runs have left."""

    def __init__(self, settings: Settings, experiment: str) -> None:
        self.client, self.settings = client(settings), settings
        self.experiment_id = _experiment(self.client, settings, experiment)
        self.server = journal.server(settings)
        deliver_left(self.client.inner, self.outbox, self.server)

    @property
    def outbox(self) -> Path:
        return self.settings.mlflow / "outbox"

    @contextmanager
    def run(
        self, name: str, tags: Mapping[str, Any], params: Mapping[str, Any], ticket: Path | None = None
    ) -> Iterator["Run"]:
        """A run that ends FINISHED, or FAILED when the block raises, or KILLED when it is interrupted.

        It does not end by LeaseLost: whoever has the lease by now may have reopened this very run.

        ``ticket``: a file that names the run while the work is not done; while it is there, the same run goes on.
        """
        run = self.start(name, tags, params, ticket=ticket)
        try:
            yield run
        except (KeyboardInterrupt, SystemExit):
            run.end("KILLED")
            raise
        except LeaseLost:
            run.close()
            raise
        except BaseException as failure:
            run.fail(failure)
            raise
        run.end("FINISHED")

    def start(
        self,
        name: str,
        tags: Mapping[str, Any],
        params: Mapping[str, Any],
        parent: str | None = None,
        ticket: Path | None = None,
    ) -> "Run":
        """Open a run, or the one that ``ticket`` names; the caller ends it. Waits for a server that is away.

        Raises OSError where the ticket cannot be written; the run has ended then: nobody could go on with it.
        """
        known = tickets.read(ticket) if ticket is not None else None
        run = self.reopen(known) if known else None
        if run is not None:
            run.tag(tags)
        else:
            run = self._opened(name, {MLFLOW_RUN_NAME: name, MLFLOW_PARENT_RUN_ID: parent, **tags})
        if ticket is not None and run.id != known:
            try:
                tickets.write(ticket, run.id)
            except OSError as failure:
                run.fail(failure)
                raise
        run.params(params)
        return run

    def attach_if_there(self, run_id: str) -> "Run | None":
        """A run that another process has opened; None, with a warning, where somebody has deleted it.

        Whoever attaches closes it, or ends it.
        """
        try:
            found = self.client.get_run(run_id)
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            found = None
        if found is None or found.info.lifecycle_stage == "deleted":
            log.warning("run %s was deleted in MLflow: nothing more is logged to it", run_id)
            return None
        return Run(self, found)

    def reopen(self, run_id: str) -> "Run | None":
        """A run that was cut off, RUNNING again; None where there is none, or somebody has deleted it.

        It knows what it has told, and does not tell it again. What is still to be told of it, its end and its failure
        among it, is told first: later it would be taken for news. Whoever reopens a run knows that it has no writer.
        """
        try:
            self.client.get_run(run_id)  # waits for a server that is away
            deliver_left(self.client.inner, self.outbox, self.server, of=run_id)
            found = self.client.get_run(run_id)
            self.client.update_run(run_id, status="RUNNING")
        except MlflowException as failure:
            if failure.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
            return None
        if FAILURE in found.data.tags:
            self.client.delete_tag(run_id, FAILURE)
        run = Run(self, found)
        for key in run.known:
            if key.rpartition(".")[2] in _COUNTED:
                run.steps[key] = {point.step for point in self.client.get_metric_history(run_id, key)}
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

    def _opened(self, name: str, tags: Mapping[str, Any]) -> "Run":
        now = int(time.time() * 1000)
        same = f"attributes.start_time = {now} and attributes.run_name = '{name}'"
        wanted = {key: _clean(value)[:_TAG_LENGTH] for key, value in tags.items() if value is not None}
        tries = iter(range(1_000_000))

        def open_once() -> Any:  # an answer that was lost is not asked for twice
            if next(tries) and (found := self.client.inner.search_runs([self.experiment_id], same)):
                return found[0]
            return self.client.inner.create_run(self.experiment_id, start_time=now, tags=wanted, run_name=name)

        return Run(self, self.client.wait(open_once))


class Run:
    """One open run. What it is told goes through its outbox: nothing waits for the server but artifacts and the end."""

    def __init__(self, tracker: Tracker, found: Any) -> None:
        self.client, self.lake = tracker.client, tracker.settings.lake
        self.id, self.artifact_uri = str(found.info.run_id), str(found.info.artifact_uri)
        self.started = int(found.info.start_time)  # ms since 1970
        self.known: dict[str, float] = dict(found.data.metrics)  # what was told before this process came to it
        self.steps: defaultdict[str, set[int]] = defaultdict(set)  # of each metric that counts rows
        self._folder, self._server = tracker.outbox, tracker.server
        self._outbox = self._opened()

    def params(self, values: Mapping[str, Any]) -> None:
        self._post("params", [(key, _clean(value)[:_PARAM_LENGTH]) for key, value in values.items()])

    def tag(self, values: Mapping[str, Any]) -> None:
        rows = [(key, _clean(value)[:_TAG_LENGTH]) for key, value in values.items() if value is not None]
        self._post("tags", rows)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Figures of the whole run, at step 1."""
        self.points(1, {key: value for key, value in values.items() if self.known.get(key) != float(value)})

    def epoch(self, step: int, row: Mapping[str, float], of: str = "") -> None:
        """Metrics of one epoch, the first at step 1; one told before is not told again. ``of`` begins the names."""
        self.once(step, {of + name: value for name, value in row.items()}, of + _EPOCH)

    def once(self, step: int, row: Mapping[str, float], by: str) -> None:
        """One point of each metric, unless the run has one of the metric ``by`` at this step."""
        told = self.steps[by]
        if step not in told:
            told.add(step)
            self.points(step, row)

    def history(self, rows: Sequence[Mapping[str, float]]) -> None:
        """Metrics of consecutive epochs, the first at step 1."""
        for step, row in enumerate(rows, 1):
            self.epoch(step, row)

    def points(self, step: int, values: Mapping[str, float]) -> None:
        """One point of each metric, at this moment."""
        now = int(time.time() * 1000)
        self._post("metrics", [(key, float(value), now, step) for key, value in values.items()])

    def inputs(self, seen: Mapping[str, int | None]) -> None:
        """The tables that the run has seen, each with its Delta version, as MLflow's data sets."""
        rows = [
            (table, str(version), json.dumps({"path": f"{self.lake}/{table}", "delta_table_version": version}))
            for table, version in seen.items()
            if version is not None
        ]
        if rows:
            self._outbox.post({"inputs": rows})

    def figure(self, name: str, png: bytes) -> None:
        """A drawing, as ``figures/NAME``."""
        self._outbox.keep(f"figures/{name}", png)

    def table(self, name: str, values: Any) -> None:
        """A small JSON artifact."""
        self._outbox.keep(name, json.dumps(values, indent=2).encode())

    def text(self, name: str, text: str) -> None:
        """A small artifact of text."""
        self._outbox.keep(name, text.encode("utf-8", "replace"))

    def artifacts(self, folder: Path, path: str) -> str:
        """Upload a folder file by file; returns its URI in the artifact store. Waits for a server that is away.

        A list beside the folder says what has arrived, so that no file goes out twice, not even after kill -9.
        Raises AufrufError when the store takes nothing.
        """
        arrived = folder.with_name(f"{folder.name}.uploaded")
        done = set(arrived.read_text("utf-8").splitlines()) if arrived.exists() else set()
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            target = (Path(path) / file.relative_to(folder)).parent.as_posix()
            line = f"{self.id} {_digest(file)} {target}/{file.name}"
            if line not in done:
                self._upload(file, target)
                with arrived.open("a", encoding="utf-8") as list_of_arrived:
                    list_of_arrived.write(line + "\n")
        return f"{self.artifact_uri}/{path}"

    def close(self, seconds: float = END_SECONDS) -> None:
        """Wait at most so long until everything is delivered; what is not goes out with the next command."""
        self._outbox.close(seconds)
        self._outbox = self._opened()

    def end(self, status: str) -> None:
        """End the run: FINISHED, FAILED or KILLED."""
        self._outbox.post({"end": status, "at": int(time.time() * 1000)})
        self.close(_KILLED_SECONDS if status == "KILLED" else END_SECONDS)

    def fail(self, failure: BaseException) -> None:
        """End the run FAILED, with a tag that says why."""
        self.tag({FAILURE: f"{type(failure).__name__}: {failure}"[:500]})
        self.end("FAILED")

    def _opened(self) -> Outbox:
        return Outbox(self.client.inner, self.id, self._folder, self._server)

    def _post(self, kind: str, rows: Sequence[tuple[Any, ...]]) -> None:
        for start in range(0, len(rows), LIMITS[kind]):
            self._outbox.post({kind: rows[start : start + LIMITS[kind]]})

    def _upload(self, file: Path, target: str) -> None:
        try:
            self.client.log_artifact(self.id, str(file), target)
        except (MlflowException, OSError) as failure:
            raise AufrufError(
                f"the artifact store does not take {file.name}: {failure}",
                next="Make room there and run the command again: a trained model is kept.",
            ) from failure


def _clean(value: Any) -> str:
    """Text that every database takes: no half characters, no NUL."""
    return str(value).encode("utf-8", "replace").decode().replace("\0", "")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _experiment(client: Patient, settings: Settings, name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise AufrufError(f"the MLflow experiment {name!r} was deleted", next="Restore it in the MLflow UI.")
        return str(found.experiment_id)
    # one folder, so that the server and the shell see the same artifacts; without a server MLflow takes the working one
    ours = settings.embedded_registry or settings.registry_file is not None
    location = (settings.mlflow / "artifacts" / name).as_uri() if ours else None
    try:
        return str(client.create_experiment(name, artifact_location=location))
    except MlflowException:  # another process created it in the meantime
        found = client.get_experiment_by_name(name)
        if found is None:
            raise
        return str(found.experiment_id)
