"""The step itself: files in, rows in the lake, each exactly once."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aufruf.classifier import Classifier
from aufruf.data import inbox
from aufruf.errors import UsageError
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest, refused
from aufruf.steps.quarantine import quarantine
from aufruf.steps.status import status
from aufruf.store import Store

TABLES = ("texts", "annotations", "quarantine", "files")  # in the order in which they are written
FOURCAT = "id,thread_id,body,author,timestamp,url\n"


def lake(store: Store) -> dict[str, list[dict[str, Any]]]:
    """All that the lake holds, without the times of our own clock, in a fixed order."""
    ours = {"ingested_at", "refused_at"}
    return {
        table: sorted(
            ({k: str(v) for k, v in row.items() if k not in ours} for row in store.read(table).to_dict("records")),
            key=json.dumps,
        )
        for table in TABLES
    }


@pytest.fixture
def export(written: Callable[..., Path], vote: Callable[..., Any]) -> Path:
    """Four annotations: two votes, an abstention and a spelling that nobody listed."""
    tasks = [
        vote("Geht wählen!", "True", identifier="C1-Caption"),
        vote("Schöner Tag", "False", identifier="C2-Caption"),
        vote("CSU", "Unsure", identifier="C2-OCR"),
        vote("Hm", "vielleicht", identifier="C3-Caption"),
    ]
    return written("votes.json", tasks)


def test_a_file_ends_in_the_lake_once(settings: Settings, store: Store, classifier: Classifier, export: Path) -> None:
    """Votes, texts, the refused row and the file are stored; a second time nothing changes and it is said."""
    first = ingest(settings, [classifier], [export])
    assert first == {
        "files": [
            {
                "file": str(export),
                "format": "label-studio",
                "kind": "annotations",
                "status": "new",
                "rows": 4,
                "kept": 3,
                "refused": 1,
                "annotations": 3,
                "posts": 3,
                "why": ["1 refused: label 'vielleicht' is not listed under [spellings] of calls.toml"],
            }
        ],
        "annotations": 3,
        "posts": 3,
        "status": "done",
    }
    before, versions = lake(store), [store.version(table) for table in TABLES]
    again = ingest(settings, [classifier], [export])
    assert (again["files"][0]["status"], again["annotations"], again["posts"]) == ("unchanged", 0, 0)
    assert again["status"] == "nothing new"
    assert (lake(store), [store.version(table) for table in TABLES]) == (before, versions)
    assert [(v["text_id"], v["label"], v["annotator"]) for v in before["annotations"]] == [
        ("instagram:C1:caption", "call", "7"),
        ("instagram:C2:caption", "no_call", "7"),
        ("instagram:C2:ocr", "abstain", "7"),
    ]
    assert [row["reasons"] for row in before["quarantine"]] == [
        "label 'vielleicht' is not listed under [spellings] of calls.toml"
    ]


def test_the_original_is_kept_read_only(settings: Settings, classifier: Classifier, export: Path) -> None:
    """raw/ holds the bytes under their digest, not writable, and nothing half-copied beside them."""
    ingest(settings, [classifier], [export])
    (kept,) = settings.raw.iterdir()
    assert kept.read_bytes() == export.read_bytes()
    assert (kept.suffix, stat.S_IMODE(kept.stat().st_mode)) == (".json", 0o444)
    assert export.exists()


@pytest.mark.parametrize("stored", range(len(TABLES)))
def test_a_run_that_broke_off_is_taken_up(
    settings: Settings, store: Store, classifier: Classifier, export: Path, stored: int
) -> None:
    """Whichever tables were written before the end, the next run ends in the same rows and announces them."""
    ingest(settings, [classifier], [export])
    whole = lake(store)
    for table in TABLES[stored:]:
        shutil.rmtree(Path(settings.lake) / table)
    if stored == 0:
        shutil.rmtree(settings.raw)
    result = ingest(settings, [classifier], [export])
    assert lake(store) == whole
    assert (result["files"][0]["status"], result["annotations"], result["posts"]) == ("new", 3, 3)


KILLED = """
import os, sys
from pathlib import Path
from aufruf.classifier import load
from aufruf.settings import Settings
from aufruf.steps import ingest as step

put = step.Store.put
def dying(self, table, rows, **more):
    if table == "annotations":
        os.kill(os.getpid(), 9)
    return put(self, table, rows, **more)
