"""The lake on real Delta tables: what add, put and read promise."""

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aufruf import delta, upkeep
from aufruf.arrow import as_arrow, schema_of
from aufruf.errors import AufrufError, DataRefused
from aufruf.schemas import TABLES, Annotation, Label, Prediction, Text
from aufruf.store import Store

NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
EARLIER = datetime(2026, 8, 1, 12, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "lake"))


def label(text_id: str, value: str | None = "call", classifier: str = "calls") -> Label:
    return Label(classifier, text_id, value, 2, 1.0, "majority", NOON)


def vote(text_id: str, value: str, at: datetime | None) -> Annotation:
    return Annotation("calls", text_id, "Ada", value, at, "f")


def labels(store: Store, version: int | None = None) -> dict[str, str | None]:
    rows = store.read("labels", version=version)
    return dict(zip(rows["text_id"], rows["label"], strict=True))


def test_opening_creates_nothing(tmp_path):
    """A store that is only looked at leaves no folder behind, and an absent table reads as no rows."""
    store = Store(str(tmp_path / "lake"))
    rows = store.read("labels")
    assert (store.version("labels"), store.count("labels"), len(rows)) == (None, 0, 0)
    assert list(rows.columns) == schema_of("labels").names
    assert not (tmp_path / "lake").exists()


def test_add_inserts_only_new_keys(store):
    """A key that is there keeps its row; only new keys are counted and written."""
    assert store.add("labels", [label("a"), label("b")]) == 2
    assert store.add("labels", [label("b", "no_call"), label("c")]) == 1
    assert labels(store) == {"a": "call", "b": "call", "c": "call"}


def test_put_overwrites_known_keys(store):
    """A key that is there takes the new row, whole."""
    store.add("labels", [label("a"), label("b")])
    assert store.put("labels", [label("b", None), label("c")]) == 2
    assert labels(store) == {"a": "call", "b": None, "c": "call"}


def test_change_brings_back_no_row(store):
    """A key that is there takes the new row; one that is not stays away, also where there is no table."""
    assert store.change("labels", [label("a")]) == 0
    store.add("labels", [label("a"), label("b")])
    assert store.change("labels", [label("b", None), label("c")]) == 1
    assert labels(store) == {"a": "call", "b": None}


@pytest.mark.parametrize("known", [True, False])
def test_what_was_allowed_before_a_mark_is_not_written_after_it(store, known):
    """Whoever marks a table makes a writer ask again, whether it overwrites a row or adds one."""
    store.add("labels", [label("a"), label("b")] if known else [label("a")])
    asked = []

    def allowed(rows):
        asked.append(len(rows))
        if len(asked) > 1:
            return rows[:1]
        store.mark("labels")
        return rows

    assert store.put("labels", [label("c"), label("b", None)], allowed=allowed) == 1
    assert asked == [2, 2]
    assert labels(store) == {"a": "call", "c": "call"} | ({"b": "call"} if known else {})


@pytest.mark.parametrize(
    ("first", "second", "stays"),
    [(EARLIER, NOON, "second"), (NOON, EARLIER, "first"), (NOON, NOON, "second"), (None, EARLIER, "second")],
)
def test_newer_never_goes_back_in_time(store, first, second, stays):
    """With ``newer`` an older row never replaces a newer one; equal or unknown times do."""
    store.put("annotations", [vote("a", "first", first)], newer="annotated_at")
    store.put("annotations", [vote("a", "second", second)], newer="annotated_at")
    assert store.read("annotations")["label"].tolist() == [stays]


def test_the_newest_of_one_batch_stays(store):
    """Of several rows with one key in one batch the newest stays, in whatever order they come."""
    batch = [vote("a", "newest", NOON), vote("a", "dateless", None), vote("a", "older", EARLIER)]
    assert store.put("annotations", batch, newer="annotated_at") == 1
    assert store.read("annotations")["label"].tolist() == ["newest"]


def test_of_duplicates_in_one_batch_the_last_stays(store):
    """Two rows of one key in one batch are one row: the later one."""
    assert store.add("labels", [label("a", "no_call"), label("a", "call")]) == 1
    assert labels(store) == {"a": "call"}


