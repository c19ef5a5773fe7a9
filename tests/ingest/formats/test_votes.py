"""What the exports of annotations become, value by value."""

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from aufruf.errors import DataRefused

ANNA, BERND = (
    "annotator-" + hashlib.sha256(f"{who}@uni.example".encode()).hexdigest()[:10] for who in ("anna", "bernd")
)
BOTH = frozenset({"Call to Action", "Party"})
TASK = {"text": "Am Sonntag SPD wählen!", "post_id": "CTxB6cMKe2U", "text_type": "OCR", "platform": "instagram"}
AT = {"annotated_at": "2024-05-22T10:05:00.000000Z"}
FLAT = {
    "text": "Geht wählen!\nJetzt.",
    "post_id": "CyMAe_tufcR",
    "text_type": "Caption",
    "platform": "instagram",
    "annotated_at": "2024-05-22T10:05:00Z",
    "seconds": "4.25",
    "question": "Call to Action",
}


def test_label_studio_json(told: Callable[..., list[Any]]) -> None:
    """An item for each question that an annotation answers, and one for each annotation that gives no vote."""
    assert told("label-studio.json") == [
        TASK | AT | {"seconds": "12.5", "annotator": "7", "question": "Call to Action", "label": "True"},
        TASK | AT | {"seconds": "12.5", "annotator": "7", "question": "Party", "label": "SPD"},
        TASK | AT | {"annotator": "13724", "question": "Call to Action", "label": "False"},
        AT
        | {"text": "Der Wahlkreis tagt.", "text_id": "instagram:C2:caption", "seconds": "12.5", "annotator": BERND}
        | {"question": "Call to Action", "label": "False"},
        "the annotation was skipped: no answer",
        "the annotation was cancelled",
        "the answer holds 2 choices instead of one",
        "the answer is not a choice",
        "the annotation does not say who made it",
        "the annotation was skipped: no answer",
    ]


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"text_id": "x:1:caption", "why": "tie"}, "tie"),
        ({"text_id": "x:1:caption", "why": "teach"}, "teach"),
        ({"text_id": "x:1:caption", "why": "Ada said so"}, None),
        ({"text_id": "x:1:caption", "why": "too_few_votes"}, None),
        ({"why": "tie"}, None),
    ],
)
def test_a_task_says_that_it_was_sent_out_again(items: Any, written: Any, vote: Any, more: Any, why: Any) -> None:
    """A task of our queues tells that its text was disputed, or chosen to teach; other tasks and words tell nothing."""
    task = vote("a", "True")
    task["data"] |= more
    [item] = items(written("x", [task]))
    assert item.values["why"] == why


def test_only_skipped_and_cancelled_annotations_are_without_blame(items: Any, sample: Any) -> None:
    """No answer, an empty choice and a cancelled annotation are in the nature of an export; the rest is not."""
    found = [(item.number, item.harmless) for item in items(sample("label-studio.json")) if item.problem]
    assert found == [(5, True), (6, True), (7, False), (8, False), (9, False), (10, True)]


def test_an_answer_is_a_choice_only_when_all_of_it_is(items: Any, written: Any, vote: Any) -> None:
    """A text given for a question and a choice given for it too are no vote, in either order."""
    for first in (True, False):
        task = vote("a", "True")
        result = task["annotations"][0]["result"]
        result.insert(0 if first else 1, {**result[0], "value": {"text": ["ja"]}})
        assert [item.problem for item in items(written("x", [task]))] == ["the answer is not a choice"]


def test_json_min(told: Callable[..., list[Any]]) -> None:
    """A choice is a string or an object of choices; an e-mail address names nobody; another question is no answer."""
    row = FLAT | {"text": "Geht wählen!"}
    assert told("json-min.json") == [
        row | {"annotator": "7", "label": "True", "party": "Die Linke"},
        row | {"annotator": ANNA, "label": "False"},
        "the answer holds 2 choices instead of one",
        "the annotation was skipped: no answer",
        "the annotation was skipped: no answer",
    ]


def test_label_studio_csv(told: Callable[..., list[Any]]) -> None:
    """A cell may hold its choices as JSON, a text may have several lines, and time that is no number is left out."""
    assert told("label-studio.csv") == [
        FLAT | {"annotator": "7", "label": "True", "party": "Die Linke"},
        FLAT | {"annotator": ANNA, "label": "False"},
        "the answer holds 2 choices instead of one",
        "the annotation was skipped: no answer",
        "the annotation does not say who made it",
    ]


def test_label_studio_tsv_of_two_questions(told: Callable[..., list[Any]]) -> None:
    """Each asked question of a row is an item; its answer is then not taken for the party of the author."""
    party = FLAT | {"question": "Party"}
    assert told("label-studio.tsv", questions=BOTH) == [
        FLAT | {"annotator": "7", "label": "True"},
        "the annotation was skipped: no answer",
        FLAT | {"annotator": "8", "label": "False"},
        party | {"annotator": "8", "label": "SPD"},
    ]