step.Store.put = dying
home, classifier, file = sys.argv[1:]
step.ingest(Settings.load(home, {}), [load(Path(classifier))], [Path(file)])
"""


def test_kill_9_between_two_tables_loses_and_doubles_nothing(
    settings: Settings, store: Store, classifier: Classifier, export: Path, written: Callable[..., Path]
) -> None:
    """A process killed after the texts leaves no file row; the next run stores every vote once."""
    toml = 'labels = ["no_call", "call"]\npositive = "call"\n[spellings]\ncall = ["True"]\nno_call = ["False"]\n'
    path = written("calls.toml", toml + 'abstain = ["Unsure"]\n')
    done = subprocess.run([sys.executable, "-c", KILLED, str(settings.home), str(path), str(export)], check=False)
    assert done.returncode == -9
    assert [store.count(table) for table in TABLES] == [3, 0, 0, 0]
    assert ingest(settings, [classifier], [export])["files"][0]["status"] == "new"
    assert [store.count(table) for table in TABLES] == [3, 3, 1, 1]
    orphans = list(settings.raw.glob(".*.part"))
    for orphan in orphans:
        os.utime(orphan, (1, 1))
    ingest(settings, [classifier], [export])
    assert not list(settings.raw.glob(".*.part"))


def test_an_ingest_of_another_machine_is_left_alone_for_a_day(settings: Settings) -> None:
    """Its lock need not be seen here: its folder stays, though nobody seems to hold it, until nobody writes to it."""
    theirs = settings.raw / ".otherhost-abc.part"
    theirs.mkdir(parents=True)
    (theirs / "lock").touch()
    with inbox.workbench(settings.raw):
        assert theirs.exists()
    os.utime(theirs, (time.time() - 90_000,) * 2)
    with inbox.workbench(settings.raw) as mine:
        assert mine.exists()
    assert not theirs.exists()


def test_a_refused_file_stops_no_other(
    settings: Settings, store: Store, classifier: Classifier, export: Path, written: Callable[..., Path]
) -> None:
    """The broken file is refused with its reason, nothing of it is stored, and the good one is taken."""
    cut = written("cut.json", export.read_text()[:-10])
    result = ingest(settings, [classifier], [cut, export])
    assert [entry["status"] for entry in result["files"]] == ["refused", "new"]
    failure = refused(result)
    assert failure is not None
    assert failure.exit_code == 3
    assert failure.where == str(cut)
    assert "the JSON is broken or cut off" in failure.what
    assert len(list(settings.raw.iterdir())) == 1
    rows = {row["name"]: row for row in lake(store)["files"]}
    assert (rows["cut.json"]["status"], rows["cut.json"]["kept"]) == ("refused", "0")
    assert "cut off" in rows["cut.json"]["reasons"]


def test_nothing_refused_is_no_failure(settings: Settings, classifier: Classifier, export: Path) -> None:
    """A result without refused files stands for no failure, although a row was refused."""
    assert refused(ingest(settings, [classifier], [export])) is None


def test_a_refused_file_can_be_offered_again(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Once the classifier lists the spelling, the same bytes are taken; the earlier refusal is no memory."""
    path = written("x.csv", "text,label\na,JA!\nb,JA!\nc,JA!\n")
    columns = {"text": "text", "label": "label"}
    assert ingest(settings, [classifier], [path], columns=columns)["files"][0]["status"] == "refused"
    assert store.count("annotations") == 0
    mended = classifier.model_copy(update={"spellings": {"call": ("JA!",)}})
    entry = ingest(settings, [mended], [path], columns=columns)["files"][0]
    assert (entry["status"], entry["kept"], store.count("annotations")) == ("new", 3, 3)
    assert [row["status"] for row in lake(store)["files"]] == ["new"]


def test_a_spelling_listed_later_saves_its_rows(
    settings: Settings, store: Store, classifier: Classifier, export: Path
) -> None:
    """Refused rows of a file that was taken are taken too, when it is offered again after the list was mended."""
    ingest(settings, [classifier], [export])
    spellings = classifier.spellings | {"no_call": ("False", "vielleicht")}
    entry = ingest(settings, [classifier.model_copy(update={"spellings": spellings})], [export])["files"][0]
    assert (entry["status"], entry["kept"], entry["refused"], entry["annotations"]) == ("new", 4, 0, 1)
    assert store.count("annotations") == 4