@pytest.mark.parametrize("odd", ["it's", "'; drop table t; --", "' or '1'='1", 'say "hi"', "back\\slash", "ü🗳️\n", ""])
def test_values_are_data(store, odd):
    """Quotes, SQL, emoji and line breaks in a value are matched as they are, and match nothing else."""
    store.add("labels", [label(odd), label("plain")])
    assert store.read("labels", {"text_id": odd})["text_id"].tolist() == [odd]
    assert store.count("labels", {"text_id": odd}) == 1
    assert store.count("labels") == 2


def test_conditions_are_met_together(store):
    """Several columns must all match; a list means any of its values; an empty list matches nothing."""
    store.add("labels", [label("a"), label("b"), label("a", classifier="types")])
    assert len(store.read("labels", {"classifier": "calls", "text_id": ["a", "zz"]})) == 1
    assert len(store.read("labels", {"text_id": []})) == 0


@pytest.mark.parametrize("count", [500, 501, 4000])
def test_long_lists(store, count):
    """A list of any length selects the same rows as a short one."""
    store.add("labels", [label(f"t{n}") for n in range(5000)])
    wanted = [f"t{n}" for n in range(count)]
    found = store.read("labels", {"text_id": wanted, "classifier": "calls"}, columns=["label", "text_id"])
    assert list(found.columns) == ["label", "text_id"]
    assert set(found["text_id"]) == set(wanted)


def test_a_map_comes_back_as_a_dict(store):
    """Probabilities by label survive the way to the disk and back, order and value."""
    odds = {"no_call": 0.25, "call": 0.75}
    store.add("predictions", [Prediction("calls", "a", "d", "1", "call", odds, True, NOON, "run")])
    [row] = store.read("predictions").to_dict("records")
    assert (row["probabilities"], row["confident"], row["scored_at"]) == (odds, True, NOON)


def test_missing_values_come_back_as_none(store):
    """A text that is not there is None, never "nan" or an empty string."""
    text = Text("a", None, "Hallo", "caption", None, None, None, "", None, None, "d", "g", "f")
    store.put("texts", [text])
    [row] = store.read("texts").to_dict("records")
    assert (row["post_id"], row["party"]) == (None, "")
    assert row["posted_at"] is pd.NaT


def test_a_past_version_reads_as_it_was(store):
    """What a run has seen can be read again by version, after the table has moved on."""
    store.add("labels", [label("a")])
    seen = store.version("labels")
    store.put("labels", [label("a", "no_call"), label("b")])
    assert labels(store, seen) == {"a": "call"}
    assert labels(store) == {"a": "no_call", "b": "call"}


def test_add_at_writes_only_on_the_version_it_saw(store):
    """Whoever worked from a version that is no longer the newest writes nothing, and is told."""
    assert store.add_at("labels", [label("a")], None) == 1
    seen = store.version("labels")
    store.add("labels", [label("b")])
    assert store.add_at("labels", [label("c")], seen) is None
    assert labels(store) == {"a": "call", "b": "call"}


def test_two_writers_of_one_key_leave_one_row(store):
    """A merge that was planned before another writer's commit is planned again: the key stays one row."""
    store.add("labels", [label(f"{n:03}") for n in range(9)])
    planned = delta.merger(store._open("labels"), as_arrow("labels", [label("new", "call")]), "labels")
    store.put("labels", [label("new", "no_call")])
    with pytest.raises(CommitFailedError):
        planned.when_matched_update_all().when_not_matched_insert_all().execute()
    assert store.count("labels", {"text_id": "new"}) == 1


@pytest.mark.parametrize("write", [Store.add, Store.put])
def test_what_another_writer_brings_meanwhile_is_not_doubled(store, monkeypatch, write):
    """A row that arrives between the look at the keys and the commit is seen at a second look; the others are added."""
    look, raced = delta.unknown, list[int]()

    def slow(*of):
        found = look(*of)
        raced.append(found.num_rows)
        if len(raced) == 1:
            Store(store.uri).add("labels", [label("new", "no_call")])
        return found

    store.add("labels", [label("old")])
    monkeypatch.setattr(delta, "unknown", slow)
    assert write(store, "labels", [label("new"), label("more")]) == (1 if write is Store.add else 2)
    assert raced == [2, 1, 1]  # the other writer's own look among them
    assert labels(store) == {"old": "call", "new": "no_call" if write is Store.add else "call", "more": "call"}


