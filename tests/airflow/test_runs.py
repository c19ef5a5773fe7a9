import json
import os
from pathlib import Path
from typing import Any

import pytest

SCORED = Path(__file__).with_name("scored_calls.py")


@pytest.mark.parametrize("dag", ["call_to_action.train", "call_to_action.score"])
def test_a_night_with_nothing_to_work_on_is_skipped(airflow: Any, site: Any, dag: str) -> None:
    """On an empty home the chain skips from its first task to its last, says why, and nothing fails."""
    states, logged = airflow.run(site, dag)
    assert set(states.values()) == {"skipped"}, logged
    assert "there are no labels" in logged or "no champion" in logged


def test_a_refused_file_is_seen_and_stops_no_other(airflow: Any, site: Any) -> None:
    """`refusals` fails and names the file; `ingest` itself succeeds; there is nothing new behind it."""
    inbox = site.home / "inbox" / "posts"
    inbox.mkdir(parents=True)
    (inbox / "shopping.csv").write_text("item,price\nbread,3\n", encoding="utf-8")
    os.utime(inbox / "shopping.csv", (1_790_000_000, 1_790_000_000))  # complete: nobody is writing it
    states, logged = airflow.run(site, "ingest")
    assert states == {
        "ingest": "success",
        "label.call_to_action": "skipped",
        "posts": "skipped",
        "refusals": "failed",
    }, logged
    assert "shopping.csv" in logged


def test_the_report_comes_without_explanations_and_the_run_has_failed(site: Any) -> None:
    """Prevalence is published where the scoring ended well; what failed behind it is seen."""
    done = site.python(str(SCORED), str(site.dags), "", "explain", "report", "score.closed", timeout=240)
    assert done.returncode == 0, done.stderr
    nothing = dict.fromkeys(("explain", "report", "done"), "upstream_failed")
    assert [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] == [
        {"explain": "success", "report": "success", "done": "success", "run": "success"},
        {"explain": "failed", "report": "success", "done": "upstream_failed", "run": "failed"},
        {"explain": "success", "report": "failed", "done": "upstream_failed", "run": "failed"},
        {**nothing, "run": "failed"},
    ]
