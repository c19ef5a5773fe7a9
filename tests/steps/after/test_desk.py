"""The morning's page of a home where two nights have passed, and what can be downloaded beside it."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aufruf.errors import UsageError
from aufruf.schemas import Decision, QuarantinedRow
from aufruf.steps import desk
from aufruf.steps.evaluate import evaluate


def words(page: str) -> str:
    seen = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", seen).split())


def judged(after, verdict: str, reasons: list[str]) -> None:
    """A later decision on a version 2, which needs no model for that."""
    first = after.store.read("decisions").iloc[0]
    row = Decision(
        classifier="call_to_action",
        challenger="2",
        champion="1",
        at=datetime.now(UTC) + timedelta(hours=1),
        verdict=verdict,
        reasons=json.dumps(reasons),
        challenger_metrics=first["challenger_metrics"],
        champion_metrics=first["challenger_metrics"],
        value=-0.01,
        low=-0.03,
        high=0.01,
        test_rows=12,
        fingerprint="f",
    )
    after.store.add("decisions", [row])


def test_the_page_says_who_scores_what_called_and_why(after):
    """Version 1 by the gate; the day's calls as many as the table has, those explained with their words first."""
    page = desk.desk(after.settings, "call_to_action")
    seen = words(page)
    assert re.search(r"Version 1 scores the posts since .*: the gate promoted it\.", seen)
    assert "First model. Version 1 is the first champion" in seen
    rows = after.store.read("explanations", {"chosen": "call"})
    named = {word for row in rows["words"] for word, weight in json.loads(row) if weight > 0}
    shown = set(re.findall(r'<bdi lang="de" class="[^"]*">([^<]*)</bdi> \+', page))
    assert shown
    assert shown <= {*named, *(w for row in after.store.read("explanations")["words"] for w, _ in json.loads(row))}
    assert "Version 1 was trained and judged: version 1 is the first champion" in seen
    assert re.search(r"Version 1 scored [\d,]+ texts and [\d,]+ annotated ones\.", seen)
    assert "Prevalence of call" in seen


def test_texts_that_are_not_counted_are(after):
    """Beside the shares, in the words of the day's report."""
    assert "Not all texts are counted" not in words(desk.desk(after.settings, "call_to_action"))
    after.posts("Kommt alle zum Infostand!", "Danke für den Abend.")
    seen = words(desk.desk(after.settings, "call_to_action"))
    assert "2 texts of the lake, annotated or not, are not yet scored by version 1 ." in seen


def test_a_challenger_that_was_kept_back_stands_beside_the_champion(after):
    """With both figures, the reasons, the difference - and as a row of what was learnt, not promoted."""
    judged(after, "kept", ["version 2 is not better than version 1", "F1 70.0 against 71.0"])
    seen = words(desk.desk(after.settings, "call_to_action"))
    assert "Champion, version 1 Challenger, version 2" in seen
    assert "Not promoted. Version 2 is not better than version 1. F1 70.0 against 71.0" in seen
    assert "−1.0 points (−3.0 to 1.0)" in seen
    assert re.search(r"2 [^.]*, not promoted", seen)


def test_what_waits_is_counted_and_leads_on(after):
    """An approval, rows in quarantine, and texts that would teach, each with the way to deal with it."""
    judged(after, "waiting", ["version 2 waits for a person"])
    empty = [QuarantinedRow("a" * 64, n, "the text is empty", "{}", datetime.now(UTC)) for n in range(99)]
    after.store.add("quarantine", empty)
    queue = after.settings.reports / "call_to_action" / "queue"
    queue.mkdir(parents=True)
    (queue / "tasks.json").write_text("[{}, {}]", "utf-8")
    page = desk.desk(after.settings, "call_to_action", approve_at="/required_actions")
    seen = words(page)
    assert "1 Approval of a challenger Give version 2 the alias champion in MLflow" in seen
    assert "2 Texts worth annotating" in seen
    assert re.search(r"Labels 2 [^.]*, waits for a person", seen)
    assert "most often: the text is empty" in seen
    assert 'href="reports/queue/tasks.json" download' in page


def test_a_run_that_failed_stands_among_the_nights(after):
    """With what its note says and the way to it, as whoever schedules the runs tells it."""
    run = {"verb": "call_to_action.train", "state": "failed", "at": datetime.now(UTC), "note": "split: <mend> it."}
    page = desk.desk(after.settings, "call_to_action", [{**run, "address": "/dags/call_to_action.train/runs/r"}])
    assert "The run call_to_action.train failed: split: &lt;mend&gt; it." in page
    assert 'href="/dags/call_to_action.train/runs/r"' in page


def test_the_downloads_are_tasks_for_label_studio(after):
    """Test texts whose label the champion doubts, and texts that votes left undecided; another name is refused."""
    doubts = desk.queue(after.settings, "call_to_action", "doubts")
    page = words(desk.desk(after.settings, "call_to_action"))
    assert all(task["data"]["why"] == "mismatch" and task["data"]["Text"] for task in doubts)
    assert (f"{len(doubts)} Labels in doubt" in page) == bool(doubts)
    undecided = desk.queue(after.settings, "call_to_action", "undecided")
    count = int(after.store.read("labels")["label"].isna().sum())
    assert len(undecided) == count
    with pytest.raises(UsageError, match="no queue 'all'"):
        desk.queue(after.settings, "call_to_action", "all")


def test_mlflow_leads_back_to_the_report(after):
    """Where somebody says where the pages are served, the version names its evaluation there; else it names none."""
    before = after.registry.get("1").tags
    served = replace(after.settings, pages_url="http://airflow.example/aufruf/classifiers/")
    evaluate(served, after.gate(resamples=100), "1")
    address = "http://airflow.example/aufruf/classifiers/call_to_action/reports/evaluation/1/index.html"
    assert "aufruf.report" not in before
    assert after.registry.get("1").tags["aufruf.report"] == address
    assert after.registry.run_tags("1")[1]["aufruf.report"] == address


def test_looking_changes_nothing(after):
    """Neither the tables nor the reports, and an empty home stays empty."""
    tables = ("decisions", "champions", "predictions", "labels", "texts")
    before = {table: after.store.version(table) for table in tables}
    files = sorted(path for path in after.settings.home.rglob("*") if "bundles" not in path.parts)
    desk.desk(after.settings, "call_to_action")
    desk.front(after.settings, ["call_to_action"])
    assert {table: after.store.version(table) for table in tables} == before
    assert sorted(path for path in after.settings.home.rglob("*") if "bundles" not in path.parts) == files


def test_a_home_without_anything_has_a_page(settings):
    """It says what the first model needs, and lists the classifier as not scoring yet."""
    assert "No model scores the posts yet" in words(desk.desk(settings, "call_to_action"))
    assert "No model scores yet." in desk.front(settings, ["call_to_action"])
    assert not settings.home.exists()
