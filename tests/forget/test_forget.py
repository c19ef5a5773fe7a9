"""``aufruf forget``: what goes, what stays, and that nothing comes back."""

import errno
import gzip
import json
import re
import zipfile
from dataclasses import replace
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from mlflow import MlflowClient

from aufruf import cli, phrases
from aufruf.data import unpack
from aufruf.errors import AufrufError, UsageError
from aufruf.reports import day as pages
from aufruf.reports.finding import key_of
from aufruf.reports.index import write_index
from aufruf.schemas import IngestedFile
from aufruf.steps import traces
from aufruf.steps.forget import forget
from aufruf.steps.ingest import ingest
from aufruf.steps.pseudonyms import key_of as home_key
from aufruf.steps.pseudonyms import pseudonym
from aufruf.steps.why import why
from aufruf.store import Store

from .conftest import HERS, NOW, TEXTS, text

OTHERS = sorted(set(TEXTS) - set(HERS))
TABLES_OF_TEXTS = ("texts", "annotations", "labels", "predictions", "explanations")


def run_elsewhere(home, classifier, server):
    """Settings of the home with a tracking server of its own, a client of that, and a new run of the classifier."""
    client = MlflowClient(server.uri)
    known = client.get_experiment_by_name(classifier.name)
    experiment = known.experiment_id if known else client.create_experiment(classifier.name)
    return replace(home, tracking_uri=server.uri), client, client.create_run(experiment).info


def lake_files_holding(settings, *words: str) -> set[str]:
    """Names of tables with a file, log or data, in which one of the words stands."""
    found = set()
    for path in Path(settings.lake).rglob("*.*"):
        held = path.read_bytes()
        if path.suffix == ".parquet" and "_delta_log" not in path.parts:
            held += pd.read_parquet(path).to_csv().encode()
        if any(word.encode() in held for word in words):
            found.add(path.relative_to(settings.lake).parts[0])
    return found


def lake_words(settings, table: str) -> str:
    """All cells of a table as it is now."""
    return Store(settings.lake).read(table).to_csv()


def test_everything_of_an_author_goes(home, one_classifier):
    """Texts - in any spelling of the name, and of the same post without one - go with all that rests on them."""
    done = forget(home, [one_classifier], "@anna_NORD")
    store = Store(home.lake)
    assert done["status"] == "done"
    for table in TABLES_OF_TEXTS:
        assert done[table] == len(HERS)
        assert sorted(store.read(table)["text_id"]) == OTHERS
    assert store.read("authors")["author"].tolist() == ["berta"]
    assert store.read("quarantine")["item"].tolist() == [2]
    assert store.read("files")["name"].tolist() == ["forgotten.json"]


def test_no_version_of_the_lake_holds_it_any_longer(home, one_classifier):
    """Neither name nor words stand in a file of the lake; the ledger alone keeps ids."""
    assert lake_files_holding(home, "anna_nord is", "Marktplatz") == {"texts"}
    forget(home, [one_classifier], "anna_nord")
    assert lake_files_holding(home, "Anna_Nord", "ANNA_NORD", "Marktplatz", "Stadthalle", "Wahllokalen") == set()
    assert lake_files_holding(home, *HERS) == {"splits"}


def test_a_dry_run_changes_nothing_and_says_the_same(home, one_classifier, original):
    """Its counts are those of the run that follows; tables, pages and originals are as before."""
    before = {path: path.read_bytes() for path in home.home.rglob("*") if path.is_file()}
    would = forget(home, [one_classifier], "anna_nord", raw=True, dry_run=True)
    assert {path: path.read_bytes() for path in home.home.rglob("*") if path.is_file()} == before
    done = forget(home, [one_classifier], "anna_nord", raw=True)
    assert would == {**done, "status": "would be done"}


def test_a_pseudonym_names_an_author(home, one_classifier):
    """What a report calls an account can be handed to forget; another home's pseudonym finds nobody."""
    name = pseudonym(home_key(home), "anna_nord")
    assert re.fullmatch(r"author-[0-9a-f]{12}", name)
    assert forget(home, [one_classifier], "author-000000000000")["status"] == "nothing to do"
    assert forget(home, [one_classifier], name)["texts"] == len(HERS)


