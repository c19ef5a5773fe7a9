"""Refused rows are never lost: listed, shown, mended, and taken in after all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.errors import DataRefused, NothingYet, UsageError
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.steps.quarantine import quarantine, refused
from aufruf.store import Store


@pytest.fixture
def votes(
    settings: Settings, classifier: Classifier, vote: Callable[..., Any], written: Callable[..., Path]
) -> dict[str, Any]:
    """An export of three votes, of which one has a spelling that nobody listed."""
    tasks = [
        vote("Geht wählen!", "True", identifier="C1-Caption"),
        vote("Schöner Tag", "False", identifier="C2-Caption"),
        vote("Hm", "vielleicht", identifier="C3-Caption"),
    ]
    return ingest(settings, [classifier], [written("votes.json", tasks)])


def test_the_list_says_how_many_and_why(settings: Settings, classifier: Classifier, votes: Any) -> None:
    """Each file with refused rows stands there with its commonest reasons."""
    found = quarantine(settings, [classifier])
    assert found["rows"] == 1
    (file,) = found["files"]
    assert (file["name"], file["format"], file["rows"]) == ("votes.json", "label-studio", 1)
    assert file["why"] == ["1 refused: label 'vielleicht' is not listed under [spellings] of calls.toml"]
    assert quarantine(settings, [classifier], "show", file["file"]) == quarantine(
        settings, [classifier], "show", "votes.json"
    )


def test_a_listed_spelling_rescues_the_row(
    settings: Settings, store: Store, classifier: Classifier, votes: Any
) -> None:
    """With the classifier file mended, the original is read again; the row is a vote and refused no longer."""
    spellings = classifier.spellings | {"no_call": ("False", "vielleicht")}
    found = quarantine(settings, [classifier.model_copy(update={"spellings": spellings})], "ingest")
    assert (found["rescued"], found["rows"], found["annotations"]) == (1, 0, 1)
    assert quarantine(settings, [classifier])["files"] == []
    assert store.count("annotations") == 3
    assert store.read("quarantine")["rescued_at"].notna().all()


def test_a_rescued_row_makes_no_file_new(settings: Settings, store: Store, classifier: Classifier, votes: Any) -> None:
    """A file has arrived when it was first taken in, for good: texts of it that have no date are no newer either."""
    before = store.read("files")["ingested_at"].tolist()
    spellings = classifier.spellings | {"no_call": ("False", "vielleicht")}
    assert quarantine(settings, [classifier.model_copy(update={"spellings": spellings})], "ingest")["rescued"] == 1
    after = store.read("files")
    assert (after["kept"].tolist(), after["ingested_at"].tolist()) == ([3], before)


def test_nothing_changes_while_nothing_is_mended(
    settings: Settings, store: Store, classifier: Classifier, votes: Any
) -> None:
    """The same bytes and the same classifier give the same refusal, and no new version of any table."""
    versions = [store.version(table) for table in ("texts", "annotations", "quarantine", "files")]
    found = quarantine(settings, [classifier], "ingest")
    assert (found["rescued"], found["rows"], found["files"][0]["status"]) == (0, 1, "unchanged")
    assert [store.version(table) for table in ("texts", "annotations", "quarantine", "files")] == versions


def test_rows_mended_by_hand_are_taken(
    settings: Settings, store: Store, classifier: Classifier, votes: Any, tmp_path: Path
) -> None:
    """What show writes, a person mends and ingest takes; a row that still fails stays, with its reason."""
    path = tmp_path / "rows.ndjson"
    assert quarantine(settings, [classifier], "show", out=path)["rows"] == 1
    (line,) = map(json.loads, path.read_text().splitlines())
    still = quarantine(settings, [classifier], "ingest", mended=path)
    assert (still["rescued"], still["rows"]) == (0, 1)
    failure = refused(still)
    assert failure is not None
    assert "label 'vielleicht' is not listed" in failure.what
    assert failure.sentence().endswith("[spellings] of calls.toml. Mend them and try once more.")
    assert "ingest the file again" not in failure.sentence()
    line["row"]["annotation"]["result"][0]["value"]["choices"] = ["True"]
    path.write_text(json.dumps(line))
    found = quarantine(settings, [classifier], "ingest", mended=path)
    assert (found["rescued"], found["rows"], found["refused"]) == (1, 0, [])
    assert sorted(store.read("annotations")["text_id"]) == [f"instagram:C{n}:caption" for n in (1, 2, 3)]
    (file,) = store.read("files").to_dict("records")
    assert (file["rows"], file["kept"], file["refused"]) == (3, 3, 0)


def test_a_mended_row_stays_rescued(
    settings: Settings, store: Store, classifier: Classifier, votes: Any, tmp_path: Path
) -> None:
    """Reading the original once more does not put a mended row back into quarantine."""
    path = tmp_path / "rows.ndjson"
    quarantine(settings, [classifier], "show", out=path)
    line = json.loads(path.read_text())
    line["row"]["annotation"]["result"][0]["value"]["choices"] = ["True"]
    path.write_text(json.dumps(line))
    quarantine(settings, [classifier], "ingest", mended=path)
    twin = classifier.model_copy(update={"name": "twin"})
    ingest(settings, [classifier, twin], [next(settings.raw.iterdir())])
    assert store.read("quarantine")["rescued_at"].notna().all()


def test_a_column_of_a_named_table_is_mended_by_name(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path], tmp_path: Path
) -> None:
    """A row of a table keeps the columns that were named when it came."""
    path = written("x.csv", "t,l\na,ja\nb,nein\nc,?\n")
    ingest(settings, [classifier], [path], columns={"text": "t", "label": "l"})
    rows = tmp_path / "rows.ndjson"
    quarantine(settings, [classifier], "show", out=rows)
    rows.write_text(rows.read_text().replace('"?"', '"ja"'))
    assert quarantine(settings, [classifier], "ingest", mended=rows)["rescued"] == 1
    assert sorted(store.read("annotations")["label"]) == ["call", "call", "no_call"]


def test_what_is_not_there_is_said(
    settings: Settings, classifier: Classifier, votes: Any, written: Callable[..., Path]
) -> None:
    """An unknown action is wrong usage; an unknown file or row, and a file of something else, are named."""
    with pytest.raises(UsageError, match="no action 'shwo'"):
        quarantine(settings, [classifier], "shwo")
    with pytest.raises(NothingYet, match=r"no refused row of a file 'x\.json'"):
        quarantine(settings, [classifier], "show", "x.json")
    with pytest.raises(DataRefused, match="line 1 is not a refused row"):
        quarantine(settings, [classifier], "ingest", mended=written("m", '{"a": 1}\n{"a": 2}\n'))
    stranger = json.dumps({"file": "f" * 64, "item": 1, "row": {}})
    with pytest.raises(DataRefused, match="row 1 of file ffffffffffff is not in quarantine"):
        quarantine(settings, [classifier], "ingest", mended=written("m", stranger))


def test_mending_twice_changes_nothing(
    settings: Settings, store: Store, classifier: Classifier, votes: Any, tmp_path: Path
) -> None:
    """The same mended rows again, or one of them twice, are taken once; the file's counts stay true."""
    path = tmp_path / "rows.ndjson"
    quarantine(settings, [classifier], "show", out=path)
    path.write_text(path.read_text().replace("vielleicht", "True") * 2)
    assert quarantine(settings, [classifier], "ingest", mended=path)["rescued"] == 1
    assert quarantine(settings, [classifier], "ingest", mended=path)["rescued"] == 0
    (file,) = store.read("files").to_dict("records")
    assert (file["rows"], file["kept"], file["refused"]) == (3, 3, 0)


