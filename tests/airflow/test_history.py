"""The block of docs/runbook.md that makes an end of old history works as it stands there."""

import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from tests.airflow.conftest import ROOT, Site

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text("utf-8")
BLOCK = re.findall(r"^```bash\n(.*?)^```", RUNBOOK, re.MULTILINE | re.DOTALL)[0]
[BEFORE] = re.findall(r"--clean-before-timestamp (\S+)", BLOCK)
RUNS = """
import sys
from datetime import UTC, datetime
from airflow.models import DagRun
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType, DagRunType

with create_session() as session:
    for at in map(datetime.fromisoformat, sys.argv[1:]):
        run = DagRun(
            dag_id="ingest", run_id=at.isoformat(), logical_date=at, run_after=at, start_date=at,
            run_type=DagRunType.MANUAL, state="success", triggered_by=DagRunTriggeredByType.TEST,
        )
        session.add(run)
"""


def test_old_runs_and_deleted_ones_go_for_good(tmp_path: Path, site: Site) -> None:
    """Of Airflow's runs and logs those before the day that the block names, of MLflow's those marked as deleted."""
    day = datetime.fromisoformat(f"{BEFORE}T00:00+00:00")
    old, new = ((day + timedelta(days=days)).isoformat() for days in (-1, 1))
    made = site.python("-c", RUNS, old, new)
    assert made.returncode == 0, made.stderr
    home = tmp_path / "checkout" / "var"
    home.parent.mkdir()
    site.home.rename(home)
    client, kept, deleted = mlflow_runs(home / "mlflow")
    for name, days in (("old", -1), ("new", 1)):
        log = home / "airflow" / "logs" / f"{name}.log"
        log.parent.mkdir(exist_ok=True)
        log.touch()
        os.utime(log, times=((day + timedelta(days=days)).timestamp(),) * 2)
    foreign = ("AIRFLOW", "_AIRFLOW", "AUFRUF", "MLFLOW")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", BLOCK],
        cwd=home.parent,
        env=env,
        input="delete rows\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with closing(sqlite3.connect(home / "airflow" / "airflow.db")) as database:
        assert database.execute("select run_id from dag_run").fetchall() == [(new,)]
        tables = {name for (name,) in database.execute("select name from sqlite_master where type = 'table'")}
    assert not [name for name in tables if name.startswith("_airflow_deleted")]
    assert [path.name for path in (home / "airflow" / "logs").glob("???.log")] == ["new.log"]
    assert client.get_run(kept).info.lifecycle_stage == "active"
    with pytest.raises(MlflowException, match="not found"):
        client.get_run(deleted)
    assert [path.parent.parent.name for path in (home / "mlflow").rglob("figure.txt")] == [kept]


def mlflow_runs(folder: Path) -> tuple[MlflowClient, str, str]:
    """An MLflow on SQLite with two runs and their files; the second is marked as deleted."""
    folder.mkdir()
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.create_experiment("call_to_action", (folder / "artifacts").as_uri())
    kept, deleted = (client.create_run(experiment).info.run_id for _ in range(2))
    for run in (kept, deleted):
        client.log_text(run, "figure", "figure.txt")
    client.delete_run(deleted)
    return client, kept, deleted
