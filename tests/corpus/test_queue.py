"""What stays undecided goes back as Label Studio tasks, and the votes on them come back to the same texts."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.conftest import NOW, classifier, frame, text, vote

from aufruf.data import intake, queue
from aufruf.data.batches import COUNTS
from aufruf.data.labels import decide
from aufruf.errors import AufrufError, UsageError
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, Annotation, Text

LABELS = ("no_call", "call")


def waiting(
    votes: list[Annotation], texts: list[Text], standing: Sequence[str] | None = None, minimum: int = 2
) -> list[dict[str, Any]]:
    """The data of the tasks that votes leave."""
    cast, stored = frame(votes), frame(texts)
    stands = pd.Series(list(standing or [COUNTS] * len(votes)), dtype=object)
    rows = decide(cast, stored, LABELS, minimum, "c", NOW, stands)
    return [task["data"] for task in queue.tasks(rows, cast, stands, stored)]


def of(text_id: str, *labels: str) -> list[Annotation]:
    return [vote(text_id, f"coder{at}", label) for at, label in enumerate(labels)]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def texts_of(votes: list[Annotation]) -> list[Text]:
    return [text(one, f"Worte von {one}") for one in sorted({vote.text_id for vote in votes})]


def test_the_most_disputed_come_first_and_decided_texts_are_absent() -> None:
    """By votes against the most frequent label; then contradictions, ties, held-back texts, too few votes; then id."""
    votes = of("decided", "call", "call") + of("few", "call") + of("tie", "call", "no_call")
    votes += of("big tie", "call", "no_call", "call", "no_call") + of("nothing", ABSTAIN, ABSTAIN)
    votes += [
        vote("one", DECIDED_ELSEWHERE, "call"),
        vote("two", DECIDED_ELSEWHERE, "no_call"),
        vote("held", "X", "call"),
    ]
    texts = [
        *texts_of([v for v in votes if v.text_id not in ("one", "two")]),
        text("one", "Same"),
        text("two", "same!"),
    ]
    stands = [COUNTS] * (len(votes) - 1) + ["held_out"]
    assert [(task["text_id"], task["why"]) for task in waiting(votes, texts, stands)] == [
        ("big tie", "tie"),
        ("one", "contradiction"),
        ("two", "contradiction"),
        ("tie", "tie"),
        ("held", "held_back"),
        ("few", "too_few_votes"),
        ("nothing", "too_few_votes"),
    ]


def test_a_held_out_dispute_counts_as_one() -> None:
    """A text on which held-out votes contradict each other stands before one with a single vote."""
    votes = [*of("a", "call"), vote("b", "X", "call"), vote("b", "Y", "no_call")]
    [first, second] = waiting(votes, texts_of(votes), [COUNTS, "held_out", "held_out"])
    assert (first["text_id"], first["votes"], first["held_out"]) == ("b", {}, {"call": 1, "no_call": 1})
    assert (second["text_id"], second["votes"], second["held_out"]) == ("a", {"call": 1}, {})


def test_a_task_names_nobody() -> None:
    """Votes are counts; neither the annotators nor the author of the post are in the task."""
    votes = [vote("t", "anna@uni.example", "call"), vote("t", "Bernd", "no_call"), vote("t", "c", ABSTAIN)]
    [task] = waiting(votes, [replace(text("t", "Geht wählen"), author="haendel.partei", party="XYZ")])
    assert task["votes"] == {ABSTAIN: 1, "call": 1, "no_call": 1}
    for name in ("anna", "Bernd", "haendel", "XYZ", "coder"):
        assert name not in json.dumps(task)


@pytest.mark.parametrize(
    ("post", "platform", "identifier"),
    [("DBw-x1", "instagram", "DBw-x1-Transcription"), ("99", "x", ""), (None, None, "")],
)
def test_only_posts_of_instagram_have_an_identifier(post: str | None, platform: str | None, identifier: str) -> None:
    """Readers take an Identifier for a post of Instagram; another platform's text is known by its text_id alone."""
    known = f"{platform}:{post}:transcript" if post else "text:0123456789abcdef"
    stored = text(known, "Worte", post, "transcript", platform or "")
    [task] = waiting(of(known, "call"), [stored])
    assert (task["Identifier"], task["Text Type"], task["text_id"]) == (identifier, "Transcription", known)


def test_the_file_is_whole_or_absent(tmp_path: Path) -> None:
    """UTF-8 as it is written, no second file beside it; written again it is the same."""
    path = tmp_path / "queue.json"
    tasks = [{"data": {"Text": "Geht wählen 🗳", "text_id": "t"}}]
    queue.write(path, [])
    assert json.loads(path.read_bytes()) == []
    queue.write(path, tasks)
    assert "Geht wählen 🗳".encode() in path.read_bytes()
    assert json.loads(path.read_bytes()) == tasks
    assert names_in(tmp_path) == ["queue.json"]


def test_what_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    """Half a character breaks the writing off: the queue of before stays, and nothing else does."""
    path = tmp_path / "queue.json"
    queue.write(path, [{"data": {"Text": "vorher"}}])
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError):
        queue.write(path, [{"data": {"Text": "\ud800"}}])
    assert (path.read_bytes(), names_in(tmp_path)) == (before, ["queue.json"])


