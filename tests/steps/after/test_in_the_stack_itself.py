"""The embedded stack itself, which ``test_in_the_stack`` has used: the tests run in the order in which they stand."""

import json
import time
from dataclasses import replace
from typing import Any

import psutil
import pytest

from aufruf import stack
from aufruf.classifier import choose
from aufruf.cli import main
from aufruf.errors import StackError
from aufruf.phrases import told
from aufruf.settings import Settings
from aufruf.stack import processes
from aufruf.stack.api import Airflow, fetch
from aufruf.steps.status import status

COMPONENTS = {"mlflow", "api-server", "scheduler", "dag-processor", "triggerer"}


@pytest.fixture(scope="module")
def settings(up: Any) -> Settings:
    return up.settings


@pytest.fixture(scope="module")
def started(settings: Settings) -> dict[str, Any]:
    return stack.up(settings)


def test_up_answers_when_everything_is_well(settings: Settings, started: dict[str, Any]) -> None:
    """Both servers answer, every component reports to be healthy, and the DAGs are read without an error."""
    assert started["status"] == "already up"
    assert set(started["components"]) == COMPONENTS
    assert fetch(f"{started['urls']['mlflow']}/health") == "OK"
    assert Airflow(settings).unwell() == []
    assert {"ingest", "call_to_action.train"} <= Airflow(settings).dags()
    assert started["import_errors"] == []


def _standing(settings: Settings) -> str:
    """The first line of `aufruf status`."""
    return told("status", status(settings, choose(settings, None)))[0]


def test_status_says_where_the_pages_are(settings: Settings, started: dict[str, Any]) -> None:
    """Both addresses, and how to learn the password, which itself it does not print."""
    line = _standing(settings)
    assert line.startswith(f"stack     up: airflow {started['urls']['airflow']}, mlflow {started['urls']['mlflow']}")
    assert "`aufruf up` prints user and password" in line
    assert started["login"]["password"] not in line


def test_it_is_found_on_the_ports_it_was_started_with(settings: Settings, started: dict[str, Any]) -> None:
    """Whoever does not name them again is not told that it is unwell, and is led to it all the same."""
    forgot = replace(settings, airflow_port=8080, mlflow_port=5000)
    assert _standing(forgot) == _standing(settings)
    assert stack.up(forgot) == started
    assert stack.state.served(forgot).tracking_uri == started["urls"]["mlflow"]


def test_the_scheduler_has_loaded_what_tasks_need(started: dict[str, Any]) -> None:
    """torch is in the process that tasks are forked from, and in no other."""

    def has_torch(name: str) -> bool:
        [kept] = psutil.Process(started["components"][name]).children()
        return any("libtorch" in one.path for one in kept.memory_maps())

    assert {name for name in COMPONENTS if has_torch(name)} == {"scheduler"}


def test_it_listens_on_loopback_only(settings: Settings, started: dict[str, Any]) -> None:
    """No process of the stack can be reached from another machine."""
    listening = {
        (connection.laddr.ip, connection.laddr.port)
        for process in processes.marked(settings.home)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {("127.0.0.1", settings.airflow_port), ("127.0.0.1", settings.mlflow_port)}


def test_the_api_asks_for_the_password(settings: Settings, started: dict[str, Any]) -> None:
    """Without a token Airflow's API gives nothing away; with a wrong password there is no token."""
    url = started["urls"]["airflow"]
    assert fetch(f"{url}/api/v2/dags") is None
    assert fetch(f"{url}/auth/token", {"username": "admin", "password": "admin"}) is None


def test_the_gpu_pool_has_one_slot(settings: Settings, started: dict[str, Any]) -> None:
    """Two trainings never run at once, and no task waits for a pool that is not there."""
    assert Airflow(settings).get("pools/gpu")["slots"] == 1


def test_what_holds_secrets_is_its_owners_only(settings: Settings, started: dict[str, Any]) -> None:
    """Password, keys and state have mode 0600, the home 0700, and the login works."""
    secrets = [
        settings.airflow / name
        for name in ("passwords.json", "fernet.key", "jwt.secret", "api.secret", "webhook.secret")
    ]
    secrets.append(settings.mlflow / "webhook.key")
    for file in [*secrets, settings.home / "stack.json"]:
        assert file.stat().st_mode & 0o777 == 0o600, file
    assert settings.home.stat().st_mode & 0o777 == 0o700
    assert json.loads(secrets[0].read_text())["admin"] == started["login"]["password"]
    assert len((settings.airflow / "jwt.secret").read_bytes()) >= 64


def test_a_second_up_says_so(settings: Settings, started: dict[str, Any]) -> None:
    """It starts nothing and gives the same answer; another preset is refused, with the way out."""
    assert stack.up(settings) == started
    with pytest.raises(StackError, match=r"already up, with preset none, not quick.*aufruf down"):
        stack.up(replace(settings, preset="quick"))


def test_the_command_says_where_it_is(
    settings: Settings, started: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`aufruf up` as the runbook has it: both addresses, user and password."""
    for name, value in (("HOME", settings.home), ("CLASSIFIERS", settings.classifiers)):
        monkeypatch.setenv(f"AUFRUF_{name}", str(value))
    assert main(["up"]) == 0
    said = capfd.readouterr().out
    assert all(url in said for url in started["urls"].values())
    assert started["login"]["password"] in said


def test_a_file_in_the_inbox_starts_a_run(settings: Settings, started: dict[str, Any]) -> None:
    """The triggerer has seen the delivery and the ingest DAG ran, with nobody asking it to."""
    runs = Airflow(settings).get("dags/ingest/dagRuns")["dag_runs"]
    assert {run["run_type"] for run in runs} == {"asset_triggered"}


def test_a_component_that_dies_comes_back(settings: Settings, started: dict[str, Any]) -> None:
    """The scheduler is killed; a moment later another one schedules, with nobody having asked for it."""
    keeper = psutil.Process(started["components"]["scheduler"])
    [scheduler] = keeper.children()
    scheduler.kill()
    end = time.monotonic() + 180
    while not (found := [one for one in keeper.children() if one.pid != scheduler.pid]) or Airflow(settings).unwell():
        assert time.monotonic() < end, processes.tail(settings.home / "logs" / "scheduler.log")
        time.sleep(1)
    assert len(found) == 1
    assert stack.up(settings)["components"] == started["components"]


def test_down_leaves_no_process(settings: Settings, started: dict[str, Any]) -> None:
    """With a task at work and one keeper killed, every process that carries the mark is gone afterwards."""
    scheduler = psutil.Process(started["components"]["scheduler"])
    scheduler.kill()
    scheduler.wait(30)
    assert "NOT WELL: scheduler; logs are in" in _standing(settings)
    assert stack.down(settings)["status"] == "down"
    assert processes.marked(settings.home) == []
    assert stack.state.running(settings) is None
    assert stack.down(settings) == {"status": "was not up", "processes": 0}
    assert _standing(settings) == "stack     down (`aufruf up` starts Airflow and MLflow)"
