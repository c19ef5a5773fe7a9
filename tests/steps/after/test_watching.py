"""What is watched on a home where two nights have passed: canaries, drift, and what annotators get next."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aufruf.data.shares import side
from aufruf.errors import BundleRefused, UsageError
from aufruf.model import bundle, canaries
from aufruf.phrases import told
from aufruf.schemas import SplitRow
from aufruf.steps.monitor import monitor, refused
from aufruf.steps.queue import queue
from aufruf.steps.score import opened, score

LONG = "Die Partei hat gestern getagt und viel gesagt. " * 40


def _monitored(after, **changed):
    section = after.classifier.monitor.model_copy(update=changed)
    return after.classifier.model_copy(update={"monitor": section})


def _posted_on_days_of_their_own(after) -> None:
    texts = after.store.read("texts")
    new = texts[texts["text_id"].str.startswith("new:")]
    days = pd.to_timedelta(new["text_id"].str.split(":").str[1].astype(int), unit="D")
    after.store.put("texts", new.assign(posted_at=datetime.now(UTC) - days))


def test_a_version_that_answers_otherwise_scores_nothing(after):
    """The nights' version answers its canaries; one whose record says another thing stops the run before any post."""
    after.posts("Kommt alle zum Infostand!")
    first = after.registry.get("1")
    folder = after.registry.fetch(first)
    assert opened(after.settings, after.classifier)["canaries"] == len(canaries.read(folder)[0]) > 20
    card, written = bundle.verify(folder), json.loads((folder / canaries.NAME).read_text("utf-8"))
    odds = written["canaries"][3]["probabilities"]
    written["canaries"][3]["probabilities"] = {"call": odds["no_call"], "no_call": odds["call"]}
    (folder / canaries.NAME).write_text(json.dumps(written), "utf-8")
    after.registry.tag("1", {"aufruf.manifest": bundle.seal(folder, card)})
    before = after.store.count("predictions")
    for step in (score, opened):
        with pytest.raises(BundleRefused, match=r"1 of \d+ canary texts .* was registered: .* No post was scored"):
            step(after.settings, after.classifier)
    assert after.store.count("predictions") == before


def test_too_few_texts_say_nothing(after):
    """Below the minimum nothing is measured, stored or drawn, and that is said."""
    found = monitor(after.settings, _monitored(after, minimum=10_000))
    assert (found["moved"], found["status"], after.store.count("shifts")) == ([], "nothing to do", 0)
    assert "page" not in found
    assert refused(found) is None
    assert "too few" in told("monitor", found)[0]


def test_what_moved_is_named(after):
    """Posts longer than any before move the lengths, against the labelled texts and against the weeks before."""
    now = datetime.now(UTC)
    after.posts(*(f"{n} Geht am Sonntag wählen, sagt der Minister." for n in range(60)))
    texts = after.store.read("texts")
    new = texts["text_id"].str.startswith("new:")
    after.store.put("texts", texts.assign(collected_at=now - timedelta(days=10)))  # all of it lies in the weeks before
    after.posts(*(f"{n} {LONG}" for n in range(60)), start=100)
    _posted_on_days_of_their_own(after)
    score(after.settings, after.classifier)
    watching = _monitored(after, minimum=30)
    found = monitor(after.settings, watching)
    assert new.sum() == 60
    assert (found["texts"], found["status"]) == (60, "new")
    lengths = [one for one in found["shifts"] if one["figure"] == "lengths"]
    assert [(one["against"], one["moved"]) for one in lengths] == [("training", True), ("weeks", True)]
    assert all(one["distance"] > one["noise"] and one["mean_now"] > 1800 for one in lengths)
    assert {one["figure"] for one in found["shifts"]} == {
        "lengths", "unknown_tokens", "new_words", "labels", "probabilities",
    }  # fmt: skip
    failure = refused(found)
    today = now.date().isoformat()
    assert "length moved from the weeks before:" in failure.what
    assert f"since {today}" in failure.what
    assert [line[:5] for line in told("monitor", found)][1:-1] == ["MOVED"] * len(found["told"])
    assert len(told("monitor", found, failed=True)) == 2  # the failure says what has moved
    assert failure.exit_code == 1
    page = Path(found["page"]).read_text("utf-8")
    assert "length moved from the labelled texts" in page
    assert "getagt" not in page
    assert 'href="monitor/index.html"' in (Path(found["page"]).parents[1] / "index.html").read_text("utf-8")
    assert json.loads(Path(found["page"]).with_name("monitor.json").read_text("utf-8"))["moved"] == found["moved"]
    again = monitor(after.settings, watching)
    assert (again["status"], again["moved"]) == ("unchanged", found["moved"])
    calm = monitor(after.settings, _monitored(after, minimum=30, drift=1.0))
    assert (calm["moved"], refused(calm)) == ([], None)