def test_asking_again_finds_nothing_to_do(home, one_classifier):
    """The second time nothing is counted, deleted or written."""
    forget(home, [one_classifier], "anna_nord")
    version = Store(home.lake).version("texts")
    assert forget(home, [one_classifier], "anna_nord")["status"] == "nothing to do"
    assert Store(home.lake).version("texts") == version
    with pytest.raises(UsageError, match="no author is named"):
        forget(home, [one_classifier], " @ ")


def test_a_command_that_broke_off_is_finished(home, one_classifier, monkeypatch):
    """Killed after the texts were deleted, the next one still makes an end of their old versions."""

    def killed(self, table):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "purge", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(home, [one_classifier], "anna_nord")
    assert "texts" in lake_files_holding(home, "Marktplatz")
    assert forget(home, [one_classifier], "anna_nord")["status"] == "done"
    assert lake_files_holding(home, "Marktplatz") == set()


def test_originals_are_named_and_deleted_only_when_asked(home, one_classifier, original):
    """An original with a row of the author is listed; with ``raw`` it goes whole, and others stay."""
    assert forget(home, [one_classifier], "anna_nord", dry_run=True)["remains"]["originals"] == [str(original)]
    done = forget(home, [one_classifier], "anna_nord", raw=True)
    assert done["originals_deleted"] == [str(original)]
    assert [path.name[0] for path in home.raw.iterdir()] == ["1"]


def test_a_column_that_was_named_for_authors_tells_whose_a_row_is(home, one_classifier, tmp_path):
    """Whatever it is called: its refused rows go, and the original that holds nothing else of theirs is named."""
    path = tmp_path / "members.csv"
    path.write_text("Mitglied;Beitrag\nanna_nord;\nberta;Guten Morgen zusammen\n", "utf-8")
    ingest(home, [one_classifier], [path], columns={"author": "Mitglied", "text": "Beitrag"})
    assert "Mitglied" in lake_words(home, "quarantine")
    done = forget(home, [one_classifier], "anna_nord")
    assert done["quarantine"] == 2
    assert [Path(one).parent for one in done["remains"]["originals"]] == [home.raw]
    assert "Mitglied" not in lake_words(home, "quarantine")


@pytest.mark.parametrize("typed", ["J\u00fcrgen", "ju\u0308rgen", "@J\u00dcRGEN"])
@pytest.mark.parametrize("written", ["J\u00fcrgen", "Ju\u0308rgen"])
def test_an_accent_is_the_same_however_it_is_written(home, one_classifier, typed, written):
    """As one character or as two, by whoever typed it and in the table; in names of files too."""
    store = Store(home.lake)
    store.add("texts", [text("instagram:DDDDDD1:caption", written, "Heute am Stand vor der Halle")])
    store.add("files", [IngestedFile("f2", "", f"{written}.csv", "table", "posts", 1, 1, 0, "new", "", NOW)])
    done = forget(home, [one_classifier], typed)
    assert (done["texts"], done["files_renamed"]) == (1, [f"{written}.csv"])


def test_what_was_pruned_before_is_forgotten_too(home, one_classifier):
    """Old versions hold it until they are too old themselves: they end, and its page goes; nothing comes back."""
    store, gone = Store(home.lake), pd.DataFrame({"text_id": HERS})
    for table in TABLES_OF_TEXTS:
        store.delete(table, gone)
    store.delete("quarantine", store.read("quarantine", columns=["file", "item"]))
    store.delete("authors", pd.DataFrame({"author": ["anna_nord"]}))
    page = home.reports / "call_to_action" / "2025-02-17" / "texts" / f"{key_of(HERS[0])}.html"
    page.parent.mkdir(parents=True)
    page.write_text("<p>Geht am Sonntag wählen", "utf-8")
    assert forget(home, [one_classifier], "anna_nord", dry_run=True)["past"] == 3
    done = forget(home, [one_classifier], "anna_nord")
    assert (done["status"], done["past"], done["texts"]) == ("done", 3, 0)
    assert "3 texts of old versions alone" in phrases.told("forget", done)[0]
    assert lake_files_holding(home, "Nachbarn mit zum Marktplatz", "Anna_Nord") == set()
    assert not page.exists()
    assert store.read("texts")["text_id"].tolist() == OTHERS
    assert forget(home, [one_classifier], "anna_nord")["status"] == "nothing to do"