def test_adding_what_is_known_makes_no_version(store):
    """A step that is repeated leaves the table as it was, its version too."""
    store.add("labels", [label("a"), label("b")])
    seen = store.version("labels")
    assert store.add("labels", [label("b", "no_call")]) == 0
    assert store.add_at("labels", [label("a")], seen) == seen
    assert store.version("labels") == seen


def writing(store: Store, how: str):
    """What a writer does that has read the table as it is now, once it goes on: add, or overwrite what is there."""
    found = store._open("labels")
    if how == "append":
        rows = as_arrow("labels", [label("more")])
        return lambda: delta.append(found, rows)
    merge = delta.merger(found, as_arrow("labels", [label("more"), label("stays", "no_call")]), "labels")
    return merge.when_matched_update_all().when_not_matched_insert_all().execute


def test_a_purge_takes_what_a_stopped_writer_has_left(store):
    """Delta leaves the file of a commit that failed, and of a writer that was killed: rows nobody would look for."""
    store.add("labels", [label("stays")])
    folder, asked = Path(store.uri, "labels"), []

    def allowed(rows):
        asked.append(len(asked))
        if len(asked) == 1:
            store.mark("labels")  # somebody is being forgotten between the question and the commit
            return rows
        return []

    assert store.put("labels", [label("forgotten")], allowed=allowed) == 0
    (folder / "part-00000-killed.parquet").write_bytes(b"forgotten")
    (folder / "part-00001-killed.parquet#1").write_bytes(b"forgotten")
    assert len(list(folder.glob("*.parquet*"))) == 4
    store.purge("labels")
    assert len(list(folder.glob("*.parquet*"))) == 1
    assert labels(store) == {"stays": "call"}


@pytest.mark.parametrize("later", [0, 12])
@pytest.mark.parametrize("how", ["append", "merge"])
def test_a_purge_lets_no_writer_write_into_the_past(store, how, later):
    """Whoever has read the table before a purge is told to look again: nothing is lost, nothing removed comes back."""
    store.add("labels", [label("goes"), label("stays")])
    go_on = writing(store, how)
    store.delete("labels", pd.DataFrame({"text_id": ["goes"]}))
    store.purge("labels")
    for number in range(later):
        store.add("labels", [label(f"later{number}")])
    before = labels(store)
    with pytest.raises(DeltaError):
        go_on()
    assert labels(store) == before
    assert "goes" not in before


def test_the_numbers_of_versions_that_a_purge_has_ended_stay_taken(store, monkeypatch):
    """A commit is a file that must not be there yet: after a purge a late writer finds no number free but the next.

    Only those of long ago, which no writer can be at, are given up.
    """
    monkeypatch.setattr(upkeep, "_TAKEN", 4)
    for number in range(9):
        store.add("labels", [label(f"t{number}")])
    for _ in range(2):
        store.purge("labels")
        newest = store.version("labels")
        entries = sorted(int(path.stem) for path in Path(store.uri, "labels", "_delta_log").glob("*.json"))
        assert entries == list(range(newest - 4, newest + 1))
    assert store.vacuum("labels", 0, dry_run=True) == 0
    assert len(labels(store)) == 9
    assert store.add("labels", [label("more")]) == 1
    assert store.version("labels") == newest + 1
    store.put("labels", [label("more", "no_call")])
    assert store.vacuum("labels", 0) > 0
    assert len(labels(store)) == 10


