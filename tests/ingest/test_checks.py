"""What Great Expectations refuses, and in which words."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aufruf.classifier import Checks, Classifier
from aufruf.data import checks, expectations, readers, rows
from aufruf.data.label_shift import divergence
from aufruf.data.readers import Item
from aufruf.data.verdict import Verdict
from aufruf.errors import AufrufError

LONGEST = Checks().longest
GOOD = [{"text": f"Text {number}", "label": "False", "who": "7"} for number in range(10)]


@pytest.fixture
def judged(tmp_path: Path, taken: Callable[..., Any]) -> Callable[..., Any]:
    def judge(rows: list[dict[str, Any]], **columns: str) -> Any:
        path = tmp_path / "x.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
        asked = readers.asked_for(None, {"text": "text"} | columns)
        return taken(path, asked)

    return judge


def reasons(found: Any) -> dict[int, str]:
    return {row.item: row.reasons for row in found.quarantine}


def test_each_bad_row_says_why_in_words(judged: Callable[..., Any]) -> None:
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
        16: "'bald' is not a date (ISO 8601, 24.09.2021 18:05 or unix seconds)",
        17: "the text is empty; label 'nie' is not listed under [spellings] of calls.toml",
    }
    assert found.kept == 10


def test_a_label_decided_elsewhere_has_no_annotator(judged: Callable[..., Any]) -> None:
    """A label with no annotator is kept under the empty name; one spelled as an abstention is one."""
    found = judged([{"text": "a", "label": "ja"}, {"text": "b", "label": "Unsure"}], label="label")
    assert [(vote.annotator, vote.label) for vote in found.votes] == [("", "call"), ("", "abstain")]


def test_of_repeated_votes_one_counts(judged: Callable[..., Any]) -> None:
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
    tmp_path: Path, taken: Callable[..., Any], vote: Callable[..., dict[str, Any]]
) -> None:
    """An annotator who changed her mind is counted with her later vote, wherever it stands in the file."""
    tasks = [
        vote("a", "True", identifier="C1-Caption", updated_at="2024-11-11T12:00:00Z"),
        vote("a", "False", identifier="C1-Caption", updated_at="2024-11-10T12:00:00Z"),
    ]
    path = tmp_path / "x.json"
    path.write_text(json.dumps(tasks))
    found = taken(path)
    assert [(vote.text_id, vote.label) for vote in found.votes] == [("instagram:C1:caption", "call")]


def test_one_id_with_two_texts_is_refused(judged: Callable[..., Any]) -> None:
    """A label must belong to its text: an id that stands for two texts in one file refuses the rows."""
    rows = [{"text": text, "label": "ja", "who": who, "id": "9"} for text, who in (("a", "7"), ("b", "8"))]
    found = judged([*GOOD, *rows], label="label", annotator="who", text_id="id")
    assert set(reasons(found).values()) == {"the file has 2 different texts under this text's id"}


def test_no_vote_is_said_to_count_that_is_refused(judged: Callable[..., Any]) -> None:
    """Of repeated votes under an id that stands for two texts none counts, and the reason names none."""
    rows = [{"text": text, "label": "ja", "who": "7", "id": "9"} for text in ("a", "b", "b")]
    found = reasons(judged([*GOOD, *rows], label="label", annotator="who", text_id="id"))
    two, again = (
        "the file has 2 different texts under this text's id",
        "this annotator votes on this text more than once",
    )
    assert found == {11: f"{two}; {again}", 12: f"{two}; {again}", 13: two}


def test_a_file_that_is_mostly_bad_is_refused_whole(judged: Callable[..., Any]) -> None:
    """With more than half of the rows refused nothing is kept, and the commonest reasons are counted."""
    found = judged(GOOD[:5] + [{"text": "a", "label": "?"}] * 6, label="label")
    why = "label '?' is not listed under [spellings] of calls.toml"
    assert found.refusal.startswith("6 of 11 rows are refused, more than checks.most_refused allows: ")
    assert f"{why} (rows: 6, the first is 6)" in found.refusal
    assert found.refusal.endswith(". Add the spellings to [spellings] or mend the rows, then ingest the file again.")
    assert (found.kept, found.votes, found.texts, found.quarantine) == (0, (), (), ())


def test_a_refusal_says_how_many_reasons_it_leaves_out(judged: Callable[..., Any]) -> None:
    """The three commonest reasons are told, and of how many more rows there are reasons of other kinds."""
    found = judged([{"text": f"a{n}", "label": f"?{n}"} for n in range(8)], label="label")
    assert " and 5 more. Add the spellings" in found.refusal
    few = judged([{"text": f"a{n}", "label": f"?{n}"} for n in range(3)], label="label")
    assert " more. " not in few.refusal


def test_half_bad_is_not_yet_too_bad(judged: Callable[..., Any]) -> None:
    """With exactly half of the rows refused the good half is kept."""
    found = judged(GOOD[:5] + [{"text": f"b{n}", "label": "?"} for n in range(5)], label="label")
    assert (found.refusal, found.kept, len(found.quarantine)) == ("", 5, 5)


def test_posts_without_text_are_refused_without_blame(judged: Callable[..., Any]) -> None:
    """Stories mostly have no caption: nine of ten posts without a text do not refuse the file."""
    found = judged([{"text": ""}] * 9 + [{"text": "Geht wählen"}])
    assert (found.refusal, found.kept) == ("", 1)
    assert set(reasons(found).values()) == {"the post has no text"}


def test_a_file_with_no_usable_row_is_refused(judged: Callable[..., Any]) -> None:
    """With a broken row and no good one there is nothing to take."""
    assert judged([{"text": None}] * 3 + [{"text": "a\0"}]).refusal == (
        "none of the 4 rows can be used: the post has no text (rows: 3, the first is 1); "
        "the text holds a NUL or half a character (a lone surrogate) (rows: 1, the first is 4). "
        "Mend the rows, then ingest the file again."
    )


def test_a_picture_without_words_is_no_fault(judged: Callable[..., Any]) -> None:
    """A few posts without a caption, as single-post exports have them, are refused rows of a file that is taken."""
    found = judged([{"text": None}] * 3)
    assert (found.refusal, found.kept, len(found.quarantine)) == ("", 0, 3)


@pytest.mark.parametrize("texts", [[""] * 96, ["Geht wählen"] * 96])
def test_a_column_that_says_nothing_holds_the_file_back(judged: Callable[..., Any], texts: list[str]) -> None:
    """A file of nearly only empty texts, or of one text over and over, is the wrong column, not a campaign."""
    texts = [*texts, "eins", "zwei", "drei", "vier"]
    found = judged([{"text": text, "id": str(n)} for n, text in enumerate(texts)], post_id="id")
    why = "96 of 100 rows have no text, more than checks.most_empty allows"
    same = "95% of the texts say what another text of the file says, more than checks.most_repeated allows"
    assert found.refusal.startswith(same if texts[0] else why)


def test_the_same_few_repeats_are_let_through(judged: Callable[..., Any]) -> None:
    """Below checks.enough rows the shares of a file say nothing."""
    assert judged([{"text": "CDU"}] * 20).refusal == ""


@pytest.mark.parametrize(("calls", "refused"), [(60, False), (100, True), (0, True)])
def test_labels_far_from_those_known_hold_the_file_back(
    tmp_path: Path, taken: Callable[..., Any], calls: int, refused: bool
) -> None:
    """An annotator who swaps or never changes the label is noticed before a vote is stored."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps([{"t": f"Text {n}", "l": "ja" if n < calls else "nein"} for n in range(100)]))
    asked = readers.asked_for(None, {"text": "t", "label": "l"})
    found = taken(path, asked, {"calls": {"call": 50, "no_call": 50}})
    assert bool(found.refusal) is refused
    assert not refused or "more than checks.label_shift of calls allows" in found.refusal