def test_packed_files_are_looked_into(home, one_classifier):
    """In the inbox, and refused: a ZIP and a gzip stream with rows of the author, one of others, some that stay closed,
    one that has the author in the name of a folder. What was unpacked is gone."""
    rows = {name: json.dumps({"id": "x1", "user": name, "body": "Hallo"}).encode() for name in ("ANNA_NORD", "berta")}
    folder = home.home / "inbox" / "refused"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "both.zip", "w") as both, zipfile.ZipFile(folder / "others.zip", "w") as others:
        both.writestr("berta.ndjson", rows["berta"])
        both.writestr("more/rest.ndjson", rows["ANNA_NORD"])
        others.writestr("berta.ndjson", rows["berta"])
        others.writestr("picture.jpg", b"\xff\xd8\xff anna_nord")
    with zipfile.ZipFile(folder / "named.zip", "w") as named:
        named.writestr("anna_nord/2025.ndjson", rows["berta"])
    (folder / "packed.ndjson.gz").write_bytes(gzip.compress(rows["ANNA_NORD"]))
    (folder / "broken.ndjson.gz").write_bytes(gzip.compress(rows["ANNA_NORD"] * 99)[:60])
    (folder / "others.7z").write_bytes(b"7z\xbc\xaf\x27\x1c\0\4" + bytes(range(256)))
    remains = forget(home, [one_classifier], "anna_nord")["remains"]
    assert [Path(one).name for one in remains["originals"]] == ["both.zip", "named.zip", "packed.ndjson.gz"]
    closed = [str(folder / name) for name in ("broken.ndjson.gz", "others.7z")]
    assert remains["unopened"] == closed
    done = forget(home, [one_classifier], "anna_nord", raw=True)
    assert sorted(path.name for path in folder.iterdir()) == ["broken.ndjson.gz", "others.7z", "others.zip"]
    assert done["remains"]["unopened"] == closed
    assert [path for path in home.raw.iterdir() if path.name.startswith(".")] == []


def test_a_name_that_a_file_happens_to_have_proves_nothing(home, one_classifier, original):
    """An account called like an ending, or like a part of a file's name or digest, takes no original with it."""
    named = home.home / "inbox" / "spd-json-00.csv"
    named.parent.mkdir(parents=True)
    named.write_text("author,text\ncarla,Guten Morgen\n", "utf-8")
    for name in ("json", "csv", "00", "spd", "spd-json-00"):
        done = forget(home, [one_classifier], name, raw=True)
        assert (done["originals_deleted"], done["remains"]["unopened"]) == ([], []), name
    assert original.exists()
    assert named.exists()


def test_without_room_to_unpack_a_file_counts_as_unopened(home, one_classifier, monkeypatch):
    """A full disk stops nothing: the file is named."""
    folder = home.home / "inbox"
    folder.mkdir(parents=True)
    (folder / "packed.csv.gz").write_bytes(gzip.compress(b"author,text\nanna_nord,Hallo\n"))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpack._Packing, "write", full)
    assert forget(home, [one_classifier], "anna_nord")["remains"]["unopened"] == [str(folder / "packed.csv.gz")]


def test_tables_that_lose_no_row_keep_their_past(home, one_classifier, original):
    """The ledger is never touched; asked for the originals later, no table loses its old versions once more."""
    store = Store(home.lake)
    before = store.version("splits")
    forget(home, [one_classifier], "anna_nord")
    store.put("texts", [text("instagram:BBBBBB3:caption", "berta", "Noch ein Text über Brücken und Wege.")])
    version = store.version("texts")
    assert forget(home, [one_classifier], "anna_nord", raw=True)["status"] == "done"
    assert (store.version("texts"), store.version("splits")) == (version, before)
    assert len(store.read("texts", version=version - 1)) == 2


def test_copies_and_artifacts_are_said_to_remain(home, one_classifier):
    """A text of another account that says the same, and a run's file that names a text, are counted and left."""
    Store(home.lake).add("texts", [text("instagram:EEEEEE1:caption", "carla", TEXTS[HERS[0]][1])])
    left = home.mlflow / "artifacts" / "mismatches.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps([{"text_id": HERS[0]}]), "utf-8")
    (left.parent / "metrics.json").write_text(json.dumps({"f1": 0.5}), "utf-8")
    remains = forget(home, [one_classifier], "anna_nord")["remains"]
    assert (remains["copies"], remains["artifacts"]) == (1, [str(left)])
    assert "instagram:EEEEEE1:caption" in set(Store(home.lake).read("texts")["text_id"])