@pytest.mark.parametrize("write", [Store.add, Store.put])
def test_a_writer_that_a_purge_disturbs_looks_again(store, monkeypatch, write):
    """The files that it reads are gone: it reads the table anew, and its rows arrive."""
    store.add("labels", [label("goes"), label("stays")])
    look, seen = delta.unknown, list[int]()

    def disturbed(found, *of):
        seen.append(found.version())
        if len(seen) == 1:
            other = Store(store.uri)
            other.delete("labels", pd.DataFrame({"text_id": ["goes"]}))
            other.purge("labels")
        return look(found, *of)

    monkeypatch.setattr(delta, "unknown", disturbed)
    assert write(store, "labels", [label("more")]) == 1
    assert labels(store) == {"stays": "call", "more": "call"}
    assert len(seen) == 2


def test_an_older_program_adds_to_a_table_with_a_column_that_it_does_not_know(store):
    """The column stays, and is empty in its rows."""
    store.add("labels", [label("a")])
    wider = as_arrow("labels", [label("b")]).append_column("mood", pa.array(["glad"]))
    write_deltalake(f"{store.uri}/labels", wider, mode="append", schema_mode="merge")
    assert store.add("labels", [label("c")]) == 1
    assert labels(store) == {"a": "call", "b": "call", "c": "call"}
    found = DeltaTable(f"{store.uri}/labels")
    told = pa.table(QueryBuilder().register("t", found).execute("select text_id, mood from t order by text_id"))
    assert told["mood"].to_pylist() == [None, "glad", None]


@pytest.mark.parametrize("start", ["ü" * 70, "x" * 200, "🗳" * 40, "\uffff" * 50])
def test_long_keys_are_found_again(store, start):
    """Keys that differ only behind what a file's statistics keep of them are still told apart and found."""
    rows = [label(f"{start}{n}") for n in range(700)]
    assert (store.put("labels", rows), store.put("labels", rows), store.count("labels")) == (700, 700, 700)
    assert len(store.read("labels", {"text_id": [row.text_id for row in rows]})) == 700


def test_an_older_table_gains_the_new_column(store):
    """A table written before a column was thought of reads with nothing there, and takes it with the next rows."""
    added = ["seconds", "group_id", "why", "first", "first_file"]
    old = pa.schema([field for field in schema_of("annotations") if field.name not in added])
    DeltaTable.create(f"{store.uri}/annotations", schema=old)
    assert list(store.read("annotations").columns[-5:]) == added
    vote = Annotation("calls", "a", "7", "call", None, "f")
    assert store.put("annotations", [vote]) == 1
    assert store.put("annotations", [replace(vote, annotator="8", seconds=4.5)]) == 1
    assert store.read("annotations").set_index("annotator")["seconds"].fillna(-1).to_dict() == {"7": -1, "8": 4.5}


def test_distinct_combinations(store):
    """Each combination that occurs comes once; an absent table has none."""
    assert store.distinct("labels", ["how", "votes"]).empty
    store.add("labels", [label("a"), label("b")])
    assert len(store.distinct("labels", ["how", "votes"])) == 1


def test_no_rows_make_no_version(store):
    """Adding nothing writes nothing: a version stands for a change."""
    store.add("labels", [label("a")])
    before = store.version("labels")
    assert (store.add("labels", []), store.put("labels", [])) == (0, 0)
    assert store.version("labels") == before


def test_an_unknown_table_is_named(store):
    """A table that no noun describes is refused, and the known ones are listed."""
    with pytest.raises(AufrufError, match=r"no table 'lables'.*labels"):
        store.version("lables")


@pytest.mark.parametrize("table", list(TABLES))
def test_every_noun_is_a_table(store, table):
    """Each noun has a schema, and its key is among its columns and never empty."""
    schema = schema_of(table)
    assert set(TABLES[table].KEY) <= set(schema.names)
    assert not any(schema.field(name).nullable for name in TABLES[table].KEY)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text(max_size=5), st.sampled_from(["call", "no_call", None])), max_size=8))
def test_put_is_a_dictionary(tmp_path_factory, rows):
    """Whatever keys and values are put one after the other, the table holds what a dictionary would."""
    store = Store(str(tmp_path_factory.mktemp("lake")))
    rows = [(key.encode("utf-8", "replace").decode(), value) for key, value in rows]
    for key, value in rows:
        store.put("labels", [label(key, value)])
    assert labels(store) == dict(rows)