def test_the_inbox_is_emptied(
    settings: Settings,
    store: Store,
    classifier: Classifier,
    vote: Callable[..., Any],
    zeeschuimer: Callable[..., str],
    dropped: Callable[..., Path],
) -> None:
    """Stored files leave the inbox, refused ones lie beside their reason, unfinished ones and links stay."""
    dropped("annotations", "votes.json", [vote("a", "True")])
    dropped("posts", "posts.ndjson", zeeschuimer("C1", "eins"))
    dropped("posts", "strange.csv", "x,y\n1,2\n")
    kept = ["half.json.part", ".hidden.json", "half.json.crdownload"]
    for name in kept:
        dropped("posts", name, zeeschuimer("C2", "zwei"))
    still = dropped("posts", "written-to.ndjson", zeeschuimer("C3", "drei"))
    os.utime(still)
    link = settings.inbox_posts / "link.ndjson"
    link.symlink_to(still)
    result = ingest(settings, [classifier])
    assert {entry["file"]: entry["status"] for entry in result["files"]} == {
        "votes.json": "new",
        "posts.ndjson": "new",
        "strange.csv": "refused",
    }
    assert sorted(path.name for path in settings.inbox_posts.iterdir()) == sorted([*kept, still.name, link.name])
    assert list(settings.inbox_annotations.iterdir()) == []
    folder = settings.home / "inbox" / "refused"
    assert sorted(path.name for path in folder.iterdir()) == ["strange.csv", "strange.csv.reason.txt"]
    reason = (folder / "strange.csv.reason.txt").read_text()
    assert "no known format" in reason
    assert f"aufruf ingest {folder / 'strange.csv'} --columns " in reason
    assert store.count("texts") == 2


def test_an_empty_inbox_is_nothing_to_do(settings: Settings, store: Store, classifier: Classifier) -> None:
    """With nothing there, nothing is created and the result says so."""
    result = ingest(settings, [classifier])
    assert result == {"files": [], "annotations": 0, "posts": 0, "status": "nothing to do"}
    assert not settings.home.exists()


def test_a_known_file_leaves_the_inbox_too(
    settings: Settings, classifier: Classifier, vote: Callable[..., Any], dropped: Callable[..., Path]
) -> None:
    """A file delivered twice is unchanged the second time, and does not stay lying there."""
    dropped("annotations", "a.json", [vote("a", "True")])
    ingest(settings, [classifier])
    path = dropped("annotations", "b.json", [vote("a", "True")])
    assert ingest(settings, [classifier])["files"][0]["status"] == "unchanged"
    assert not path.exists()


def test_each_classifier_takes_the_answers_to_its_question(
    settings: Settings, store: Store, classifier: Classifier, vote: Callable[..., Any], written: Callable[..., Path]
) -> None:
    """Two questions in one export: each goes to its classifier, and what nobody asks is no row."""
    party = classifier.model_copy(update={"name": "party", "question": "Partei"})
    tasks = [vote("a", "True"), vote("b", "ja", question="Partei"), vote("c", "x", question="Thema")]
    path = written("x.json", tasks)
    entry = ingest(settings, [classifier, party], [path])["files"][0]
    assert (entry["rows"], entry["kept"], entry["refused"]) == (2, 2, 0)
    votes = store.read("annotations")
    assert sorted(zip(votes["classifier"], votes["label"], strict=True)) == [("calls", "call"), ("party", "call")]
    assert lake(store)["files"][0]["classifiers"] == "calls party"


def test_a_known_file_is_offered_to_a_new_classifier(
    settings: Settings, store: Store, classifier: Classifier, export: Path
) -> None:
    """A classifier that comes later takes its votes; one with another question leaves the file unchanged."""
    ingest(settings, [classifier], [export])
    twin = classifier.model_copy(update={"name": "twin"})
    other = classifier.model_copy(update={"name": "other", "question": "Thema"})
    assert ingest(settings, [other], [export])["files"][0]["status"] == "unchanged"
    assert ingest(settings, [twin], [export])["files"][0]["status"] == "new"
    assert lake(store)["files"][0]["classifiers"] == "calls twin"
    assert store.count("annotations", {"classifier": "twin"}) == 3
    assert ingest(settings, [classifier, twin, other], [export])["files"][0]["status"] == "unchanged"


def test_an_export_that_asks_something_else_is_refused(
    settings: Settings, classifier: Classifier, vote: Callable[..., Any], written: Callable[..., Path]
) -> None:
    """The refusal names the question of the file and that of the classifier."""
    path = written("x.json", [vote("a", "True", question="call to action")])
    entry = ingest(settings, [classifier], [path])["files"][0]
    assert (entry["status"], entry["format"], entry["kind"]) == ("refused", "label-studio", "annotations")
    assert "answers 'call to action', not 'Call to Action' (calls.toml)" in entry["reasons"][0]