def of_several(*labels: str) -> Classifier:
    return Classifier(name="c", labels=labels, positive=labels[0], question="Q", spellings={}, multi_label=True)


def votes_on(counts: dict[str, int]) -> pd.DataFrame:
    said = [label for label, n in counts.items() for _ in range(n)]
    return pd.DataFrame({"question": "Q", "why": None, "label": said}, columns=["question", "why", "label"])


def test_many_sets_of_labels_are_no_shift() -> None:
    """Of several labels each is compared by itself, so a file is not refused because sets of labels are many: here
    each of six labels has a half of both, in other sets. One label that always applies is as far as ever."""
    labels = ("a", "b", "c", "d", "e", "f")
    one, other = {"a|b|c": 25, "d|e|f": 25}, {"a|d|e": 50, "b|c|f": 50, "none": 20, "a|b|c|d|e|f": 20}
    assert divergence(votes_on(one), of_several(*labels), other, 50) == 0
    assert divergence(votes_on({"a|b": 25, "a|c": 25}), of_several("a", "b", "c"), {"a|b": 25, "c": 25}, 50) > 0.25


def test_a_shift_is_judged_from_enough_votes_on() -> None:
    """Votes are counted, not what is added to them: of 30 labels 49 votes are too few where 50 are enough, and of two
    no sign of votes at all is none either."""
    many = Classifier(name="c", labels=tuple(f"l{n}" for n in range(30)), positive="l0", question="Q", spellings={})
    known = {f"l{n}": 10 for n in range(30)}
    assert divergence(votes_on({"l0": 49}), many, known, 50) is None
    assert divergence(votes_on({"l0": 50}), many, known, 50) > 0.25
    assert divergence(votes_on({}), many, known, 50) is None
    assert divergence(votes_on({"l0": 50}), many, {}, 50) is None