WRITER = """
import sys
from datetime import UTC, datetime
from aufruf.schemas import Label
from aufruf.store import Store

store, writer = Store(sys.argv[1]), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
for n in range(5):
    names = [f"shared-{n}", f"{writer}-{n}"]
    store.add("labels", [Label("calls", name, "call", 2, 1.0, "majority", datetime.now(UTC)) for name in names])
"""


def test_concurrent_writers_lose_nothing(store):
    """Two processes that add to one table at once: every row arrives, shared keys once."""
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, store.uri, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(2)
    ]
    for one in writers:
        assert one.stdout.readline() == "ready\n"
    for one in writers:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in writers:
        one.communicate(timeout=120)
    assert [one.returncode for one in writers] == [0, 0]
    found = sorted(store.read("labels")["text_id"])
    assert found == sorted([f"shared-{n}" for n in range(5)] + [f"{w}-{n}" for w in range(2) for n in range(5)])


def test_what_is_deleted_is_gone_and_the_rest_stays(store):
    """Rows that equal one of the given in the given columns go; others, and rows of other tables, stay."""
    store.add("labels", [label("a"), label("b"), label("a", classifier="other"), label("c'")])
    assert store.delete("labels", pd.DataFrame({"text_id": ["a", "a", "c'", "not there"]})) == 3
    assert labels(store) == {"b": "call"}
    assert store.delete("labels", pd.DataFrame({"text_id": []}, dtype=object)) == 0
    assert store.delete("texts", pd.DataFrame({"text_id": ["a"]})) == 0


def test_purged_rows_are_nowhere_in_the_lake(store, tmp_path):
    """After a purge no file of the table holds a deleted value, not even a log; the table goes on counting versions."""

    def holding() -> list[str]:
        return [path.name for path in (tmp_path / "lake").rglob("*.*") if b"secret-a" in path.read_bytes()]

    for number in range(3):
        store.add("labels", [label("secret-a"), label(f"b{number}")])
    store.delete("labels", pd.DataFrame({"text_id": ["secret-a"]}))
    before = store.version("labels")
    assert {name.rpartition(".")[2] for name in holding()} == {"json", "parquet"}
    store.purge("labels")
    assert holding() == []
    assert store.version("labels") > before
    assert store.add("labels", [label("c")]) == 1
    assert set(labels(store)) == {"b0", "b1", "b2", "c"}
    with pytest.raises(DataRefused, match="version 1 of the table labels is kept no longer"):
        store.read("labels", version=1)


@pytest.mark.parametrize(
    "asked",
    [
        lambda store: store.read("labels"),
        lambda store: store.distinct("labels", ["label"]),
        lambda store: store.count("labels", {"label": "call"}),
        lambda store: list(store.query("select text_id from labels", "labels")),
    ],
    ids=["read", "distinct", "count", "query"],
)
@pytest.mark.parametrize("spoilt", ["_delta_log/*.json", "*.parquet"])
def test_a_lake_that_cannot_be_read_says_so(store, tmp_path, asked, spoilt):
    """Whatever asks a damaged table fails with a sentence that names it, and may be tried again; never with a trace."""
    store.add("labels", [label("one")])
    for file in tmp_path.rglob(f"labels/{spoilt}"):
        file.write_bytes(b"{")
    with pytest.raises(AufrufError, match=r"the lake cannot be read \(labels\)") as found:
        asked(store)
    assert found.type is AufrufError


def test_a_question_writes_only_where_a_table_is_absent(store, tmp_path, monkeypatch):
    """A table that is there is read where it lies: a reader that is killed leaves nothing in the folder for drafts."""
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    store.add("labels", [label("a")])
    there = store.query("select count(*) as n from labels", "labels")
    absent = store.query("select count(*) as n from texts", "texts")
    assert (next(there)["n"][0].as_py(), list(drafts.iterdir())) == (1, [])
    assert (next(absent)["n"][0].as_py(), len(list(drafts.iterdir()))) == (0, 1)
    absent.close()
    assert list(drafts.iterdir()) == []