def test_both_scrapers_give_one_text(
    settings: Settings, store: Store, classifier: Classifier, zeeschuimer: Callable[..., str], written: Any
) -> None:
    """A post in both exports is one text, with the dated caption, in whichever order they come."""
    dated = written("z", zeeschuimer("C1", "gesehen") + zeeschuimer("C2", "zwei"))
    bare = written("f", FOURCAT + "C1,C1,anders,katha,2024-10-30 15:42:29,https://www.instagram.com/p/C1\n")
    assert ingest(settings, [classifier], [dated])["posts"] == 2
    assert ingest(settings, [classifier], [bare])["posts"] == 0
    texts = store.read("texts").set_index("text_id")["text"].to_dict()
    assert texts == {"instagram:C1:caption": "gesehen", "instagram:C2:caption": "zwei"}
    assert (
        ingest(settings, [classifier], [written("z2", zeeschuimer("C1", "neu", collected=1731999999000))])["posts"] == 1
    )
    assert store.read("texts", {"post_id": "C1"})["text"].tolist() == ["neu"]


def test_parties_come_from_the_table_of_authors(
    settings: Settings, store: Store, classifier: Classifier, zeeschuimer: Callable[..., str], written: Any
) -> None:
    """Posts that name no party get it from the table of authors, and later ones from the posts before."""
    authors = written("authors.csv", "author,party\nKathaSchulze,Grüne\n")
    ingest(settings, [classifier], [written("a", zeeschuimer("C1", "eins"))], authors=authors)
    ingest(settings, [classifier], [written("b", zeeschuimer("C2", "zwei"))])
    assert store.read("texts")["party"].tolist() == ["Grüne", "Grüne"]