def test_files_of_a_tracking_server_elsewhere_are_looked_into(home, one_classifier, mlflow_server):
    """A run's file that names a text is named by its address, however the server keeps it; other files are not."""
    elsewhere, client, run = run_elsewhere(home, one_classifier, mlflow_server)
    client.log_dict(run.run_id, [{"text_id": HERS[0]}], "tables/mismatches.json")
    client.log_dict(run.run_id, {"f1": 0.5}, "tables/metrics.json")
    remains = forget(elsewhere, [one_classifier], "anna_nord", dry_run=True)["remains"]
    assert remains["artifacts"] == [f"{run.artifact_uri}/tables/mismatches.json"]


def test_files_that_cannot_be_had_stop_it_before_anything_goes(home, one_classifier, mlflow_server):
    """With a store that has lost a file the command fails and says so; the texts are still there."""
    elsewhere, client, run = run_elsewhere(home, one_classifier, mlflow_server)
    client.log_dict(run.run_id, {"text_id": HERS[0]}, "lost.json")
    served = next(mlflow_server.folder.joinpath("served").rglob("lost.json"))
    served.unlink()
    served.symlink_to("nowhere")
    with pytest.raises(AufrufError, match="cannot be looked into"):
        forget(elsewhere, [one_classifier], "anna_nord")
    served.unlink()
    assert set(Store(home.lake).read("texts")["text_id"]) >= set(HERS)


def test_what_was_forgotten_does_not_come_back(home, one_classifier, tmp_path):
    """Collected again, the same posts are left out and counted; other posts, also of the author's, are taken."""
    forget(home, [one_classifier], "anna_nord")
    path = tmp_path / "again.csv"
    rows = [{"id": one, "post": one.split(":")[1], "who": "anna_nord", "said": "Neu gesagt"} for one in HERS]
    rows += [{"id": "instagram:AAAAAA2:transcript", "post": "AAAAAA2", "who": None, "said": "Nur zu hören"}]
    rows += [{"id": "instagram:CCCCCC1:caption", "post": "CCCCCC1", "who": "anna_nord", "said": "Etwas Neues"}]
    pd.DataFrame(rows).assign(where="instagram").to_csv(path, index=False)
    columns = {"text_id": "id", "post_id": "post", "author": "who", "text": "said", "platform": "where"}
    [entry] = ingest(home, [one_classifier], [path], columns=columns)["files"]
    assert (entry["forgotten"], entry["posts"]) == (4, 1)
    assert sorted(Store(home.lake).read("texts")["text_id"]) == sorted([*OTHERS, "instagram:CCCCCC1:caption"])
    assert "4 texts were forgotten" in phrases.told("ingest", {"files": [entry]})[0]


def test_why_says_that_a_text_was_forgotten(home, one_classifier):
    """Asked for by its id it is told as forgotten, also where a refused row mentions it, and nothing is advised; an id
    that was never there is not."""
    forget(home, [one_classifier], "anna_nord")
    told = why(home, one_classifier, HERS[0])
    assert (told["state"], told["next"]) == ("forgotten", "")
    assert why(home, one_classifier, "instagram:ZZZZZZ9:caption")["state"] == "not there"


def test_a_table_that_names_no_platform_does_not_bring_posts_back(home, one_classifier, tmp_path):
    """Its texts may be of any post of their number. One of another platform with such a number is another post's."""
    forget(home, [one_classifier], "anna_nord")
    rows = [{"post": one, "said": "Neu gesagt"} for one in ("AAAAAA1", "AAAAAA2", "CCCCCC1")]
    for name, more in (("none.csv", {}), ("other.csv", {"where": "tiktok"})):
        pd.DataFrame(rows).assign(**more).to_csv(tmp_path / name, index=False)
    columns = {"post_id": "post", "text": "said"}
    [entry] = ingest(home, [one_classifier], [tmp_path / "none.csv"], columns=columns)["files"]
    assert (entry["forgotten"], entry["posts"]) == (2, 1)
    columns["platform"] = "where"
    [entry] = ingest(home, [one_classifier], [tmp_path / "other.csv"], columns=columns)["files"]
    assert ("forgotten" in entry, entry["posts"]) == (False, 3)