def _of_ten_days_ago(after) -> pd.DataFrame:
    """Lets all texts have been collected then; the texts as they were."""
    texts = after.store.read("texts")
    after.store.put("texts", texts.assign(collected_at=datetime.now(UTC) - timedelta(days=10)))
    return texts


def test_a_day_of_one_account_is_one_piece_of_evidence(after):
    """The same long posts move nothing when one account has posted all of them on one day: that may be its way."""
    _of_ten_days_ago(after)
    after.posts(*(f"{n} {LONG}" for n in range(60)))
    score(after.settings, after.classifier)
    watching = _monitored(after, minimum=30)
    assert "lengths" not in monitor(after.settings, watching)["moved"]
    _posted_on_days_of_their_own(after)
    assert "lengths" in monitor(after.settings, watching)["moved"]


def test_annotating_what_a_model_proposes_is_no_drift(after):
    """Calls of the weeks before that go into train change neither their share nor the probabilities there."""
    texts = _of_ten_days_ago(after)
    after.posts(*(f"{n} Kommt am Sonntag alle in die Halle {n}!" for n in range(90)))
    score(after.settings, after.classifier)
    watching = _monitored(after, minimum=20)
    said = {row["text_id"] for row in after.predictions(model_version="1") if row["label"] == "call"}
    posts = set(after.store.read("files", {"kind": "posts"})["digest"])
    free = texts[texts["file"].isin(posts) & ~texts["text_id"].isin(after.store.read("splits")["text_id"])]
    chosen = free[np.asarray(side(free["group_id"].tolist(), after.classifier.split)) == "train"]
    calls = [*chosen["text_id"].isin(said).sort_values(ascending=False).index]
    before = None
    for some in (calls[:1], calls[1:40]):
        rows = [
            SplitRow(after.classifier.name, one.text_id, one.digest, one.group_id, "train", "", datetime.now(UTC))
            for one in chosen.loc[some].itertuples()
        ]
        assert after.store.add("splits", rows) == len(some)
        found = monitor(after.settings, watching)
        assert found["learnt"]
        told_of = {
            (one["figure"], one["compared"], one["mean_before"])
            for one in found["shifts"]
            if one["against"] == "weeks" and one["figure"] in {"labels", "probabilities"}
        }
        assert len(told_of) == 2
        assert before in (None, told_of)
        before = told_of


def test_the_queue_holds_what_nobody_has_seen(after, tmp_path):
    """Unlabelled texts, each post once, none that a vote or the ledger knows; the chosen ones would go into train."""
    known = after.store.read("texts").drop_duplicates("text_id").set_index("text_id")
    ledger = after.store.read("splits", {"classifier": "call_to_action"})
    copied = known.loc[ledger[ledger["split"] == "test"]["text_id"].iloc[0], "text"]
    after.posts(f"{copied}!!", "Kommt am Samstag alle zum Infostand auf den Marktplatz!")
    score(after.settings, after.classifier)
    found = queue(after.settings, after.classifier, 30)
    tasks = [one["data"] for one in json.loads(Path(found["queue"]).read_text("utf-8"))]
    ids = [one["text_id"] for one in tasks]
    assert found["queued"] == len(set(ids)) == sum(found["why"].values()) > 20
    voted = set(after.store.read("annotations")["text_id"]) | set(ledger["text_id"])
    assert not voted & set(ids)
    assert "new:0:caption" not in ids
    texts = after.store.read("texts", {"text_id": ids})
    assert texts["post_id"].is_unique
    outside = sum(side(texts["group_id"].tolist(), after.classifier.split) != "train")
    assert outside <= found["why"]["random"]
    assert {tuple(one) for one in tasks} == {("Text", "Identifier", "Text Type", "text_id", "why", "votes", "held_out")}
    assert {one["why"] for one in tasks} == {"teach"}
    assert "queue/tasks.json" in (after.settings.reports / "call_to_action" / "index.html").read_text("utf-8")
    assert queue(after.settings, after.classifier, 5, tmp_path / "q.json")["queued"] == 5
    with pytest.raises(UsageError, match="at least 1"):
        queue(after.settings, after.classifier, 0)
