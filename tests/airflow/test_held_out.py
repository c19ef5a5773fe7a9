"""Votes that are held out do not disappear in Airflow: a task fails, and what other votes decide is announced."""

import json
import os
from pathlib import Path
from typing import Any

from aufruf.store import Store


def _export(path: Path, coder: int, says: Any, texts: range) -> None:
    """A Label Studio export of one annotator; ``says``: number of the text -> choice."""
    tasks = [
        {
            "id": at,
            "data": {"Text": f"Beitrag Nummer {at} aus dem Wahlkampf", "Identifier": f"P{at:03}-Caption"},
            "annotations": [
                {
                    "completed_by": coder,
                    "was_cancelled": False,
                    "created_at": "2026-10-01T10:00:00Z",
                    "result": [
                        {"from_name": "Call to Action", "type": "choices", "value": {"choices": [says(at)]}},
                    ],
                }
            ],
        }
        for at in texts
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(tasks), encoding="utf-8")
    os.utime(path, (1_790_000_000, 1_790_000_000))  # complete: nobody is writing it


def test_votes_held_out_fail_visibly_and_the_other_labels_are_announced(airflow: Any, site: Any) -> None:
    """`label` succeeds while labels change and is skipped when none does; `refusals` fails both times, saying why."""
    inbox = site.home / "inbox" / "annotations"
    right, wrong = (lambda at: str(at % 2 == 0)), (lambda at: str(at % 2 == 1))
    for coder in (21, 22):
        _export(inbox / f"{coder}.json", coder, right, range(30))
    _export(inbox / "mallory.json", 66, wrong, range(30))
    states, logged = airflow.run(site, "ingest", "2026-09-01")
    assert states["label.call_to_action"] == "success", logged
    assert states["refusals"] == "failed", logged
    assert "Annotator '66' agrees least with the others" in logged
    assert "'labels': 30" in logged
    assert "by_annotator" not in logged, "who annotates is not for everybody who may see a run"
    _export(inbox / "mallory2.json", 66, wrong, range(29, -1, -1))
    _export(inbox / "oscar.json", 67, wrong, range(30))
    states, logged = airflow.run(site, "ingest", "2026-09-02")
    assert (states["label.call_to_action"], states["refusals"]) == ("skipped", "failed"), logged


def test_a_post_that_reads_otherwise_loses_its_label(airflow: Any, site: Any) -> None:
    """An edited caption comes with posts alone, without a vote: `label` runs, and what nobody has read has no label."""
    inbox = site.home / "inbox"
    for coder in (21, 22):
        _export(inbox / "annotations" / f"{coder}.json", coder, lambda at: str(at % 2 == 0), range(4))
    states, logged = airflow.run(site, "ingest", "2026-09-01")
    assert states["label.call_to_action"] == "success", logged
    (inbox / "posts").mkdir()
    table = "shortcode,username,timestamp,caption\nP000,amt,1789000000,Ganz anders als vorher\n"
    (inbox / "posts" / "again.csv").write_text(table, encoding="utf-8")
    os.utime(inbox / "posts" / "again.csv", (1_790_000_000, 1_790_000_000))
    states, logged = airflow.run(site, "ingest", "2026-09-02")
    assert (states["label.call_to_action"], states["posts"]) == ("success", "success"), logged
    labels = Store(str(site.home / "lake")).read("labels")
    assert labels.loc[labels["label"].isna(), ["text_id", "how"]].values.tolist() == [
        ["instagram:P000:caption", "edited"]
    ]
    assert len(labels) == 4
