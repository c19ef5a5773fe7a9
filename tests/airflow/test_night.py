"""The night as Airflow runs it: the real DAGs, real steps, a real two-layer BERT, one process a DAG."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def night_site(make: Callable[..., Any], tmp_path: Path, classifier_toml: str, empty_database: Path) -> Any:
    """An installation with the tiny BERT's classifier and a migrated database."""
    site = make(tmp_path, call_to_action=classifier_toml)
    (site.home / "airflow").mkdir()
    (site.home / "airflow" / "airflow.db").write_bytes(empty_database.read_bytes())
    return site


def _states(site: Any, dag: str) -> dict[str, str]:
    logged = site.airflow("dags", "test", dag, "2026-09-01")
    listed = site.airflow("tasks", "states-for-dag-run", dag, "2026-09-01", "--output", "json")
    assert "[{" in listed.stdout, logged.stdout + logged.stderr + listed.stderr
    states = {
        row["task_id"] + row.get("map_index", ""): row["state"]
        for row in json.loads(listed.stdout[listed.stdout.index("[{") :])
    }
    assert set(states.values()) <= {"success", "skipped"}, logged.stdout + logged.stderr
    return states


def test_the_dags_run_the_whole_night(night_site: Any, fill_inbox: Callable[[Path, int], None]) -> None:
    """ingest, then train, then score: every task succeeds, a champion has scored every text, and a page is there."""
    fill_inbox(night_site.home, 5)
    runs = {dag: _states(night_site, dag) for dag in ("ingest", "call_to_action.train", "call_to_action.score")}
    assert {state for states in runs.values() for state in states.values()} == {"success"}
    assert {"sweep.trial0", "sweep.trial1"} < set(runs["call_to_action.train"]), "one task a trial"
    parts = {"champion", "score.opened", "score.shard0", "score.closed", "explain", "report"}
    assert set(runs["call_to_action.score"]) == parts
    asked = night_site.python("-m", "aufruf.cli", "status", "--json")
    found = json.loads(asked.stdout)
    assert found["champion"]["version"] == "1"
    assert found["scored"] > 0
    assert Path(found["report"]).is_file()
    assert os.path.commonpath([found["report"], night_site.home]) == str(night_site.home)