def test_a_table_of_authors_is_told_from_posts(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Among the files it is refused with the option that takes it; a table without its columns is wrong usage."""
    authors = written("authors.csv", "author,party\nKatha,Grüne\n")
    entry = ingest(settings, [classifier], [authors])["files"][0]
    assert entry["reasons"] == ["this is a table of authors, not of posts. Give it with --authors FILE."]
    with pytest.raises(UsageError, match="must be called author and party"):
        ingest(settings, [classifier], [authors], authors=written("x.csv", "name,party\nKatha,Grüne\n"))


def test_other_columns_of_a_known_table_are_taken_again(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Naming the right column after a wrong one is not "unchanged"; without options a known table is."""
    path = written("x.csv", "id,falsch,richtig,label\n7,a,b,ja\n")
    wrong = {"text_id": "id", "text": "falsch", "label": "label"}
    ingest(settings, [classifier], [path], columns=wrong)
    assert ingest(settings, [classifier], [path])["files"][0]["status"] == "unchanged"
    entry = ingest(settings, [classifier], [path], columns=wrong | {"text": "richtig"})["files"][0]
    assert (entry["format"], entry["status"]) == ("table", "new")
    assert store.read("texts")["text"].tolist() == ["b"]


def test_labels_become_votes_once_their_annotators_are_named(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Two people's votes read as decided labels are refused with the cure; once it is named, nothing is decided."""
    path = written("x.csv", "id,words,answer,coder\n7,a,ja,A\n7,a,ja,B\n8,b,ja,A\n")
    columns = {"text_id": "id", "text": "words", "label": "answer"}
    (why,) = ingest(settings, [classifier], [path], columns=columns)["files"][0]["why"]
    assert why.startswith("1 refused: no annotator is named")
    assert "annotator=COLUMN" in why
    ingest(settings, [classifier], [path], columns=columns | {"annotator": "coder"})
    votes = store.read("annotations")[["text_id", "annotator", "label"]].itertuples(index=False, name=None)
    people = [("7", "A", "call"), ("7", "B", "call"), ("8", "A", "call")]
    assert sorted(votes) == sorted([("7", "", "abstain"), ("8", "", "abstain"), *people])


def test_a_refused_file_is_of_the_kind_that_the_options_say(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """A table whose label column is missing was meant to hold annotations."""
    path = written("x.csv", "text,urteil\na,ja\n")
    entry = ingest(settings, [classifier], [path], columns={"text": "text", "label": "label"})["files"][0]
    assert (entry["status"], entry["kind"]) == ("refused", "annotations")
    assert entry["reasons"] == ["no column 'label' here. Its columns: 'text', 'urteil'."]


@pytest.mark.parametrize("what", ["folder", "absent"])
def test_a_path_that_is_no_file_is_a_usage_error(
    settings: Settings, classifier: Classifier, tmp_path: Path, what: str
) -> None:
    """A folder or a missing path is wrong usage, before anything is read."""
    path = tmp_path if what == "folder" else tmp_path / "absent.json"
    with pytest.raises(UsageError, match=str(path)):
        ingest(settings, [classifier], [path])


def test_a_name_that_is_no_utf8_is_no_obstacle(
    settings: Settings, classifier: Classifier, vote: Callable[..., Any], tmp_path: Path
) -> None:
    """A file name with stray bytes is stored and reported in a printable form."""
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/gr\xfc\xdfe.json"))
    path.write_text(json.dumps([vote("a", "True")]))
    entry = ingest(settings, [classifier], [path])["files"][0]
    assert entry["status"] == "new"
    assert entry["file"].endswith("gr??e.json")


@pytest.mark.parametrize("sign", ["\x1b[2J", "\n", "\r", "\x9b", "\u202e", "\u200b"])
def test_a_name_shows_what_it_is(
    settings: Settings, store: Store, classifier: Classifier, vote: Callable[..., Any], tmp_path: Path, sign: str
) -> None:
    """Signs that a terminal obeys, or that turn or hide letters, are neither told nor stored; the file is taken in."""
    path = tmp_path / f"a{sign}b.json"
    path.write_text(json.dumps([vote("a", "True")]))
    entry = ingest(settings, [classifier], [path])["files"][0]
    told = path.name.replace(sign[0], "\ufffd")
    assert (entry["status"], entry["file"]) == ("new", f"{tmp_path}/{told}")
    assert lake(store)["files"][0]["name"] == told
    path.unlink()
    with pytest.raises(UsageError) as gone:
        ingest(settings, [classifier], [path])
    assert gone.value.where == entry["file"]


def test_the_checks_leave_their_counts(settings: Settings, store: Store, classifier: Classifier, export: Path) -> None:
    """reports/checks holds the outcome of every expectation under the file's digest, as JSON and as a page."""
    ingest(settings, [classifier], [export])
    digest = lake(store)["files"][0]["digest"]
    told = json.loads((settings.reports / "checks" / f"{digest[:12]}.json").read_text())
    assert (told["file"], told["rows"], told["kept"]) == (digest, 4, 3)
    outcomes = {(check["expectation"], check["column"]): check["unexpected"] for check in told["checks"]}
    assert outcomes[("expect_column_values_to_be_in_set", "label 0")] == 1
    assert outcomes[("expect_compound_columns_to_be_unique", "file, question, text_id, annotator")] == 0
    assert outcomes[("expect_column_values_to_be_between", "broken")] == 0
    page = (settings.reports / "checks" / f"{digest[:12]}.html").read_text()
    assert "3 of 4 rows kept, 1 refused" in page
    assert "The label is one of those that are known" in page


def test_the_page_of_a_file_shows_nothing_of_it(
    settings: Settings, classifier: Classifier, vote: Callable[..., Any], written: Callable[..., Path]
) -> None:
    """Neither the page nor the JSON has a text, a label, an annotator, or the file's name; and no script."""
    tasks = [vote("<script>alert(1)</script>", "True", person=f"anna{n}", identifier=f"C{n}") for n in range(3)]
    ingest(settings, [classifier], [written("kathaschulze.json", [*tasks, vote("b", "<b>onerror=", person="berta")])])
    for path in (settings.reports / "checks").iterdir():
        told = path.read_text()
        for hidden in ("alert", "<script", "onerror", "anna", "berta", "kathaschulze", "http"):
            assert hidden not in told.replace("http-equiv", "")


def test_an_id_that_a_spreadsheet_rounded_is_refused(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Different stories must not become one because their ids lost their last digits; "1e5" is an id like another."""
    rounded = ["3,49819E+18", "3.49819E+18", "3.498187238895925e+18", "3.498187238895925e18", "3E+18"]
    rounded += ["3498187238895924847.0"]
    whole = ["1e5", "1E+5", "00123", "CyMAe_tufcR", "3E18", "3498187238895924847", "9007199254740991.0", "77.0"]
    path = written("x.csv", "nr;body\n" + "".join(f"{one};Text {n}\n" for n, one in enumerate([*rounded, *whole])))
    entry = ingest(settings, [classifier], [path], columns={"post_id": "nr", "text": "body"})["files"][0]
    assert (entry["kept"], entry["refused"]) == (len(whole), len(rounded))
    assert sorted(store.read("texts")["post_id"]) == sorted(one.removesuffix(".0") for one in whole)
    assert "a spreadsheet has rounded the id" in entry["why"][0]


@pytest.mark.parametrize("error", ["#NAME?", "#WERT!", "#DIV/0!"])
def test_what_a_spreadsheet_took_for_a_formula_is_refused(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path], error: str
) -> None:
    """Ids and texts that begin with - or = are an error's name once they were saved from Excel: different posts would
    be one, and different texts the same."""
    path = written("x.csv", f"nr,body\n{error},Eins\n2x,{error}\n3x,Drei\n4x,Was heißt {error} hier\n")
    entry = ingest(settings, [classifier], [path], columns={"post_id": "nr", "text": "body"})["files"][0]
    assert (entry["kept"], entry["refused"]) == (2, 2)
    assert sorted(store.read("texts")["post_id"]) == ["3x", "4x"]
    assert all("a spreadsheet has replaced the" in why for why in entry["why"])


@pytest.mark.parametrize("column", ["text_id", "post_id"])
def test_a_float_has_lost_the_digits_of_a_long_id(
    tmp_path: Path, take: Callable[..., Any], store: Store, column: str
) -> None:
    """A Parquet column of floats, and a number in JSON that was one, keep 15 digits: longer ids are refused."""
    ids = pa.array([3498187238895924847.0, 12345.0, None])
    pq.write_table(pa.table({"nr": ids, "body": ["eins", "zwei", "drei"]}), tmp_path / "x.parquet")
    (tmp_path / "x.json").write_text('[{"nr": 3.498187238895925e+18, "body": "vier"}, {"nr": 67890.0, "body": "fünf"}]')
    columns = {column: "nr", "text": "body"}
    found = [entry for name in ("x.parquet", "x.json") for entry in take(tmp_path / name, columns=columns)]
    assert [(entry["kept"], entry["refused"]) for entry in found] == [(2, 1), (1, 1)]
    assert all("a spreadsheet has rounded the id" in entry["why"][0] for entry in found)
    assert {"12345", "67890"} <= set(store.read("texts")[column])


@pytest.mark.parametrize(("how", "flat"), [({"was_cancelled": True}, False), ({"result": []}, True)])
def test_a_vote_can_be_taken_back(
    take: Callable[..., Any], store: Store, written: Callable[..., Path], vote: Callable[..., Any], how: Any, flat: bool
) -> None:
    """An annotation that its annotator skipped or emptied later is an abstention from then on, and stays one when the
    older export comes again. One that was skipped before the vote, a stranger's, an undated one change nothing."""
    task = vote("Geht wählen!", "True", identifier="C1-Caption")
    other = vote("Geht wählen!", "True", person=8, identifier="C1-Caption")
    assert take(written("then.json", [task, other]))[0]["annotations"] == 2

    def again(name: str, *whose: tuple[int, str | None]) -> Any:
        if not flat:
            about = {"identifier": "C1-Caption", **how}
            rows = [vote("Geht wählen!", "True", person=who, updated_at=at, **about) for who, at in whose]
            return take(written(name, [*rows, vote("Neu", "False", identifier=f"{name}-Caption")]))[0]
        head = "annotation_id,annotator,Call to Action,created_at,id,lead_time,updated_at,Identifier,Text\n"
        lines = [f"1,{who},,{at or ''},1,3,{at or ''},C1-Caption,Geht wählen!\n" for who, at in whose]
        return take(written(name, f"{head}{''.join(lines)}2,7,False,2024-11-12,2,3,2024-11-12,{name}-Caption,Neu\n"))[0]

    assert "withdrawn" not in again("others", (7, "2024-11-11T10:00:00Z"), (9, "2024-11-13"), (7, None))
    assert again("back", (7, "2024-11-13T10:00:00Z"))["withdrawn"] == 1
    assert take(written("once more.json", [task, {**other, "id": 5}]))[0]["outdated"] == 1
    votes = store.read("annotations", {"text_id": "instagram:C1:caption"}).set_index("annotator")["label"]
    assert votes.to_dict() == {"7": "abstain", "8": "call"}
    assert store.read("texts", {"text_id": "instagram:C1:caption"})["text"].tolist() == ["Geht wählen!"]


def test_an_answer_that_json_min_no_longer_has_is_taken_back(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Where two questions are asked, a row without the key of one of them is an answer that was taken off."""
    asked = [classifier, classifier.model_copy(update={"name": "attack", "question": "Attack"})]

    def row(day: int, text: str, **answers: str) -> dict[str, Any]:
        return {"id": 1, "Text": text, "annotator": 7, "annotation_id": 1, "updated_at": f"2024-11-{day}", **answers}

    ingest(settings, asked, [written("a", [row(10, "Wählt!", **{"Call to Action": "True"}, Attack="False")])])
    now = [row(11, "Wählt!", Attack="False"), row(11, "Neu", **{"Call to Action": "False"})]
    (entry,) = ingest(settings, asked, [written("b", now)])["files"]
    assert (entry["rows"], entry["refused"], entry["withdrawn"]) == (2, 0, 1)
    votes = store.read("annotations").sort_values(["classifier", "label"])[["classifier", "label"]]
    assert votes.to_numpy().tolist() == [["attack", "no_call"], ["calls", "abstain"], ["calls", "no_call"]]


def test_a_skipped_task_takes_back_a_vote_once(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path], vote: Callable[..., Any]
) -> None:
    """An export that comes again, or whose refused rows are tried again, undoes no vote that arrived after it, though
    that one has no date."""
    skipped = vote("Geht wählen!", None, identifier="C1-Caption")
    path = written("then.json", [skipped, vote("Neu", "False", identifier="C2-Caption")])
    ingest(settings, [classifier], [path])
    frame = "Text,Identifier,coder,from_name,value\nGeht wählen!,C1-Caption,7,Call to Action,True\n"
    ingest(settings, [classifier], [written("now.csv", frame)])
    (entry,) = ingest(settings, [classifier], [path])["files"]
    assert entry["status"] == "unchanged"
    quarantine(settings, [classifier], "ingest")
    votes = store.read("annotations").set_index("text_id")["label"]
    assert votes.to_dict() == {"instagram:C1:caption": "call", "instagram:C2:caption": "no_call"}


def test_a_skipped_task_takes_back_no_answer_to_another_question(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path], vote: Callable[..., Any]
) -> None:
    """An export is of one project: whoever skips a text there has said nothing of what another project asks."""
    attack = classifier.model_copy(update={"name": "attack", "question": "Attack"})
    ask = {"question": "Attack", "identifier": "C1-Caption"}
    ingest(settings, [classifier, attack], [written("a", [vote("Geht wählen!", "True", identifier="C1-Caption")])])
    ingest(settings, [classifier, attack], [written("b", [vote("Geht wählen!", "True", **ask)])])
    skipped = vote("Geht wählen!", None, updated_at="2024-11-14T10:00:00Z", was_cancelled=True, **ask)
    ingest(settings, [classifier, attack], [written("c", [skipped, vote("Neu", "False", question="Attack")])])
    votes = store.read("annotations", {"text_id": "instagram:C1:caption"}).set_index("classifier")["label"]
    assert votes.to_dict() == {"calls": "call", "attack": "abstain"}


def test_an_answer_that_is_taken_off_beside_another_is_taken_back(
    take: Callable[..., Any], store: Store, written: Callable[..., Path], vote: Callable[..., Any]
) -> None:
    """Who answers two questions and later takes the one answer off has no vote on it any more, though the other one
    stands; it is no refused row. Where the export answers our question nowhere it is of another project."""

    def both(asked: str | None, at: str) -> Any:
        task = vote("Geht wählen!", "SPD", question="Party", identifier="C1-Caption", updated_at=at)
        more = vote("Geht wählen!", asked)["annotations"][0]["result"]
        task["annotations"][0]["result"] += more
        return task

    take(written("then.json", [both("True", "2024-11-12T10:00:00Z")]))
    take(written("other project.json", [both(None, "2024-11-13T10:00:00Z")]))
    assert store.read("annotations")["label"].tolist() == ["call"]
    neighbour = vote("Neu", "False", identifier="C2-Caption")
    (entry,) = take(written("now.json", [both(None, "2024-11-13T11:00:00Z"), neighbour]))
    assert (entry["rows"], entry["refused"], entry["withdrawn"]) == (1, 0, 1)
    votes = store.read("annotations").set_index("text_id")["label"]
    assert votes.to_dict() == {"instagram:C1:caption": "abstain", "instagram:C2:caption": "no_call"}


def test_votes_wait_for_a_classifier_whose_file_is_broken(
    settings: Settings, store: Store, classifier: Classifier, dropped: Callable[..., Path], vote: Callable[..., Any]
) -> None:
    """What others can read is taken and the file stays in the inbox, wherever it lies; once the classifier file is
    mended its votes are taken too. Posts never wait."""
    attack = classifier.model_copy(update={"name": "attack", "question": "Attack"})
    both = [vote("Geht wählen!", "True", identifier="C1"), vote("Geht wählen!", "False", 7, "C1", question="Attack")]
    files = [dropped("annotations", "v.json", both), dropped("posts", "w.json", both[1:])]
    posts = dropped("posts", "p.csv", f"{FOURCAT}CA,2024-11-01,Hallo,x,https://www.instagram.com/p/CA\n")
    result = ingest(settings, [classifier], broken=["attack.toml: not valid TOML"])
    assert ([path.exists() for path in files], posts.exists()) == ([True, True], False)
    assert len(result["waiting"]) == 2
    assert "attack.toml: not valid TOML" in str(refused(result))
    assert ingest(settings, [classifier, attack])["files"][0]["annotations"] == 1
    assert [path.exists() for path in files] == [False, False]
    assert sorted(store.read("annotations")["classifier"]) == ["attack", "calls"]


def test_what_takes_the_place_of_something_else_is_counted(
    settings: Settings, store: Store, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """A table whose ids are those of another table replaces its texts and votes: that is said, not hidden."""
    columns = {"text_id": "id", "text": "t", "label": "l", "annotator": "a"}
    ingest(
        settings, [classifier], [written("a.csv", "id,t,l,a\n1,Geht wählen,ja,7\n2,Schön,nein,7\n")], columns=columns
    )
    entry = ingest(
        settings, [classifier], [written("b.csv", "id,t,l,a\n1,Kuchen,nein,7\n3,Neu,ja,7\n")], columns=columns
    )
    assert (entry["files"][0]["replaced"], entry["files"][0]["recast"]) == (1, 1)


def test_authors_are_read_as_people_write_them(
    settings: Settings, store: Store, classifier: Classifier, zeeschuimer: Callable[..., str], written: Any
) -> None:
    """Blanks, an @, capitals in the header and another delimiter do no harm; the table fills in what is stored."""
    ingest(settings, [classifier], [written("a", zeeschuimer("C1", "eins"))])
    authors = written("authors.csv", "\ufeffParty;Author\n SPD ; @KathaSchulze \nCDU;\n")
    assert ingest(settings, [classifier], [], authors=authors)["parties"] == 1
    assert store.read("texts")["party"].tolist() == ["SPD"]


def test_the_demos_campaign_is_not_mixed_in_unnoticed(
    settings: Settings, classifier: Any, written: Any, caplog: Any
) -> None:
    """In a home in which the demo has run a warning says that its texts count along; the demo itself says nothing."""
    settings.home.mkdir(parents=True, exist_ok=True)
    settings.sampled.touch()
    file = written("posts.csv", FOURCAT + "A1,A1,Geht wählen,amt,2024-10-30 15:42:29,\n")
    ingest(replace(settings, preset="demo"), [classifier], [file])
    assert "invented campaign" not in caplog.text
    ingest(settings, [classifier], [file])
    assert "invented campaign" in caplog.text


def test_what_is_no_file_in_the_inbox_is_told(
    settings: Settings,
    classifier: Classifier,
    dropped: Callable[..., Path],
    written: Callable[..., Path],
    zeeschuimer: Callable[..., str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A folder and a link are warned of and stay, whole or dangling; hidden and unfinished ones mean nothing."""
    dropped("posts", "a.ndjson", zeeschuimer("C1", "eins"))
    for name in ("export", ".hidden", "b.part"):
        (settings.inbox_posts / name).mkdir()
    (settings.inbox_posts / "link").symlink_to(written("elsewhere.ndjson", zeeschuimer("C2", "zwei")))
    (settings.inbox_posts / "nowhere").symlink_to("gone")
    toml = written("classifiers/calls.toml", "")
    assert status(replace(settings, classifiers=toml.parent), classifier)["inbox_no_files"] == 3
    with caplog.at_level("WARNING"):
        entries = ingest(settings, [classifier])["files"]
    assert [entry["file"] for entry in entries] == ["a.ndjson"]
    assert [record.getMessage() for record in caplog.records] == [
        "folders and links in the inbox are not taken in, put their files there: export, link, nowhere"
    ]
    assert len(list(settings.inbox_posts.iterdir())) == 5
