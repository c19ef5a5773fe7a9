"""Airflow for tests: always in processes of its own, with a throwaway AIRFLOW_HOME, because importing it changes
the logging of the importing process and ``dags test`` writes real asset events."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Site:
    """A throwaway installation: its home, its classifier files, and the checkout's DAG folder."""

    home: Path
    classifiers: Path
    dags: Path = ROOT / "dags"

    def environment(self, **more: str) -> dict[str, str]:
        """What a process of this installation sees; nothing of the caller's Airflow, MLflow or aufruf."""
        foreign = ("AIRFLOW", "_AIRFLOW", "AUFRUF", "MLFLOW")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
        return kept | {
            "AUFRUF_HOME": str(self.home),
            "AUFRUF_CLASSIFIERS": str(self.classifiers),
            "AIRFLOW_HOME": str(self.home / "airflow"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(self.dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "HF_HUB_OFFLINE": "1",
            **more,
        }

    def python(self, *arguments: str, timeout: float = 120, **more: str) -> subprocess.CompletedProcess[str]:
        """Run Python in this installation; raises nothing, whatever the exit code."""
        return subprocess.run(
            [sys.executable, *arguments],
            env=self.environment(**more),
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def airflow(self, *arguments: str, timeout: float = 600, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the ``airflow`` command, such as ``airflow("dags", "test", "ingest")``."""
        return self.python("-P", "-m", "airflow", *arguments, timeout=timeout, **more)


@dataclass(frozen=True)
class Airflow:
    """A process in which Airflow reads and runs the DAGs of one site after the other: see ``asked.py``."""

    process: subprocess.Popen[str]
    log: Path

    def describe(self, site: Site, **more: str) -> dict[str, Any]:
        """What Airflow makes of the DAG folder."""
        return self._ask(environment=site.environment(**more))

    def run(self, site: Site, dag: str, day: str = "2026-09-01") -> tuple[dict[str, str], str]:
        """The state of each task after a run of the DAG, and what was logged."""
        before = self.log.stat().st_size
        states = self._ask(environment=site.environment(), dag=dag, day=day)
        return states, self.log.read_bytes()[before:].decode("utf-8")

    def python(self, site: Site, code: str, *arguments: str, **more: str) -> Any:
        """What code prints in a process of the site that has Airflow loaded; where it fails, the log says why."""
        return self._ask(environment=site.environment(**more), code=code, arguments=arguments)

    def _ask(self, **asked: Any) -> Any:
        print(json.dumps(asked), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text("utf-8")
        return json.loads(answer)


def make_site(folder: Path, **classifiers: str) -> Site:
    """An installation in ``folder`` with the given classifier files: name -> TOML."""
    site = Site(folder / "home", folder / "classifiers")
    site.home.mkdir()
    site.classifiers.mkdir()
    for name, toml in classifiers.items():
        (site.classifiers / f"{name}.toml").write_text(toml, encoding="utf-8")
    return site


@pytest.fixture(scope="session")
def recipe() -> str:
    """The checkout's own classifier file."""
    return (ROOT / "classifiers" / "call_to_action.toml").read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated Airflow database with the pools imported, to copy from."""
    site = make_site(tmp_path_factory.mktemp("migrated"))
    for command in (("db", "migrate"), ("pools", "import", str(ROOT / "docker" / "pools.json"))):
        done = site.airflow(*command)
        assert done.returncode == 0, done.stderr
    for leftover in ("airflow.db-wal", "airflow.db-shm"):
        assert not (site.home / "airflow" / leftover).exists()
    return site.home / "airflow" / "airflow.db"


@pytest.fixture
def site(tmp_path: Path, recipe: str, empty_database: Path) -> Site:
    """An installation with the one classifier ``call_to_action`` and a migrated database, nothing ingested."""
    return _with_database(make_site(tmp_path, call_to_action=recipe), empty_database)


def _with_database(site: Site, database: Path) -> Site:
    (site.home / "airflow").mkdir()
    shutil.copy(database, site.home / "airflow" / "airflow.db")
    return site


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Iterator[Airflow]:
    """The one process with Airflow in it."""
    home = _with_database(make_site(tmp_path_factory.mktemp("airflow")), empty_database)
    command = [sys.executable, str(Path(__file__).with_name("asked.py")), str(home.dags)]
    log = home.home / "log.txt"
    with log.open("w", encoding="utf-8") as written:
        process = subprocess.Popen(
            command, env=home.environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=written, text=True
        )
        yield Airflow(process, log)
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def make() -> Callable[..., Site]:
    """``make(folder, name=toml, ...)``: an installation without a database."""
    return make_site