def test_what_chance_makes_of_a_sample_is_no_shift() -> None:
    """50 votes over 30 equally frequent labels, twice of twenty and once of ten, are as even as such a sample is: their
    divergence of .03 is below the .29 that samples have by chance, so nothing is left of it."""
    many = Classifier(name="c", labels=tuple(f"l{n}" for n in range(30)), positive="l0", question="Q", spellings={})
    even = {f"l{n}": 2 if n < 20 else 1 for n in range(30)}
    assert divergence(votes_on(even), many, {f"l{n}": 100 for n in range(30)}, 50) == 0


@pytest.mark.parametrize(("why", "kept"), [("tie", True), ("teach", True), (None, False)])
def test_answers_to_our_own_queues_are_no_shift_of_labels(
    take: Callable[..., Any], vote: Callable[..., Any], written: Callable[..., Path], why: str | None, kept: bool
) -> None:
    """What a queue chose is half calls on purpose, and is taken where a tenth of all texts are calls; the same answers
    to texts that nobody chose are refused. Nor are answers to queues among the labels that others are compared with."""

    def tasks(start: int, every: int, **data: str) -> list[dict[str, Any]]:
        made = [vote(f"Text {n} im Mai", "True" if n % every == 0 else "False", identifier=f"P{n}") for n in range(60)]
        for n, one in enumerate(made, start=start):
            one["data"] |= {"Identifier": f"P{n}", "Text": f"Text Nummer {n} im Mai", "text_id": f"instagram:P{n}:x"}
            one["data"] |= data
        return made

    assert take(written("base.json", tasks(0, 10)))[0]["status"] == "new"
    (found,) = take(written("queue.json", tasks(100, 2, **({"why": why} if why else {}))))
    assert (found["status"] == "new") is kept
    assert kept or "label_shift" in found["reasons"][0]
    assert take(written("later.json", tasks(200, 10)))[0]["status"] == "new"


def test_a_post_from_before_the_networks_is_a_broken_clock(judged: Callable[..., Any]) -> None:
    """A date before checks.earliest refuses the row."""
    rows = [{"text": "alt", "at": "0"}, {"text": "neu", "at": "1730302949"}]
    assert reasons(judged(rows, posted_at="at")) == {1: "posted_at 1970-01-01 lies before 2004-01-01"}