@pytest.mark.parametrize("asked", ["call to action", "Call to Actions", "Call  to Action"])
def test_a_question_is_told_exactly(items: Any, sample: Any, asked: str) -> None:
    """A column that is nearly called after the question is not its answer; the sentence lists the columns."""
    with pytest.raises(DataRefused, match="no column is called after a question") as refusal:
        items(sample("label-studio.csv"), questions=frozenset({asked}))
    assert "'Call to Action', 'Identifier', 'Party'" in str(refusal.value)
    assert "exactly" in str(refusal.value)


@pytest.mark.parametrize("name", ["label-studio.json", "json-min.json", "label-studio.csv", "long-frame.csv"])
def test_no_address_of_an_annotator_is_kept(items: Any, sample: Any, name: str) -> None:
    """Neither the values nor the row, which the quarantine may keep, hold an address or the name that goes with it."""
    found = items(sample(name))
    kept = json.dumps([[dict(item.values), dict(item.row)] for item in found]).casefold()
    assert "annotator-" in kept
    assert "uni.example" not in kept
    assert "muster" not in kept


def test_the_address_is_hidden_wherever_the_row_repeats_it(items: Any, written: Any) -> None:
    """A second column with the annotator's address, however it is spelled, is hidden like the first."""
    head = "id,Text,annotator,annotation_id,Call to Action,created_by\n"
    (item,) = items(written("x", f"{head}1,Schreibt an bernd@uni.example,Anna@Uni.example,5,True,anna@uni.EXAMPLE\n"))
    assert (item.row["annotator"], item.row["created_by"]) == (ANNA, ANNA)
    assert item.row["Text"] == "Schreibt an bernd@uni.example"


def test_long_frame(told: Callable[..., list[Any]]) -> None:
    """An answer a row; a row that names no question is refused."""
    row = {"text": "CDU #SOFORTPROGRAMM ...", "post_id": "CTxB6cMKe2U", "platform": "instagram"}
    assert told("long-frame.csv") == [
        row | {"annotator": "13724", "question": "Call to Action", "label": "False"},
        row | {"annotator": ANNA, "question": "Party", "label": "CDU"},
        "the row does not name its question (from_name)",
    ]


def test_text_master_with_labels(told: Callable[..., list[Any]]) -> None:
    """A column called after the question holds the votes, of whoever is in coder."""
    vote = {"text": "Wählt!", "post_id": "DBwPNDuNdAg", "text_type": "Caption", "platform": "instagram"}
    assert told("text-master-labels.csv") == [
        vote | {"post_type": "Post", "annotator": "7", "question": "Call to Action", "label": "True"},
        "the annotation was skipped: no answer",
    ]
    assert told("text-master-decided.csv") == [vote | {"label": "True"}]
    assert told("text-master-2023.csv", questions=frozenset({"Policy Issues"}))[0]["question"] == "Policy Issues"


def test_ground_truth(told: Callable[..., list[Any]]) -> None:
    """A text and the label decided for it; one without a label stays an item, for the checks to refuse."""
    assert told("ground-truth.csv") == [
        {"text": "Geht wählen!", "label": "True"},
        {"text": "Der Himmel ist blau.", "label": "False"},
        {"text": "Unklar"},
    ]


def test_a_text_keeps_its_post_whatever_names_it(items: Any, written: Any, vote: Any) -> None:
    """Tables of decided labels and tasks name the post under Identifier, or shortcode as in 2023: without it, texts of
    one post could stand on two sides of the split."""
    table = "Identifier,Text,Majority Decision\nC1-Caption,Wählt!,True\nC1-OCR,Sonntag 18 Uhr,False\n"
    tasks = [vote("Wählt!", "True") for _ in range(2)]
    for task, kind in zip(tasks, ("Caption", "OCR"), strict=True):
        task["data"] |= {"shortcode": "C1", "Text Type": kind}
    for path in (written("decided.csv", table), written("tasks.json", tasks)):
        found = [(item.values["post_id"], item.values["platform"]) for item in items(path)]
        assert found == [("C1", "instagram")] * 2, path.name


def test_the_coders_of_a_text_master_may_be_called_annotators(items: Any, written: Any) -> None:
    """Else each would pass for a decision made elsewhere, of which the last one counts alone."""
    head = "Identifier,Text,Text Type,annotator,Call to Action\n"
    found = items(written("x.csv", f"{head}C1,Wählt!,Caption,7,True\nC1,Wählt!,Caption,8,False\n"))
    assert [(item.values["annotator"], item.values["label"]) for item in found] == [("7", "True"), ("8", "False")]