def test_votes_for_a_forgotten_text_do_not_come_back(home, one_classifier, tmp_path):
    """A vote that arrives again with its text is left out as well."""
    forget(home, [one_classifier], "anna_nord")
    path = tmp_path / "votes.csv"
    said = [{"id": one, "said": "Geht wählen", "is": "1", "by": "Ada"} for one in [HERS[0], OTHERS[0]]]
    pd.DataFrame(said).to_csv(path, index=False)
    ingest(home, [one_classifier], [path], columns={"text_id": "id", "text": "said", "label": "is", "annotator": "by"})
    assert sorted(Store(home.lake).read("annotations")["text_id"]) == OTHERS


def test_tombstones_say_of_nobody(home, one_classifier):
    """They hold hashes with a salt and times, one for each text and two for each post, with its platform and without;
    a second author shares the salt."""
    forget(home, [one_classifier], "anna_nord")
    forget(home, [one_classifier], "berta")
    rows = Store(home.lake).read("tombstones")
    assert len(rows) == 5 + 2 * 4
    assert rows["salt"].nunique() == 1
    assert rows["tomb"].str.fullmatch("[0-9a-f]{64}").all()
    assert rows["done_at"].notna().all()
    assert not {"Anna", "anna", "AAAAAA1"} & set(re.split(r"\W", rows.to_csv()))


@pytest.fixture
def report_page(home, day_with):
    return day_with(home.reports / "call_to_action" / "2025-02-17")


@pytest.fixture
def day_with():
    """Writes a day's pages that show one text of each account, the one beside the other as its neighbour."""

    def write(folder: Path) -> Path:
        near = [pages.Neighbour(HERS[2], TEXTS[HERS[2]][1], "no_call", 0.3)]
        found = [
            pages.Finding(
                one, TEXTS[one][1], "P", TEXTS[one][0], "caption", NOW, "call", 0.9, True, "call", None, None, near
            )
            for one in (HERS[0], OTHERS[0])
        ]
        model = pages.ModelCard("1", "run", None, "tiny", None, {}, {}, 0, 0.5, NOW, 256)
        on = date(2025, 2, 17)
        day = pages.DayReport("call_to_action", "call", on, NOW, model, None, 2, 2, on, 2, 0, {}, [], found, 2, [])
        return pages.write(folder, day)

    return write


def test_report_pages_forget_too(home, one_classifier, report_page):
    """Her card and page go, the other account's stay without her as neighbour; other pages with her words go."""
    other = home.reports / "call_to_action" / "words.html"
    marked = TEXTS[HERS[2]][1].replace("schönen", "<mark>schönen</mark>")
    other.write_text(f"<p>{marked}</p>", "utf-8")
    table = home.reports / "call_to_action" / "as-of-1.csv"
    table.write_text(f"text_id,text\n{HERS[1]},x\n", "utf-8")
    unrelated = home.reports / "call_to_action" / "audit.html"
    unrelated.write_text("<p>833 texts</p>", "utf-8")
    done = forget(home, [one_classifier], "anna_nord")
    texts = report_page.parent / "texts"
    assert set(done["pages_deleted"]) == {str(texts / f"{key_of(HERS[0])}.html"), str(other), str(table)}
    assert set(done["pages_rewritten"]) == {str(report_page), str(texts / f"{key_of(OTHERS[0])}.html")}
    left = {path: path.read_text("utf-8") for path in home.reports.rglob("*.*")}
    assert set(left) == {report_page, texts / f"{key_of(OTHERS[0])}.html", unrelated}
    for page in left.values():
        assert not re.search("AAAAAA|Nachbarn mit|Stadthalle", page)
    assert "Infostand" in left[report_page]
    assert "A text was removed on request." in left[report_page]


def test_no_link_leads_to_a_page_that_went(home, one_classifier, day_with, monkeypatch):
    """Days of others lose the link to the page on words, also to one written meanwhile; the list those to what went."""
    folder = home.reports / "call_to_action"
    days = [day_with(folder / day) for day in ("2025-02-17", "2025-02-18")]
    words, tasks = folder / "words" / "index.html", folder / "queue" / "tasks.json"
    link = ' <a href="../words/index.html">Words</a></nav>'

    def written() -> None:
        for path in (words, tasks):
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(TEXTS[HERS[0]][1], ensure_ascii=False), "utf-8")
        for day in days:
            day.write_text(day.read_text("utf-8").replace("</nav>", link, 1), "utf-8")
        write_index(folder, "call_to_action")

    def links() -> list[bool]:
        index = (folder / "index.html").read_text("utf-8")
        return [link in day.read_text("utf-8") for day in days] + [one in index for one in ("words/", "queue/")]

    written()
    real = Store.put

    def closing(self, table, rows, *args, **more):
        real(self, table, rows, *args, **more)
        if table == "tombstones":
            written()

    assert all(links())
    monkeypatch.setattr(Store, "put", closing)
    done = forget(home, [one_classifier], "anna_nord")
    assert {str(words), str(tasks)} <= set(done["pages_deleted"])
    assert not words.exists()
    assert not any(links())


