"""What status says comes next, on a home where two nights have passed."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from aufruf.data.identity import digest
from aufruf.errors import NothingYet
from aufruf.phrases import told
from aufruf.release.registry import CHAMPION, Registry
from aufruf.schemas import Annotation, QuarantinedRow
from aufruf.steps.desk import desk
from aufruf.steps.label import label
from aufruf.steps.report import report
from aufruf.steps.score import quarantined_as, score
from aufruf.steps.split import split
from aufruf.steps.status import status


def test_status_names_the_next_step_of_the_chain(after):
    """Votes, labels, texts and pages that wait: each step is named until it has run, the next one after it."""

    def next_step() -> str:
        return status(after.settings, after.classifier)["next"]

    assert next_step() == "Nothing is due; `aufruf night` does what comes next."  # no Airflow, no page of Airflow's
    ids = after.posts("Geht am Sonntag wählen!", "Das Wetter ist schön.")
    assert next_step() == "Run `aufruf score`: the champion has not scored 2 texts yet."
    score(after.settings, after.classifier)
    assert next_step().startswith("Run `aufruf explain` and `aufruf report`")
    found = status(after.settings, after.classifier)
    assert f"scored    {found['scored']} texts, " in "\n".join(told("status", found))
    report(after.settings, after.classifier)
    assert next_step().startswith("Nothing is due")
    now = datetime.now(UTC)
    after.store.put("annotations", [Annotation("call_to_action", ids[0], "new", "call", now, "f")])
    assert next_step() == "Run `aufruf label`: it has not read all votes on 1 text."
    label(after.settings, after.classifier)
    assert next_step() == "Run `aufruf split`: the ledger lacks 1 labelled text."
    split(after.settings, after.classifier)
    assert next_step().startswith("Nothing is due")


def test_status_sees_another_vote_on_a_labelled_text(after):
    """A vote of a file that was taken in after `label` last ran waits for it, also where the text has a label."""
    text_id = after.store.read("labels", columns=["text_id"])["text_id"].iloc[0]
    [file] = after.store.read("files", columns=None)[:1].to_dict("records")
    later = datetime.now(UTC) + timedelta(seconds=2)
    after.store.put("files", pd.DataFrame([{**file, "digest": "later", "kind": "annotations", "ingested_at": later}]))
    after.store.put("annotations", [Annotation("call_to_action", text_id, "another", "call", later, "later")])
    assert status(after.settings, after.classifier)["due"]["label"] == 1


def test_status_does_not_ask_for_what_cannot_be_scored(after):
    """A text that the champion could not score when it tried is told by `why`, and is not due again; edited, it is, and
    once it is scored after all it hides no other text that waits."""
    [text_id] = after.posts("Geht wählen!")
    key = {"text_id": text_id, "digest": digest("Geht wählen!")}
    file = quarantined_as("call_to_action", "1")
    after.store.put("quarantine", [QuarantinedRow(file, 1, "no number", json.dumps(key), datetime.now(UTC))])

    def waiting():
        return status(after.settings, after.classifier)["due"]["score"]

    assert waiting() == 0
    after.posts("Geht jetzt wählen!")
    assert waiting() == 1
    after.posts("Geht wählen!")
    score(after.settings, after.classifier)
    after.posts("Kommt alle!", start=1)
    assert waiting() == 1


def test_with_two_classifiers_advice_names_one(after, tmp_path):
    """The command that status and failures name can be run as it stands: with the option that chooses."""
    classifiers = tmp_path / "two"
    shutil.copytree(after.settings.classifiers, classifiers)
    shutil.copy(classifiers / "call_to_action.toml", classifiers / "mood.toml")
    settings = replace(after.settings, classifiers=classifiers)
    after.posts("Geht wählen!")
    assert "`aufruf score --classifier call_to_action`" in status(settings, after.classifier)["next"]
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    assert "`aufruf promote --version 1 --classifier call_to_action`" in status(settings, after.classifier)["next"]
    with pytest.raises(NothingYet, match="`aufruf promote --classifier call_to_action`"):
        Registry(settings, "call_to_action").champion()


@pytest.mark.parametrize(("positives", "said"), [(0, False), (100_000, True)])
def test_few_positives_are_not_told_in_plain_words(after, positives, said):
    """A test set that would be a small slice is told by figures, and not as so many of 100, on both pages."""
    told_at = after.settings.reports / "call_to_action/evaluation/1/evaluation.json"
    facts = json.loads(told_at.read_text("utf-8"))
    assert {"n", "positives"} <= set(facts)
    told_at.write_text(json.dumps({**facts, "n": 100_000, "positives": positives}))
    page = Path(report(after.settings, after.classifier)["path"]).read_text("utf-8")
    assert ("In plain words" in page) == said
    assert ("In plain words" in desk(after.settings, "call_to_action")) == said
