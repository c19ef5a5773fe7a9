"""The whole system in the parts of a cluster, on this machine; one for all tests here."""

import copy
import csv
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.cluster.natively import DOCKER, Cluster, lacking, until

from aufruf.classifier import Classifier, choose
from aufruf.release.registry import CHAMPION, Registry
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.stack.api import Airflow
from aufruf.stack.environment import password_file
from aufruf.store import Store

NAME = "call_to_action"
SHARD = 200  # texts
ENDED = {"success", "failed"}
ASKED = os.environ.get("AUFRUF_FAULTS") or str(datetime.now(UTC).date().toordinal())  # what goes round by the day


@dataclass
class System:
    """A running cluster, and its parts as a client sees them."""

    cluster: Cluster
    settings: Settings
    classifier: Classifier
    store: Store
    exports: Path
    _clients: dict[bytes, Airflow] = field(default_factory=dict)

    @property
    def airflow(self) -> Airflow:
        """A client that has been told Airflow's password: nothing that the parts share does. One as long as that is."""
        file = self.cluster.secrets / "airflow_passwords.json"
        shutil.copy(file, password_file(self.settings))
        signed_by = file.read_bytes() + (self.cluster.secrets / "jwt_secret").read_bytes()
        return self._clients.setdefault(signed_by, Airflow(self.settings))

    @property
    def registry(self) -> Registry:
        return Registry(self.settings, NAME)

    def drop(self, kind: str, name: str, text: str) -> None:
        """A file in the inbox, complete at once."""
        folder = {"annotations": self.settings.inbox_annotations, "posts": self.settings.inbox_posts}[kind]
        hidden = folder / f".{name}"
        hidden.write_text(text, "utf-8")
        hidden.rename(folder / name)

    def deliver(self, round_: int, posts: int = 12, votes: int = 40) -> None:
        """Drop a file of new posts and one of new texts with votes, as 4CAT and Label Studio write them."""
        [table] = self.exports.glob("posts/posts_4cat.csv")
        row = next(csv.DictReader(table.open(encoding="utf-8", newline="")))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, list(row))
        writer.writeheader()
        for n in range(posts):
            name = f"FAULT{round_:03}p{n:03}"
            body = f"Kommt am Sonntag zum Infostand Nummer {n} in Runde {round_}!"
            writer.writerow(row | {"id": name, "thread_id": name, "body": body})
        self.drop("posts", f"round_{round_}.csv", text.getvalue())
        if not votes:
            return
        [first, *_] = json.loads((self.exports / "annotations" / "annotations_anna.json").read_text("utf-8"))
        tasks = []
        for n in range(votes):
            task = copy.deepcopy(first)
            name, call = f"FAULT{round_:03}v{n:03}", n % 2 == 0
            words = ("Geht am Sonntag wählen", "Die Partei hat getagt")[n % 2]
            task["id"] = 900_000 + 1_000 * round_ + n
            task["data"] |= {"Text": f"{words}: {round_} und {n * 7919}.", "Identifier": f"{name}-Caption"}
            task["annotations"][0]["result"][0]["value"]["choices"] = [str(call)]
            tasks.append(task)
        self.drop("annotations", f"round_{round_}.json", json.dumps(tasks))

    def runs(self, dag: str) -> list[dict[str, Any]]:
        """The runs of a DAG, newest first; none while Airflow does not answer."""
        return (self.airflow.get(f"dags/{dag}/dagRuns", order_by="-run_after", limit=100) or {"dag_runs": []})[
            "dag_runs"
        ]

    def new(self, dag: str, known: set[str]) -> str | None:
        """The newest run that was not there before."""
        return next((run["dag_run_id"] for run in self.runs(dag) if run["dag_run_id"] not in known), None)

    def tasks(self, dag: str, run: str) -> dict[str, str]:
        found = self.airflow.get(f"dags/{dag}/dagRuns/{run}/taskInstances", limit=100) or {"task_instances": []}
        return {one["task_id"]: one["state"] for one in found["task_instances"]}

    def ended(self, dag: str, run: str, seconds: float = 300.0) -> dict[str, str]:
        """The states of a run's tasks once it has ended; where it does not end in time, what it waited for."""
        try:
            until(
                f"the end of {dag}",
                lambda: {one["dag_run_id"]: one["state"] for one in self.runs(dag)}.get(run) in ENDED,
                seconds,
            )
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.where(dag, run)}") from None
        return self.tasks(dag, run)

    def where(self, dag: str, run: str) -> str:
        """How far each task of a run has come, and what the parts have said last: for who reads why a test failed."""
        asked = self.airflow.get(f"dags/{dag}/dagRuns/{run}/taskInstances", limit=100) or {"task_instances": []}
        at = ("scheduled_when", "queued_when", "start_date", "end_date")
        shown = ("task_id", "map_index", "state", "try_number", *at)
        lines = [" ".join(f"{one.get(key)}" for key in shown) for one in asked["task_instances"]]
        ill, parts = self.airflow.unwell(), ("scheduler", "worker-gpu", "worker", "api-server", "dag-processor")
        logs = [f"--- {part}\n{self.cluster.log(part, 15)}" for part in parts]
        return "\n".join([*lines, f"unwell: {', '.join(ill) or 'nothing'}", *logs])

    def calm(self, seconds: float = 300.0) -> None:
        """Wait until nothing runs and nothing waits."""
        dags = ("ingest", f"{NAME}.train", f"{NAME}.score")
        until("nothing to run", lambda: all(one["state"] in ENDED for dag in dags for one in self.runs(dag)), seconds)

    def unscored(self) -> list[str]:
        """Ids of texts that the champion has not read once; raises AssertionError where it read one twice."""
        champion = self.registry.by_alias(CHAMPION)
        assert champion is not None
        rows = self.store.read("predictions", {"classifier": NAME, "model_version": champion.version})
        assert not rows.duplicated(["text_id", "digest"]).any()
        return sorted(set(self.store.read("texts")["text_id"]) - set(rows["text_id"]))

    def sound(self) -> None:
        """Raises AssertionError unless no row is doubled, all texts are read, one champion is, and no run RUNNING."""
        for name, kind in TABLES.items():
            if self.store.version(name) is not None:
                assert not self.store.read(name, columns=list(kind.KEY)).duplicated().any(), name
        until("each text to be read", lambda: not self.unscored(), every=3)
        champion, decisions = self.registry.by_alias(CHAMPION), self.store.read("decisions").sort_values("at")
        crowned = decisions[decisions["verdict"].isin(["first", "promoted"])]["challenger"]
        assert champion is not None
        assert crowned.iloc[-1] == champion.version
        until("no run to be RUNNING", lambda: not self._running(), 60)

    def _running(self) -> list[Any]:
        client = self.registry.client
        [experiment] = [one for one in client.search_experiments() if one.name == NAME]
        return list(client.search_runs([experiment.experiment_id], "attributes.status = 'RUNNING'"))


