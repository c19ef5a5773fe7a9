"""What Great Expectations refuses, and in which words."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.data import intake, readers
from aufruf.data.checks import LONGEST
from aufruf.data.intake import Intake

NOW = datetime(2024, 11, 12, tzinfo=UTC)
GOOD = [{"text": f"Text {number}", "label": "False", "who": "7"} for number in range(10)]


@pytest.fixture
def judged(tmp_path: Path, classifier: Classifier) -> Callable[..., Intake]:
    def judge(rows: list[dict[str, Any]], **columns: str) -> Intake:
        path = tmp_path / "x.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        asked = readers.asked_for(None, {"text": "text"} | columns)
        return intake.take_in(path, "d", asked, [classifier], NOW)

    return judge


def reasons(found: Intake) -> dict[int, str]:
    return {row.item: row.reasons for row in found.quarantine}


def test_each_bad_row_says_why_in_words(judged: Callable[..., Intake]) -> None:
    """An unlisted label, no label, no text, a text too long and a vote from the future are refused by name."""
    bad = [
        {"text": "a", "label": "vielleicht"},
        {"text": "b", "label": None},
        {"text": " \n", "label": "ja"},
        {"text": "x" * (LONGEST + 1), "label": "ja"},
        {"text": "c", "label": "ja", "at": "2031-05-01"},
        {"text": "d", "label": "ja", "at": "bald"},
        {"text": "", "label": "nie"},
    ]
    found = judged(GOOD + bad, label="label", annotator="who", posted_at="at")
    assert reasons(found) == {
        11: "label 'vielleicht' is not listed under [spellings] of calls.toml",
        12: "the label is missing",
        13: "the text is empty",
        14: f"the text has {LONGEST + 1} characters, more than {LONGEST}",
        15: "posted_at 2031-05-01 lies in the future",
        16: "'bald' is not a date (ISO 8601 or unix seconds)",
        17: "the text is empty; label 'nie' is not listed under [spellings] of calls.toml",
    }
    assert found.kept == 10


def test_a_label_decided_elsewhere_has_no_annotator(judged: Callable[..., Intake]) -> None:
    """A label with no annotator is kept under the empty name; one spelled as an abstention is one."""
    found = judged([{"text": "a", "label": "ja"}, {"text": "b", "label": "Unsure"}], label="label")
    assert [(vote.annotator, vote.label) for vote in found.votes] == [("", "call"), ("", "abstain")]


def test_of_repeated_votes_one_counts(judged: Callable[..., Intake]) -> None:
    """The same vote twice counts once; two different ones of one person with no date count not at all."""
    twice = [{"text": "a", "label": "ja", "who": "7"}] * 2
    torn = [{"text": "b", "label": label, "who": "7"} for label in ("ja", "nein")]
    other = [{"text": "b", "label": "nein", "who": "8"}]
    found = judged([*GOOD, *twice, *torn, *other], label="label", annotator="who")
    again = "this annotator votes on this text more than once"
    assert reasons(found) == {
        11: f"{again}; item 12 counts",
        13: f"{again}, with different labels (items 13, 14)",
        14: f"{again}, with different labels (items 13, 14)",
    }


def test_the_later_of_two_dated_votes_counts(
    tmp_path: Path, classifier: Classifier, vote: Callable[..., dict[str, Any]]
) -> None:
    """An annotator who changed her mind is counted with her later vote, wherever it stands in the file."""
    tasks = [
        vote("a", "True", identifier="C1-Caption", updated_at="2024-11-11T12:00:00Z"),
        vote("a", "False", identifier="C1-Caption", updated_at="2024-11-10T12:00:00Z"),
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(tasks))
    found = intake.take_in(path, "d", "", [classifier], NOW)
    assert [(vote.text_id, vote.label) for vote in found.votes] == [("instagram:C1:caption", "call")]


def test_one_id_with_two_texts_is_refused(judged: Callable[..., Intake]) -> None:
    """A label must belong to its text: an id that stands for two texts in one file refuses the rows."""
    rows = [{"text": text, "label": "ja", "who": who, "id": "9"} for text, who in (("a", "7"), ("b", "8"))]
    found = judged([*GOOD, *rows], label="label", annotator="who", text_id="id")
    assert set(reasons(found).values()) == {"the file has 2 different texts under this text's id"}


def test_a_file_that_is_mostly_bad_is_refused_whole(judged: Callable[..., Intake]) -> None:
    """With more than half of the rows refused nothing is kept, and the commonest reasons are counted."""
    found = judged(GOOD[:5] + [{"text": "a", "label": "?"}] * 6, label="label")
    why = "label '?' is not listed under [spellings] of calls.toml"
    assert found.refusal.startswith("6 of 11 rows are refused, more than half: ")
    assert f"{why} (rows: 6, the first is 6)" in found.refusal
    assert (found.kept, found.votes, found.texts, found.quarantine) == (0, (), (), ())


def test_half_bad_is_not_yet_too_bad(judged: Callable[..., Intake]) -> None:
    """With exactly half of the rows refused the good half is kept."""
    found = judged(GOOD[:5] + [{"text": f"b{n}", "label": "?"} for n in range(5)], label="label")
    assert (found.refusal, found.kept, len(found.quarantine)) == ("", 5, 5)


def test_posts_without_text_are_refused_without_blame(judged: Callable[..., Intake]) -> None:
    """Stories mostly have no caption: nine of ten posts without a text do not refuse the file."""
    found = judged([{"text": ""}] * 9 + [{"text": "Geht wählen"}])
    assert (found.refusal, found.kept) == ("", 1)
    assert set(reasons(found).values()) == {"the post has no text"}


def test_a_file_with_no_usable_row_is_refused(judged: Callable[..., Intake]) -> None:
    """Only posts without a text are no posts."""
    assert judged([{"text": None}] * 3).refusal == (
        "none of the 3 rows can be used: the post has no text (rows: 3, the first is 1)"
    )


def test_a_text_in_the_label_column_stays_out_of_the_message(judged: Callable[..., Intake]) -> None:
    """A refusal names short labels only, so that a wrong column puts no text into logs."""
    text = "Ein privater Satz, der in keinem Protokoll stehen soll."
    found = judged([{"text": text, "label": text}], label="label")
    assert text not in found.refusal
    assert f"label of {len(text)} characters is not listed" in found.refusal


def test_the_outcome_is_kept_in_counts_only(judged: Callable[..., Intake]) -> None:
    """What the checks leave for the record are numbers and names of columns, never a value of the file."""
    found = judged([*GOOD, {"text": "Geheimnis", "label": "vielleicht", "who": "Anna"}], label="label", annotator="who")
    told = json.dumps(found.counts)
    assert "vielleicht" not in told
    assert "Geheimnis" not in told
    assert "Anna" not in told
    (labels,) = [c for c in found.counts if c["expectation"] == "expect_column_values_to_be_in_set"]
    assert (labels["success"], labels["evaluated"], labels["unexpected"]) == (False, 11, 1)


def test_great_expectations_is_loaded_only_when_a_file_is_checked() -> None:
    """Importing the step loads neither Great Expectations nor torch, so a DAG file may name it."""
    code = "import sys, aufruf.steps.ingest; print({'great_expectations', 'torch', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
