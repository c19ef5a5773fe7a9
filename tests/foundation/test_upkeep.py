"""Small files become large ones and old versions go, and nothing else changes: on real tables, beside writers."""

import os
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from aufruf import delta, upkeep
from aufruf.arrow import as_arrow
from aufruf.errors import DataRefused
from aufruf.schemas import Label
from aufruf.store import Store

WRITER = """
import sys
from datetime import UTC, datetime
from aufruf.schemas import Label
from aufruf.store import Store

store, writer = Store(sys.argv[1]), sys.argv[2]
for n in range(15):
    names = [f"{writer}{n}", "t0"]
    store.put("labels", [Label("calls", name, "call", n, 1.0, "majority", datetime.now(UTC)) for name in names])
"""


@pytest.fixture
def store(tmp_path):
    """Labels that came in 25 commits."""
    store = Store(str(tmp_path / "lake"))
    for n in range(25):
        store.add("labels", [label(f"t{n}")])
    return store


def label(text_id):
    return Label("calls", text_id, "call", 2, 1.0, "majority", datetime.now(UTC))


def files(store):
    return DeltaTable(f"{store.uri}/labels").file_uris()


def rows(store, version=None):
    return store.read("labels", version=version).sort_values("text_id", ignore_index=True)


def test_a_table_of_a_newer_program_is_refused(store):
    """A program that would misread it neither reads nor writes it, and says why; tables of before have no layout."""
    table = DeltaTable(f"{store.uri}/labels")
    assert table.metadata().configuration[upkeep.LAYOUT] == "1"
    version = store.version("labels")
    table.alter.set_table_properties({upkeep.LAYOUT: "2"}, raise_if_not_exists=False)
    for ask in (store.read, store.count, lambda name: store.put(name, [label("new")])):
        with pytest.raises(DataRefused, match="newer aufruf"):
            ask("labels")
    assert DeltaTable(f"{store.uri}/labels").version() == version + 1
    table.alter.set_table_properties({upkeep.LAYOUT: "0"}, raise_if_not_exists=False)
    assert len(store.read("labels")) == 25


def add_at(store, table, new):
    """What a writer does that has worked from the newest version."""
    assert store.add_at(table, new, seen := store.version(table)) == store.version(table)
    assert store.version(table) == seen + 1  # of the layout: the row is there


@pytest.mark.parametrize("write", [Store.add, Store.put, Store.change, add_at])
def test_an_older_table_gets_the_layout_of_who_writes_to_it(store, monkeypatch, write):
    """Reading leaves it to the older program, which is refused once a newer one has written. Once is enough."""
    version = store.version("labels")
    with monkeypatch.context() as newer:
        newer.setattr(upkeep, "_LAYOUT", 2)
        assert len(rows(store)) == 25
        assert store.version("labels") == version
        write(store, "labels", [label("t0")])
        assert DeltaTable(f"{store.uri}/labels").metadata().configuration[upkeep.LAYOUT] == "2"
        version = store.version("labels")
        assert store.add("labels", [label("t0")]) == 0
        assert store.version("labels") == version
    for ask in (store.read, lambda name: store.add_at(name, [label("new")], version)):
        with pytest.raises(DataRefused, match="newer aufruf"):
            ask("labels")


def test_a_writer_that_raises_the_layout_sees_who_came_first(store, monkeypatch):
    """The version with the new layout is its own, and no other writer's; rows are written on top of that, or none."""
    monkeypatch.setattr(upkeep, "_LAYOUT", 2)
    seen = store.version("labels")
    assert store.add_at("labels", [label("new")], seen) == store.version("labels") == seen + 2

    def plain():
        delta.append(DeltaTable(f"{store.uri}/labels"), as_arrow("labels", [label("others")]))

    for ahead in (lambda: store.add("labels", [label("other")]), lambda: store.mark("labels"), plain):
        monkeypatch.setattr(upkeep, "_LAYOUT", upkeep._LAYOUT + 1)
        opened, seen = upkeep.known, store.version("labels")

        def raced(found, ahead=ahead, opened=opened):
            monkeypatch.setattr(upkeep, "known", opened)
            ahead()
            return opened(found)

        monkeypatch.setattr(upkeep, "known", raced)
        assert store.add_at("labels", [label("late")], seen) is None
    assert "late" not in set(rows(store)["text_id"])
    assert {"new", "other", "others"} < set(rows(store)["text_id"])


@pytest.mark.parametrize("write", [Store.add, Store.put, Store.change])
def test_writing_keeps_files_few(store, monkeypatch, write):
    """With each so many versions the small ones become one, the rows stay, and each version reads as it did."""
    monkeypatch.setattr(upkeep, "_OFTEN", store.version("labels") + 1)
    before, version = rows(store), store.version("labels")
    name = "t0" if write is Store.change else "new"
    assert write(store, "labels", [label(name)]) == 1
    assert (store.version("labels"), len(files(store))) == (version + 2, 1)
    assert set(rows(store)["text_id"]) == {*before["text_id"], name}
    assert rows(store, version).equals(before)
    store.add("labels", [label("newer")])
    assert len(files(store)) == 2