def test_other_columns_free_rows_that_they_can_read(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """A row refused for a column that was named by mistake leaves the quarantine when the right one is named."""
    path = written("x.csv", "nr,wann,alt,body\n1,2024-10-30,gestern,Eins\n2,2024-10-30,2024-10-29,Zwei\n")
    ingest(settings, [classifier], [path], columns={"post_id": "nr", "text": "body", "posted_at": "alt"})
    assert quarantine(settings, [classifier])["rows"] == 1
    ingest(settings, [classifier], [path], columns={"post_id": "nr", "text": "body", "posted_at": "wann"})
    assert quarantine(settings, [classifier])["rows"] == 0


def test_a_misquoted_row_is_kept_as_it_stands(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """What cannot be taken apart is shown whole, so that a person can."""
    path = written("x.csv", 'nr,body\n1,Eins\n2,"Hallo" Welt\n3,Drei\n')
    ingest(settings, [classifier], [path], columns={"post_id": "nr", "text": "body"})
    (row,) = quarantine(settings, [classifier], "show")["rows"]
    assert row["row"] == {"misquoted row": '2,"Hallo" Welt\n'}


def flat(written: Callable[..., Path], answers: list[tuple[str, str]]) -> Path:
    """A table of Label Studio with an answer to each of two questions in a row; told by annotation_id, from 1."""
    rows = "".join(
        f'"Text Nummer {at}",P{at}x-Caption,7,{at},{one},{other}\n' for at, (one, other) in enumerate(answers, start=1)
    )
    return written("flat.csv", "Text,Identifier,annotator,annotation_id,Call to Action,Second\n" + rows)


@pytest.fixture
def second(classifier: Classifier) -> Classifier:
    return classifier.model_copy(update={"name": "second", "question": "Second"})


ANSWERS = [("True", "True"), ("Maybe", "True"), ("Maybe", "Perhaps"), ("True", "Perhaps"), *[("True", "False")] * 6]


@pytest.mark.parametrize("first", ["calls", "second", "both"])
def test_a_row_keeps_its_number_whoever_asks(
    settings: Settings, store: Store, classifier: Classifier, second: Classifier, written: Any, first: str
) -> None:
    """A row of answers is one row of the quarantine, under its own number, with the reasons of all that is asked:
    judged for one question first and then for both, or at once, the same rows are there, and none is taken for mended.
    """
    path, both = flat(written, ANSWERS), [classifier, second]
    asked = {"calls": [classifier], "second": [second], "both": both}
    ingest(settings, asked[first], [path])
    numbers = {"calls": [2, 3], "second": [3, 4], "both": [2, 3, 4]}
    assert sorted(store.read("quarantine")["item"]) == numbers[first]
    ingest(settings, both, [path])
    held = store.read("quarantine").sort_values("item")
    assert [json.loads(row)["annotation_id"] for row in held["row"]] == ["2", "3", "4"]
    assert held["item"].tolist() == [2, 3, 4]
    assert held["rescued_at"].isna().all()
    maybe, perhaps = (
        f"label '{word}' is not listed under [spellings] of {name}.toml"
        for word, name in (("Maybe", "calls"), ("Perhaps", "second"))
    )
    assert held["reasons"].tolist() == [maybe, f"{maybe}; {perhaps}", perhaps]
    votes = store.read("annotations")
    assert votes.groupby("classifier").size().to_dict() == {"calls": 8, "second": 8}


def test_a_mended_answer_hides_no_other(
    settings: Settings, store: Store, classifier: Classifier, second: Classifier, written: Any
) -> None:
    """A row that one classifier takes by now is refused again when another one refuses its own answer in it."""
    path = flat(written, ANSWERS)
    ingest(settings, [classifier], [path])
    mended = classifier.model_copy(update={"spellings": classifier.spellings | {"no_call": ("False", "Maybe")}})
    assert quarantine(settings, [mended], "ingest")["rescued"] == 2
    ingest(settings, [mended, second], [path])
    held = store.read("quarantine").sort_values("item")
    assert held[held["rescued_at"].isna()]["item"].tolist() == [3, 4]
    versions = store.version("quarantine")
    ingest(settings, [mended, second], [path])
    assert store.version("quarantine") == versions


def test_a_mended_answer_is_taken_beside_one_that_was_skipped(
    settings: Settings, store: Store, classifier: Classifier, second: Classifier, written: Any, tmp_path: Path
) -> None:
    """A row whose other question was left open is taken once the answer is mended, and no other row is touched."""
    both = [classifier, second]
    ingest(settings, both, [flat(written, [("Hm", "True"), ("True", "Oh"), ("Maybe", ""), *[("True", "False")] * 6])])
    path = tmp_path / "mended.ndjson"
    quarantine(settings, both, "show", out=path)
    lines = path.read_text().splitlines()
    path.write_text(lines[2].replace('"Maybe"', '"False"'))
    found = quarantine(settings, both, "ingest", mended=path)
    assert (found["rescued"], found["annotations"], found["refused"], found["rows"]) == (1, 1, [], 2)
    held = store.read("quarantine").sort_values("item")
    assert [json.loads(row)["annotation_id"] for row in held["row"]] == ["1", "2", "3"]
    assert held["rescued_at"].notna().tolist() == [False, False, True]