def test_a_text_in_the_label_column_stays_out_of_the_message(judged: Callable[..., Any]) -> None:
    """A refusal names short labels only, so that a wrong column puts no text into logs."""
    text = "Ein privater Satz, der in keinem Protokoll stehen soll."
    found = judged([{"text": text, "label": text}], label="label")
    assert text not in found.refusal
    assert f"label of {len(text)} characters is not listed" in found.refusal


def test_the_outcome_is_kept_in_counts_only(judged: Callable[..., Any]) -> None:
    """What the checks leave for the record are numbers and names of columns, never a value of the file."""
    found = judged([*GOOD, {"text": "Geheimnis", "label": "vielleicht", "who": "Anna"}], label="label", annotator="who")
    told = json.dumps(found.counts)
    assert "vielleicht" not in told
    assert "Geheimnis" not in told
    assert "Anna" not in told
    (labels,) = [c for c in found.counts if c["column"] == "label 0"]
    assert (labels["success"], labels["evaluated"], labels["unexpected"]) == (False, 11, 1)


def test_great_expectations_is_loaded_only_when_a_file_is_checked() -> None:
    """Importing the step loads neither Great Expectations nor torch, so a DAG file may name it."""
    code = "import sys, aufruf.steps.ingest; print({'great_expectations', 'torch', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


AT = datetime(2024, 11, 11, tzinfo=UTC)


def checked(table: pd.DataFrame) -> Verdict:
    verdict = Verdict()
    checks.check_rows(table, "posts", [], Checks(), datetime(2024, 11, 12, tzinfo=UTC), {0: verdict})
    return verdict


@pytest.mark.parametrize(
    ("column", "wrong", "why"),
    [
        ("author", 7, "the author is not text"),
        ("text_type", 7, "the text_type is not text"),
        ("seconds", "12", "the seconds is not a number"),
        ("posted_at", "2024-11-11", "the posted_at is not a time in UTC"),
        ("annotated_at", AT.replace(tzinfo=None), "the annotated_at is not a time in UTC"),
        ("collected_at", 1731425774, "the collected_at is not a time in UTC"),
    ],
)
def test_a_value_of_another_type_goes_no_further(column: str, wrong: Any, why: str) -> None:
    """A reader that passes on something else than words, UTC or a number is found out, row by row."""
    given = [rows.typed(Item(n, {"text": f"Text {n}", "platform": "x", "seconds": "3"})) | {"file": 0} for n in (1, 2)]
    for row in given:
        row |= dict.fromkeys(("posted_at", "collected_at", "annotated_at"), AT)
    assert dict(checked(rows.frame(given, [])).reasons) == {}
    given[1][column] = wrong
    assert dict(checked(rows.frame(given, [])).reasons) == {2: [why]}


def test_a_whole_column_of_another_type_refuses_every_row() -> None:
    """Times without a zone are a type of their own: the result is one for the column, and means all of its rows."""
    table = rows.frame([rows.typed(Item(n, {"text": f"Text {n}"})) | {"file": 0} for n in (1, 2)], [])
    table["posted_at"] = pd.to_datetime(["2024-11-11", "2024-11-10"])
    found = checked(table)
    assert dict(found.reasons) == {n: ["the posted_at is not a time in UTC"] for n in (1, 2)}
    outcome = found.counts[("expect_column_values_to_be_of_type", "posted_at")]
    assert (outcome["success"], outcome["evaluated"], outcome["unexpected"]) == (False, 2, 2)


def test_a_check_that_cannot_be_run_is_no_outcome() -> None:
    """An expectation about a column that is not there raises: it neither holds nor refuses a row."""
    from great_expectations import expectations as gxe

    table = pd.DataFrame({"file": [0], "item": [1]})
    with pytest.raises(AufrufError, match="could not be run"):
        expectations.run([gxe.ExpectColumnValuesToNotBeNull(column="text")], table)
