"""The night of the embedded stack, unchanged, in the parts of a cluster: PostgreSQL, Redis, S3, two workers."""

import contextlib
import json
import os
import re
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import redis
import requests
import yaml
from tests.cluster.conftest import NAME, System
from tests.cluster.natively import DOCKER, until

from aufruf.release.registry import CHAMPION

LIST = "_shared/observability/metrics/metrics_template.yaml"
FOREIGN = {"postgres", "redis", "s3"}


def test_the_whole_night(system: System) -> None:
    """Files of the inbox become labels, a champion, and one prediction per text, on S3 and in PostgreSQL."""
    for kind in ("annotations", "posts"):
        for path in sorted((system.exports / kind).iterdir()):
            system.drop(kind, path.name, path.read_text("utf-8"))
    until("the ingest", lambda: [run for run in system.runs("ingest") if run["state"] == "success"])
    assert system.store.count("labels") > 100
    run = system.airflow.trigger(f"{NAME}.train")
    states = system.ended(f"{NAME}.train", run)
    assert set(states.values()) <= {"success", "skipped"}, states
    until("the champion", lambda: system.registry.by_alias(CHAMPION))
    until(
        "the scoring",
        lambda: any(one["state"] == "success" for one in system.runs(f"{NAME}.score")) and not system.unscored(),
    )
    assert list((system.settings.reports / NAME).glob("*/index.html"))


def test_nobody_gets_in_without_a_password(system: System) -> None:
    """MLflow and Airflow answer 401, Redis and PostgreSQL refuse. (The store that stands in for S3 asks nobody.)"""
    cluster, here = system.cluster, "127.0.0.1"
    for port, path in ((cluster.mlflow, "api/2.0/mlflow/experiments/search"), (cluster.airflow, "api/v2/dags")):
        for login in (None, ("admin", "wrong")):
            assert requests.get(f"http://{here}:{port}/{path}", auth=login, timeout=10).status_code == 401, path
    with pytest.raises(redis.AuthenticationError), redis.Redis(here, cluster.redis) as broker:
        broker.ping()
    for role in ("airflow", "mlflow", "studies", "postgres"):
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(host=here, port=cluster.postgres, user=role, dbname="postgres", passfile=os.devnull)


def test_a_login_of_mlflow_that_was_right_is_believed_for_a_while(system: System) -> None:
    """Though the database has another password by now; none other is, and with the account it ends at once."""
    api = f"{system.settings.tracking_uri}/api/2.0/mlflow"
    admin = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    somebody = {"username": "somebody", "password": "somebody's password"}

    def asked(word: str) -> int:
        path = f"{api}/experiments/search?max_results=1"
        return requests.get(path, auth=("somebody", word), timeout=10).status_code

    assert requests.post(f"{api}/users/create", json=somebody, auth=admin, timeout=10).ok
    assert asked(somebody["password"]) == 200
    word = (system.cluster.secrets / "mlflow_db_password").read_text("utf-8").strip()
    server = {"host": "127.0.0.1", "port": system.cluster.postgres}
    with psycopg.connect(**server, user="mlflow", dbname="mlflow", password=word) as database:
        changed = database.execute("update users set password_hash = 'none' where username = 'somebody'")
        assert changed.rowcount == 1
    assert [asked(somebody["password"]), asked("another password")] == [200, 401]
    gone = requests.delete(f"{api}/users/delete", json={"username": "somebody"}, auth=admin, timeout=10)
    assert gone.ok
    assert asked(somebody["password"]) == 401


def test_workers_share_what_there_is_to_do(system: System) -> None:
    """Steps that train or run a model were on the queue gpu, all others on the other worker's."""
    run = next(one for one in system.runs(f"{NAME}.train") if one["state"] == "success")["dag_run_id"]
    found = system.airflow.get(f"dags/{NAME}.train/dagRuns/{run}/taskInstances", limit=100)["task_instances"]
    queues = {one["task_id"]: one["queue"] for one in found if one["state"] == "success"}
    assert {task for task, queue in queues.items() if queue == "gpu"} == {
        "sweep.opened",
        "sweep.trial",
        "train",
        "evaluate",
        "promote",
    }
    assert {queues["split"], queues["report"]} == {"default"}


