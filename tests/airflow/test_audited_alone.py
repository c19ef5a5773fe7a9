"""A click in Airflow's UI and the request of a task do not wait for each other on SQLite."""

import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = Path(__file__).with_name("audited_calls.py")


@pytest.fixture(scope="module")
def meetings(tmp_path_factory: pytest.TempPathFactory, make: Any, empty_database: Path) -> dict[str, Any]:
    """What a task's request and an audited one came to that met while the first had written and not committed."""
    site = make(tmp_path_factory.mktemp("audited"))
    database = site.home / "airflow" / "airflow.db"
    database.parent.mkdir()
    database.write_bytes(empty_database.read_bytes())
    waits = f"sqlite:///{database}?timeout=3"
    done = site.python(str(SCRIPT), str(ROOT / "plugins"), AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=waits)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_served_alone_both_come_to_an_end(meetings: dict[str, Any]) -> None:
    """The click waits for the task's commit, and requests that only read wait for nobody."""
    assert meetings["in turn"] == {"task": 200, "click": 200, "reading": 200}


def test_without_turns_they_block_each_other(meetings: dict[str, Any]) -> None:
    """Airflow's own way fails once SQLite gives up. When this no longer holds, the plugin may go."""
    assert "OperationalError" in (meetings["free"]["task"], meetings["free"]["click"])


def test_only_sqlite_needs_it(meetings: dict[str, Any], site: Any) -> None:
    """The plugin adds its middleware where Airflow's database is SQLite, and nowhere else."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); import audited_alone as of; "
    code += "print(len(of.AuditedAlone.fastapi_root_middlewares))"
    other = "postgresql+psycopg://airflow@127.0.0.1:1/airflow"
    where = {f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN{of}": other for of in ("", "_ASYNC")}
    done = site.python("-c", code, str(ROOT / "plugins"), **where)
    assert (meetings["plugin"], done.stdout.split()[-1:]) == (1, ["0"]), done.stderr