def test_a_ledger_knows_its_version_though_files_become_few(store, monkeypatch):
    """The version that has the rows is told, and who goes on from the newest one writes on."""
    monkeypatch.setattr(upkeep, "_OFTEN", seen := store.version("labels") + 1)
    assert store.add_at("labels", [label("new")], seen - 1) == seen
    assert len(rows(store, seen)) == 26
    assert store.add_at("labels", [label("newer")], seen + 1) == store.version("labels") == seen + 2


def test_what_keeps_files_few_ends_no_write(store, monkeypatch):
    """Another writer may be faster, and a disk full: the row is written once, and said to be."""
    monkeypatch.setattr(upkeep, "_OFTEN", 1)
    optimize = DeltaTable.optimize.fget

    def late(table):
        Store(store.uri).delete("labels", rows(store)[["text_id"]].iloc[:1])
        return optimize(table)

    monkeypatch.setattr(DeltaTable, "optimize", property(late))
    assert store.add("labels", [label("new")]) == 1
    assert len(rows(store)) == 25


def test_many_small_files_become_one(store):
    """The same rows in one file; each version reads as it did; the next time there is nothing to do."""
    before, version = rows(store), store.version("labels")
    assert store.compact("labels", dry_run=True) == len(files(store)) == 25
    assert store.version("labels") == version
    assert store.compact("labels") == 25
    assert len(files(store)) == 1
    assert rows(store).equals(before)
    assert rows(store, version).equals(before)
    assert len(rows(store, 7)) == 7
    assert store.compact("labels") == store.compact("texts") == 0


def test_few_commits_are_read_to_open_a_table(store):
    """Each tenth writes down what there is. A table that was told otherwise is told so when its files are written anew.

    Whoever lacks the checkpoints reads the commits, and sees the same.
    """
    log = Path(store.uri, "labels", "_delta_log")

    def made():
        return sorted(int(path.name[:20]) for path in log.glob("*.checkpoint.parquet"))

    assert made() == [9, 19]
    before = rows(store)
    for path in [*log.glob("*.checkpoint.parquet"), log / "_last_checkpoint"]:
        path.unlink()
    assert rows(store).equals(before)
    table = DeltaTable(f"{store.uri}/labels")
    table.alter.set_table_properties({"delta.checkpointInterval": "100"})
    assert store.compact("labels") == 25
    for n in range(10):
        store.add("labels", [label(f"later{n}")])
    assert made()[-1] % 10 == 9
    assert len(made()) == 2, "of the files that became one, and of ten commits"


def test_few_small_files_stay(tmp_path):
    store = Store(str(tmp_path))
    store.add("labels", [label("a")])
    store.add("labels", [label("b")])
    assert store.compact("labels") == 0
    assert len(files(store)) == 2


def test_writers_beside_it_lose_nothing(store):
    """Two processes insert and overwrite while files are written anew; afterwards each row is there once."""
    command = [sys.executable, "-c", WRITER, store.uri]
    writers, before = [subprocess.Popen([*command, name]) for name in "ab"], store.version("labels")
    compacted = 0
    while any(writer.poll() is None for writer in writers):
        with suppress(CommitFailedError):  # a writer was faster; nothing is lost by that either
            upkeep.compact(f"{store.uri}/labels")
            compacted += 1
    assert compacted > 1
    assert store.version("labels") > before + 30
    assert [writer.wait() for writer in writers] == [0, 0]
    wanted = sorted([*(f"t{n}" for n in range(25)), *(f"{name}{n}" for name in "ab" for n in range(15))])
    assert rows(store)["text_id"].tolist() == wanted
    assert store.read("labels", {"text_id": "t0"})["votes"].tolist() == [14]


def test_what_versions_name_outlives_checkpoints(store):
    """Sixty days later a checkpoint forgets neither the versions nor which files were removed."""
    store.compact("labels")
    then = time.time() - 60 * 86_400
    for path in Path(store.uri, "labels").rglob("*"):
        os.utime(path, (then, then))
    found = DeltaTable(f"{store.uri}/labels")
    found.create_checkpoint()
    found.cleanup_metadata()
    assert len(rows(store, 7)) == 7
    assert store.vacuum("labels", 365, dry_run=True) == 0
    assert store.vacuum("labels", 0) > 0
    assert len(rows(store)) == 25
    with pytest.raises(DataRefused, match="kept no longer"):
        store.read("labels", version=7)


@pytest.mark.parametrize("name", ["part-killed.parquet", "part-killed.parquet#1"])
def test_what_a_killed_writer_left_goes(tmp_path, name):
    """A file that no version names, whole or half, counts and goes once it is old; a writer at work keeps its own.

    What went from the table a moment ago stays, however long ago it was written: versions name it.
    """
    store = Store(str(tmp_path / "of a lake"))
    for n in range(25):
        store.add("labels", [label(f"t{n}")])
    store.compact("labels")
    left = Path(store.uri, "labels", name)
    left.write_bytes(b"half")
    assert store.vacuum("labels", 365) == 0
    assert left.exists()
    then = time.time() - 400 * 86_400
    for path in Path(store.uri, "labels").glob("*"):
        os.utime(path, (then, then))
    assert store.vacuum("labels", 365, dry_run=True) == 4
    assert left.exists()
    assert store.vacuum("labels", 365) == 4
    assert not left.exists()
    assert len(rows(store, 7)) == 7
    left.write_bytes(b"half")
    assert store.vacuum("labels", 0) > 4
    assert left.exists()
    assert len(rows(store)) == 25