def test_marks_in_posts_hide_no_row_between_them(home, one_classifier):
    """One post has "<3", a later one "->": an export and a run's table are looked through as the text that they are."""
    rows = f"text_id,text\nx,Wir <3 Brücken\n{HERS[0]},y\nz,Mehr -> im Profil\n"
    table = home.reports / "call_to_action" / "predictions-1.csv"
    left = home.mlflow / "artifacts" / "errors.csv"
    for path in (table, left):
        path.parent.mkdir(parents=True)
        path.write_text(rows, "utf-8")
    done = forget(home, [one_classifier], "anna_nord")
    assert (done["pages_deleted"], done["remains"]["artifacts"]) == ([str(table)], [str(left)])


def test_large_files_are_looked_into_piece_by_piece(home, one_classifier, monkeypatch):
    """An export larger than any page, whose row of theirs lies across two pieces, goes; memory is that of a piece."""
    monkeypatch.setattr(traces, "_LARGEST", 1000)
    monkeypatch.setattr(traces, "_PIECE", 512)
    table = home.reports / "call_to_action" / "predictions-1.csv"
    table.parent.mkdir(parents=True)
    table.write_text("x" * (512 * 9 - 5) + HERS[0] + "x" * 9000, "utf-8")
    assert forget(home, [one_classifier], "anna_nord")["pages_deleted"] == [str(table)]


def test_what_is_not_looked_into_is_named(home, one_classifier):
    """Weights of a run, a workbook and a foreign table among the reports: none is passed over without a word."""
    reports = home.reports / "call_to_action"
    reports.mkdir(parents=True)
    pd.DataFrame({"words": ["a"]}).to_parquet(reports / "words.parquet")
    (reports / "copy.xlsx").write_bytes(b"PK")
    weights = home.mlflow / "artifacts" / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"\0")
    done = forget(home, [one_classifier], "anna_nord")
    assert done["remains"]["unopened"] == [str(reports / "copy.xlsx"), str(reports / "words.parquet")]
    assert done["remains"]["unread"] == [str(weights)]
    assert "not looked into: 1 file of runs" in "\n".join(phrases.told("forget", done))


def test_an_account_called_like_a_party_takes_nobody_with_it(home, one_classifier, original):
    """Rows that name the account as a party, and pages that name the party, are not the account's."""
    store = Store(home.lake)
    store.put("texts", [text("instagram:DDDDDD1:caption", "SPD", "Nur ein kurzer Satz über das Wetter von heute.")])
    row = json.dumps({"author": "berta", "party": "SPD", "text": ""})
    store.put("quarantine", store.read("quarantine").assign(row=row))
    page = home.reports / "call_to_action" / "agreement.html"
    page.parent.mkdir(parents=True)
    page.write_text("<bdi>SPD</bdi>", "utf-8")
    done = forget(home, [one_classifier], "spd")
    assert (done["texts"], done["quarantine"], done["pages_deleted"]) == (1, 0, [])
    assert page.exists()


def test_from_the_shell(home, one_classifier, capfd, monkeypatch):
    """With --json it prints one object, without it sentences, and exits 0; no name is wrong usage."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(home.classifiers))
    place = ["--home", str(home.home)]
    assert cli.main(["forget", "anna_nord", "--dry-run", "--json", *place]) == 0
    assert json.loads(capfd.readouterr().out)["texts"] == len(HERS)
    assert cli.main(["forget", "anna_nord", *place]) == 0
    assert "3 texts, 3 annotations" in capfd.readouterr().out
    assert cli.main(["forget", "anna_nord", *place]) == 0
    assert "nothing to do" in capfd.readouterr().out
    assert cli.main(["forget", "@", *place]) == 2