def test_every_health_check_says_well(system: System) -> None:
    """The commands that compose asks, with the environment that it hands to them."""
    services = [name for name, service in system.cluster.services.items() if name in system.cluster.processes]
    asked = [name for name in services if "healthcheck" in system.cluster.services[name] and name not in FOREIGN]
    assert set(asked) == {"mlflow", "api-server", "scheduler", "dag-processor", "triggerer", "worker", "worker-gpu"}
    for name in asked:
        done = system.cluster.check(name)
        assert done.returncode == 0, (name, done.stderr[-500:])


def test_the_images_own_health_check_reads_tables_and_registry(system: System) -> None:
    """As a worker sees them; with a login that MLflow does not take it fails."""
    [said] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", (DOCKER / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    done = system.cluster.check("worker", json.loads(said))
    assert done.returncode == 0, done.stderr[-500:]
    assert b"champion  version" in done.stdout
    wrong = ["env", "MLFLOW_TRACKING_PASSWORD=another", *json.loads(said)[1:]]
    assert system.cluster.check("worker", wrong).returncode == 1


def test_the_dashboard_asks_for_metrics_that_there_are(system: System, metrics: tuple[str, set[str]]) -> None:
    """Each metric of Airflow's in docker/metrics/dashboard.json came, with the labels that are asked for or shown.

    Each of MLflow's is on its page. What counts failures comes with the first one, if any did: it is in Airflow's list.
    """
    board = json.loads((DOCKER / "metrics" / "dashboard.json").read_text("utf-8"))
    asked = set[str]().union(*(names(one) for panel in board["panels"] for one in panel["targets"]))
    login = (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"])
    page = requests.get(f"{system.settings.tracking_uri}/metrics", auth=login, timeout=10).text
    mlflows = set(re.findall(r"^(\w+)(?:{| )", page, re.MULTILINE))
    mlflows |= {
        f"{name}{{{label}}}"
        for name, told in re.findall(r"^(\w+){(.*)} ", page, re.MULTILINE)
        for label in re.findall(r'(\w+)="', told)
    }
    assert len([one for one in asked if "{" not in one]) > 6
    assert {"airflow_pool_open_slots{pool_name}", "mlflow_http_request_total{status}"} < asked
    _, came = metrics
    listed = yaml.safe_load((Path(str(find_spec("airflow").origin)).parent / LIST).read_text("utf-8"))["metrics"]
    counted = {f"airflow_{one['name']}_total": one["description"] for one in listed if one["type"] == "counter"}
    for name in (f"airflow_{one}_total" for one in ("ti_failures", "task_instances_without_heartbeats_killed")):
        assert "with dag_id and task_id tagging" in counted[name]
        asked -= {name, f"{name}{{dag_id}}", f"{name}{{task_id}}"}
    with contextlib.suppress(AssertionError):
        until("the metrics", lambda: asked <= came | mlflows, 60)
    assert asked - came - mlflows == set(), sorted(came)


def names(target: dict[str, str]) -> set[str]:
    """The metrics that a line of a dashboard asks for, and the labels that it picks them by, sums by or shows: M{L}."""
    said = target["expr"]
    metrics = set(re.findall(r"\b(?:airflow|mlflow)_\w+", said))
    labels = {*re.findall(r"{(\w+)=", said), *re.findall(r"{{(\w+)}}", target.get("legendFormat", ""))}
    labels |= {label for one in re.findall(r" by \((.*?)\)", said) for label in one.split(", ")}
    return metrics | {f"{metric}{{{label}}}" for metric in metrics for label in labels}
