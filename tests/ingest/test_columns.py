"""A file that lacks a column it needs, or loses one on the way, is held back whole; Great Expectations says so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.data import readers
from aufruf.errors import DataRefused
from aufruf.phrases import told
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest, refused
from aufruf.store import Store

EXISTS = "expect_column_to_exist"
FLAT = "annotator,annotation_id,Text,Stance\n7,1,Geht wählen!,ja\n"


def lines(*groups: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for group in groups for row in group)


def posts(n: int, first: int = 0, column: str = "text", **more: str) -> list[dict[str, Any]]:
    return [{"id": f"C{number}", column: f"Text {number}", **more} for number in range(first, first + n)]


def columns_of(found: Any) -> dict[str, tuple[int, int]]:
    """How often each column was looked for, and how often it was not there."""
    return {c["column"]: (c["evaluated"], c["unexpected"]) for c in found.counts if c["expectation"] == EXISTS}


def test_the_columns_of_every_file_are_checked(written: Callable[..., Path], taken: Any, vote: Any) -> None:
    """Of a file that is taken the record tells each column that its format needs."""
    found = taken(written("x.json", [vote("Geht wählen!", "True")]))
    assert (found.refusal, columns_of(found)) == ("", {"annotations": (1, 0), "data": (1, 0)})
    table = taken(written("x.csv", "id,Text,Majority Decision\n1,a,True\n"))
    assert columns_of(table) == {"Text": (1, 0), "Majority Decision": (1, 0)}


def test_a_missing_column_is_named_with_those_there(written: Callable[..., Path], taken: Any) -> None:
    """What --columns names and the table has not is named in the reason, beside the columns that there are."""
    asked = readers.asked_for(None, {"text": "beschreibung", "post_id": "id"})
    found = taken(written("x", "id;description\n1;a\n"), asked)
    assert found.refusal == "no column 'beschreibung' here. Its columns: 'id', 'description'."
    assert columns_of(found) == {"beschreibung": (1, 1), "id": (1, 0)}
    assert (found.rows, found.texts) == (0, ())


def test_a_forced_format_names_the_columns_it_lacks(written: Callable[..., Path], taken: Any) -> None:
    """--format does not make a table what it is not; of a format in two shapes the nearer one is meant."""
    why = "this is not a file of the format 4cat: {} not there. Leave --format out"
    found = taken(written("x", "id,thread_id,body,timestamp\n1,1,a,2024-10-30\n"), "4cat")
    assert found.refusal.startswith(why.format("'author'"))
    assert columns_of(found)["author"] == (1, 1)
    found = taken(written("y", "shortcode,username,timestamp\n1,a,2024-10-30\n"), "4cat")
    assert found.refusal.startswith(why.format("'caption'"))


def test_the_question_of_the_classifier_is_a_column(
    written: Callable[..., Path], taken: Any, classifier: Classifier
) -> None:
    """A wide export with no column called after the question is held back; the classifier file says which it is."""
    found = taken(written("x", FLAT))
    assert f"no column is called after a question: {classifier.question!r}" in found.refusal
    assert "'Text', 'Stance'" in found.refusal
    assert columns_of(found) == {"annotator": (1, 0), "annotation_id": (1, 0), classifier.question: (1, 1)}
    assert columns_of(taken(written("y", FLAT.replace("Stance", classifier.question))))[classifier.question] == (1, 0)


def test_the_question_may_come_late_in_objects_but_not_never(
    written: Callable[..., Path], taken: Any, classifier: Classifier
) -> None:
    """Objects of skipped annotations do not name the question; somewhere in the file one object must."""
    skipped = [{"annotator": 7, "annotation_id": n, "text": f"Text {n}"} for n in range(120)]
    last = {"annotator": 7, "annotation_id": 120, "text": "Geht wählen!", classifier.question: "True"}
    found = taken(written("x.json", [*skipped, last]))
    assert (found.refusal, found.kept, columns_of(found)[classifier.question]) == ("", 1, (1, 0))
    found = taken(written("y.json", skipped))
    assert "no column is called after a question" in found.refusal
    assert columns_of(found)[classifier.question] == (1, 1)


@pytest.mark.parametrize("shape", ["lines", "document"])
def test_a_key_that_disappears_holds_the_file_back(written: Callable[..., Path], taken: Any, shape: str) -> None:
    """Where a hundred objects in a row have no text, the file was put together: the key and the place are named."""
    rows = [*posts(100), *posts(100, 100, "body"), *posts(100, 200)]
    asked = readers.asked_for(None, {"text": "text", "post_id": "id"})
    found = taken(written("x", lines(rows) if shape == "lines" else rows), asked)
    assert found.refusal.startswith("records 101 to 200 have no 'text', which others of the file have.")
    assert columns_of(found) == {"text": (4, 1), "id": (4, 0)}  # the start, and three parts
    assert (found.kept, found.texts) == (0, ())


def test_a_few_objects_without_a_key_are_rows_like_others(written: Callable[..., Path], taken: Any) -> None:
    """Fewer than a hundred in a row are judged one by one; and who leaves out an empty author loses no file."""
    asked = readers.asked_for(None, {"text": "text", "post_id": "id", "author": "who"})
    rows = [*posts(100, who="anna"), *posts(100, 100), *posts(50, 200, "body")]
    found = taken(written("x", lines(rows)), asked)
    assert (found.refusal, found.kept, len(found.quarantine)) == ("", 200, 50)


def test_broken_lines_have_no_columns(written: Callable[..., Path], taken: Any) -> None:
    """A hundred lines that are not JSON are broken rows, not a lost key."""
    asked = readers.asked_for(None, {"text": "text", "post_id": "id"})
    found = taken(written("x", lines(posts(150)) + "{kaputt\n" * 100), asked)
    assert (found.refusal, found.kept, columns_of(found)["text"]) == ("", 150, (2, 0))


def test_a_blocked_scraper_loses_no_file(written: Callable[..., Path], taken: Any) -> None:
    """Apify writes objects of errors between the posts: a hundred of them in a row are in the nature of the export."""
    good = [{"shortCode": f"C{n}", "ownerUsername": "anna", "caption": f"Text {n}"} for n in range(100)]
    found = taken(written("x.json", [*good, *[{"error": "blocked", "url": "x"}] * 200]))
    assert (found.refusal, found.kept) == ("", 100)


POST = {"shortCode": "C1", "ownerUsername": "anna", "caption": "Geht wählen!"}
BLOCKED = {"error": "no_items", "url": "x"}


@pytest.mark.parametrize("asked", ["", "apify"])
@pytest.mark.parametrize("shape", ["lines", "document"])
def test_a_scraper_that_was_blocked_at_first_loses_no_file(
    written: Callable[..., Path], taken: Any, shape: str, asked: str
) -> None:
    """A post is seen behind any number of errors; these are refused one by one, without blame."""
    rows = [*[BLOCKED] * 150, POST]
    found = taken(written("x", lines(rows) if shape == "lines" else rows), asked)
    assert (found.refusal, found.rows, found.kept) == ("", 151, 1)
    assert [text.text_id for text in found.texts] == ["instagram:C1:caption"]
    reasons = {row.reasons for row in found.quarantine}
    assert (reasons, len(found.quarantine)) == ({"the scraper brought no post but an error (no_items)"}, 150)


@pytest.mark.parametrize("asked", ["", "apify"])
def test_a_file_of_errors_only_is_told_as_one(written: Callable[..., Path], taken: Any, asked: str) -> None:
    """It is refused with how many there are and what they say, not for the columns of posts that it lacks."""
    path = written("x.json", [*[BLOCKED] * 150, {"error": "Zu viele Anfragen, bitte warten."}])
    with pytest.raises(DataRefused, match=r"holds no post, only errors of a scraper: 151 \(no_items\)\."):
        taken(path, asked)


@pytest.mark.parametrize("name", ["a\ud83db", "$PARAMETER", "<script>alert(1)</script>", "file", "x" * 500])
def test_strange_names_of_columns_are_names(written: Callable[..., Path], taken: Any, name: str) -> None:
    """Half characters, markup and our own names are columns like others."""
    path = written("x.json", [{"text": "Geht wählen!", name: "1"}])
    asked = readers.asked_for(None, {"text": "text", "party": name})
    assert (found := taken(path, asked)).refusal == ""
    assert len(columns_of(found)) == 2
    assert "no column" in taken(path, readers.asked_for(None, {"text": f"{name}y"})).refusal


def test_the_page_and_the_record_name_the_column(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """The file is refused with exit code 3, nothing is stored, and the page and the JSON show which check failed."""
    path = written("x.ndjson", lines(posts(100), posts(100, 100, "Geheimnis<b>")))
    columns = {"text": "text", "post_id": "id"}
    result = ingest(settings, [classifier], [path], columns=columns)
    failure = refused(result)
    assert failure is not None
    assert failure.exit_code == 3
    assert "have no 'text'" in failure.what
    assert (result["files"][0]["status"], store.count("texts"), store.count("quarantine")) == ("refused", 0, 0)
    (page,) = (settings.reports / "checks").glob("*.html")
    told = json.loads(page.with_suffix(".json").read_text())
    (outcome,) = [c for c in told["checks"] if (c["expectation"], c["column"]) == (EXISTS, "text")]
    assert (outcome["success"], outcome["evaluated"], outcome["unexpected"]) == (False, 3, 1)
    assert "The column &#39;text&#39; is there" in page.read_text()
    assert "does not hold" in page.read_text()
    assert "Geheimnis" not in page.read_text() + page.with_suffix(".json").read_text()


@pytest.mark.parametrize("content", ['[{"text": "a"}, {"text"', "text,text\n1,2\n", b"PAR1 and nothing else"])
def test_columns_that_cannot_be_read_refuse_the_file_alone(
    settings: Settings, classifier: Classifier, written: Callable[..., Path], content: str | bytes
) -> None:
    """A header named twice, a document cut off, a damaged Parquet file: refused, and the next file is taken."""
    bad, good = written("bad", content), written("good.csv", "text\nGeht wählen!\n")
    result = ingest(settings, [classifier], [bad, good], columns={"text": "text"})
    assert [entry["status"] for entry in result["files"]] == ["refused", "new"]


def test_a_label_that_counts_for_several_classifiers_is_said(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """A table names no question: the answer says for which classifiers its labels count, unless one was chosen."""
    other = classifier.model_copy(update={"name": "mood", "question": "Mood"})
    columns = {"text": "text", "label": "label"}
    path = written("good.csv", "text,label\nGeht wählen!,ja\nSchöner Tag,nein\n")
    one = ingest(settings, [classifier], [path], columns=columns)
    assert "counts_for" not in one["files"][0]
    both = ingest(settings, [classifier, other], [path], columns=columns)
    assert both["files"][0]["counts_for"] == ["calls", "mood"]
    assert told("ingest", both)[0].endswith("; counts for: calls, mood")