@pytest.fixture(scope="session")
def metrics() -> Iterator[tuple[str, set[str]]]:
    """Where metrics may be sent by OpenTelemetry, as to Prometheus, and what came: NAME, and NAME{LABEL}."""
    seen: set[str] = set()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        names = as_prometheus(metric)
                        seen.update(names, (f"{name}{{{label}}}" for name in names for label in labels(metric)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", seen
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def system(
    metrics: tuple[str, set[str]],
    tmp_path_factory: pytest.TempPathFactory,
    classifier_toml: str,
    fill_inbox: Callable[[Path, int], None],
) -> Iterator[System]:
    """Everything that docker/compose.yaml has, started from its environment files; nothing ingested yet."""
    if not os.environ.get("CI") and (missing := lacking()):
        pytest.skip(f"there is no {missing} on this machine")
    folder = tmp_path_factory.mktemp("cluster")
    classifiers = folder / "classifiers"
    classifiers.mkdir()
    hour = (datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(hours=12)).hour  # no night comes between,
    hour += hour == 2  # nor at the hour that clocks leave out and have twice
    due = "".join(f'{verb} = "0 {hour} * * *"\n' for verb in ("train", "score"))
    due += 'monitor = "30 2 * * *"\n'  # disturbs nobody, and comes in the hour that clocks leave out and have twice
    more = f"[schedule]\n{due}[scoring]\nshard_size = {SHARD}\n[monitor]\ndrift = 1.0\n"
    long = classifier_toml.replace("epochs = [1, 2]", "epochs = [3, 4]")  # there is a middle of the training
    (classifiers / f"{NAME}.toml").write_text(long.replace("[gate]\n", f"{more}[gate]\n"), "utf-8")
    cluster = Cluster(folder / "cluster", classifiers, metrics[0])
    exports = folder / "exports"
    fill_inbox(exports, 3)
    try:
        cluster.start()
        env = expanded(cluster, "worker")
        with pytest.MonkeyPatch.context() as patch:
            for name, value in env.items():
                if name.startswith(("AWS_", "MLFLOW_")):
                    patch.setenv(name, value)
            settings = Settings.load(env=env | {"AUFRUF_AIRFLOW_PORT": str(cluster.airflow)})
            made = System(cluster, settings, choose(settings, NAME), Store(settings.lake), exports / "inbox")
            until("the DAGs", lambda: f"{NAME}.score" in made.airflow.dags())
            until("all components", lambda: made.airflow.unwell() == [])
            yield made
    finally:
        cluster.stop()


def expanded(cluster: Cluster, service: str) -> dict[str, str]:
    """The environment in which a service's command runs, its secrets in their places."""
    said = subprocess.run(
        [DOCKER / "entrypoint.sh", "env", "-0"], env=cluster.env(service), check=True, capture_output=True
    )
    return dict(line.split("=", 1) for line in said.stdout.decode().split("\0") if line)


def stand_ins(folder: Path, services: dict[str, Any], **more: Any) -> dict[str, str]:
    """Variables with which `docker compose`, `aws` and `make` are the programs of ``containers``, on these services."""
    programs, about = folder / "bin", folder / "natively.json"
    programs.mkdir(exist_ok=True)
    for name in ("docker", "aws", "make"):
        program = f'#!/bin/sh\nexec {sys.executable} {Path(__file__).with_name("containers.py")} {name} "$@"\n'
        (programs / name).write_text(program, "utf-8")
        (programs / name).chmod(0o755)
    about.write_text(json.dumps({"services": services, "up": str(folder / "up"), **more}), "utf-8")
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "NATIVELY": str(about)}


def as_prometheus(metric: Any) -> set[str]:
    """The names under which Prometheus keeps what comes by OpenTelemetry: its unit and its kind become suffixes."""
    unit = {"": "", "1": "", "ms": "_milliseconds", "s": "_seconds", "By": "_bytes"}[metric.unit]
    name = re.sub(r"\W", "_", metric.name) + unit
    if metric.HasField("histogram"):  # an exponential one, as Airflow's are, keeps its name: a native histogram
        return {f"{name}_sum", f"{name}_count", f"{name}_bucket"}
    return {f"{name}_total" if metric.HasField("sum") and metric.sum.is_monotonic else name}


def labels(metric: Any) -> set[str]:
    """By what its figures are told apart."""
    points = getattr(metric, metric.WhichOneof("data")).data_points
    return {re.sub(r"\W", "_", one.key) for point in points for one in point.attributes}