@pytest.mark.parametrize(("name", "why"), [(".", "a folder"), ("nowhere/queue.json", "no such folder")])
def test_a_queue_that_is_no_file_is_wrong_usage(tmp_path: Path, name: str, why: str) -> None:
    """A folder, or a file in a folder that is not there, is refused with a sentence and no file."""
    with pytest.raises(UsageError, match=why):
        queue.check(tmp_path / name)
    assert names_in(tmp_path) == []


def test_a_full_disk_is_an_error_that_says_so(tmp_path: Path) -> None:
    """The system's word is passed on with what to do next."""
    path = tmp_path / ("x" * 254)  # its passing name is longer than a file system allows
    with pytest.raises(AufrufError, match="could not be written") as error:
        queue.write(path, [])
    assert "the labels are stored" in str(error.value)


def annotated(tasks: list[dict[str, Any]], label: str = "ja") -> list[dict[str, Any]]:
    """The tasks as Label Studio exports them once somebody has answered them."""
    answer = {"from_name": "Call to Action", "type": "choices", "value": {"choices": [label]}}
    return [
        {
            "id": at,
            **task,
            "annotations": [{"completed_by": 7, "created_at": "2026-10-30T10:00:00Z", "result": [answer]}],
        }
        for at, task in enumerate(tasks, 1)
    ]


def read_back(path: Path) -> tuple[dict[str, str], list[Text]]:
    """text_id -> label as the intake takes it from a file, and the texts that it would store."""
    asks = classifier().model_copy(update={"spellings": {"call": ("ja",), "no_call": ("nein",)}})
    (found,) = intake.judge([intake.source(path, "d", "", [asks])], [asks], {}, NOW)
    parts = list(found.portions(NOW))
    assert (found.refusal, sum(len(part.quarantine) for part in parts)) == ("", 0)
    votes = [one for part in parts for one in part.votes]
    assert {one.annotator for one in votes} == {"7"}
    return {one.text_id: one.label for one in votes}, [one for part in parts for one in part.texts]


STORED = [
    text("instagram:DBw-x1:caption", "Geht wählen am Sonntag, wir zählen auf euch", "DBw-x1", "caption", "instagram"),
    text("instagram:DBw-x1:ocr", "Kommt alle zum Infostand am Markt", "DBw-x1", "ocr", "instagram"),
    text("x:1238137586239057922:caption", "Wir danken allen Helfern im Land", "1238137586239057922", "caption", "x"),
    text("text:0123456789abcdef", "Heute im Plenum des Landtags gesprochen", None, "caption", ""),
]


@pytest.mark.parametrize("shape", ["json", "min", "csv"])
def test_annotated_tasks_come_back_to_the_same_texts(tmp_path: Path, shape: str) -> None:
    """As Label Studio's JSON, JSON-MIN or CSV: each vote is for the text_id that the queue named, type included."""
    votes = [one for stored in STORED for one in of(stored.text_id, "call", "no_call")]
    cast, standing = frame(votes), pd.Series([COUNTS] * len(votes), dtype=object)
    rows = decide(cast, frame(STORED), LABELS, 2, "c", NOW, standing)
    path = tmp_path / "queue.json"
    queue.write(path, queue.tasks(rows, cast, standing, frame(STORED)))
    tasks = json.loads(path.read_text("utf-8"))
    back = tmp_path / f"annotated.{'csv' if shape == 'csv' else 'json'}"
    beside = {"Call to Action": "ja", "annotator": 7, "annotation_id": 1, "id": 1, "created_at": "2026-10-30T10:00:00Z"}
    flat = [{**task["data"], **beside, "votes": json.dumps(task["data"]["votes"])} for task in tasks]
    if shape == "csv":
        with back.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(flat[0]))
            writer.writeheader()
            writer.writerows(flat)
    else:
        back.write_text(json.dumps(flat if shape == "min" else annotated(tasks)), "utf-8")
    found, texts = read_back(back)
    assert found == {stored.text_id: "call" for stored in STORED}
    assert {(one.text_id, one.text_type, one.digest) for one in texts} == {
        (one.text_id, one.text_type, one.digest) for one in STORED
    }


CAST = st.lists(
    st.tuples(
        st.sampled_from("tuvw"),
        st.sampled_from("ABCD"),
        st.sampled_from([*LABELS, ABSTAIN]),
        st.sampled_from([COUNTS, "held_out"]),
    ),
    min_size=1,
    max_size=14,
    unique_by=lambda one: one[:2],
)


@settings(max_examples=50, deadline=None)
@given(CAST)
def test_every_undecided_text_is_in_the_queue_once(cast: list[tuple[str, str, str, str]]) -> None:
    """What has votes has a label or a task, never both, never neither."""
    votes, stands = [vote(*one[:3]) for one in cast], [one[3] for one in cast]
    rows = decide(frame(votes), frame(texts_of(votes)), LABELS, 2, "c", NOW, pd.Series(stands, dtype=object))
    found = [task["text_id"] for task in waiting(votes, texts_of(votes), stands)]
    assert sorted(found) == sorted(rows.loc[rows["label"].isna(), "text_id"])
