"""Archives that are made while others write to the tables: what is restored claims nothing that is missing."""

import csv
import re
from pathlib import Path

import pytest

from aufruf import hosts
from aufruf.data import inbox
from aufruf.errors import AufrufError, DataRefused, UsageError
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps import backup as backing_up
from aufruf.steps import lake_copy
from aufruf.steps import restore as restoring
from aufruf.steps.backup import backup
from aufruf.steps.forget import forget
from aufruf.steps.ingest import ingest
from aufruf.steps.restore import restore
from aufruf.store import Store

COLUMNS = {"text_id": "id", "text": "said", "author": "who", "post_id": "id"}


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    """Nobody waits before another attempt."""
    monkeypatch.setattr(backing_up.time, "sleep", lambda seconds: None)


@pytest.fixture
def take(settings, classifier, tmp_path):
    """``take(name)``: a file of three posts, two of them by anna, is taken in; how the ingest calls it."""

    def taken(name: str, into: Settings = settings) -> str:
        path = tmp_path / f"{name}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["id", "said", "who"])
            rows.writerows([f"{name}{n}xyz", f"{name} {n}: kommt alle", ["anna", "anna", "berta"][n]] for n in range(3))
        return ingest(into, [classifier], [path], columns=COLUMNS)["files"][0]["status"]

    return taken


@pytest.fixture
def restored(settings, tmp_path):
    """``restored()``: settings of a home made of an archive of the first."""

    def made() -> Settings:
        archive, new = tmp_path / "a.tar", Settings.load(tmp_path / "new", env={})
        made, found = backup(settings, archive), restore(new, archive)
        assert made["tables"] == found["tables"]
        return new

    return made


def meanwhile(monkeypatch, action, table: str, *, data: bool = False, times: int = 1) -> list[str]:
    """Let ``action`` happen, so many times, when the first file of a table - log or data - is about to be kept."""
    add, done = backing_up._Kept.add, []

    def late(self, path, name, place=None):
        mine = [one for one in (*self.files, name) if one.startswith(f"lake/{table}/") and ("_log" in one) != data]
        if mine == [name] and len(done) < times:
            done.append(name)
            action()
        return add(self, path, name, place)

    monkeypatch.setattr(backing_up._Kept, "add", late)
    return done


def test_the_order_names_every_table():
    assert sorted(lake_copy.ORDER) == sorted(TABLES)


@pytest.mark.parametrize("table", ["files", "texts"])
def test_a_file_that_is_taken_meanwhile_can_be_taken_again(settings, take, restored, monkeypatch, table):
    """Whenever it came between the logs, the restored home has its rows, or takes them when the file comes again."""
    take("Erster")
    done = meanwhile(monkeypatch, lambda: take("Zweiter"), table)
    new = restored()
    assert done
    texts = len(Store(new.lake).read("texts"))
    assert (take("Zweiter", new), texts) in (("unchanged", 6), ("new", 3), ("new", 6))
    assert len(Store(new.lake).read("texts")) == 6


@pytest.mark.parametrize(("table", "data"), [("texts", False), ("texts", True), ("files", True), ("files", False)])
def test_an_author_who_is_forgotten_meanwhile_makes_it_begin_again(
    settings, take, restored, monkeypatch, classifier, table, data
):
    """The first copy is given up: in the restored home every table opens, and the author is in none."""
    take("Erster")
    done = meanwhile(monkeypatch, lambda: forget(settings, [classifier], "anna"), table, data=data)
    new = Store(restored().lake)
    assert len(done) == 1
    assert new.read("texts")["author"].tolist() == ["berta"]
    assert new.read("tombstones")["done_at"].notna().all()
    assert len(new.read("tombstones")) == 4


def test_an_end_of_old_versions_makes_it_begin_again(settings, take, restored, monkeypatch):
    """Also where nobody is forgotten."""
    take("Erster")
    take("Zweiter")
    store = Store(settings.lake)
    done = meanwhile(monkeypatch, lambda: store.purge("texts"), "texts")
    assert len(Store(restored().lake).read("texts")) == 6
    assert done


def test_what_is_being_taken_in_is_no_original_yet(settings, take, restored):
    """The private copies of an ingest at work are not in the archive: read-only there, they would end every ingest of
    whoever is not root. Files that end like what stands beside a database are."""
    settings.inbox_posts.mkdir(parents=True)
    (settings.inbox_posts / "tagesschau-journal").write_text("id,said,who\n", "utf-8")
    take("Erster")
    with inbox.workbench(settings.raw) as bench:
        (bench / "copy").write_text("of a file", "utf-8")
        new = restored()
    assert len(list(settings.raw.glob("*.csv"))) == 1
    assert [path.name for path in new.raw.iterdir()] == [path.name for path in settings.raw.iterdir()]
    assert (new.inbox_posts / "tagesschau-journal").is_file()
    assert take("Zweiter", new) == "new"


def test_one_home_is_filled_by_one_restore(settings, take, tmp_path, monkeypatch):
    """Who comes second is told so; it took the first one's folder away, and half of it could become the home."""
    take("Erster")
    backup(settings, tmp_path / "a.tar")
    new, check, second = Settings.load(tmp_path / "new", env={}), restoring._open_tables, []

    def late(*about):
        monkeypatch.setattr(restoring, "_open_tables", check)
        with pytest.raises(UsageError, match="another restore fills this home"):
            restore(new, tmp_path / "a.tar")
        second.append(True)
        return check(*about)

    monkeypatch.setattr(restoring, "_open_tables", late)
    restore(new, tmp_path / "a.tar")
    assert second
    assert len(Store(new.lake).read("texts")) == 3
    assert not list(tmp_path.glob(".*"))


def test_one_archive_is_written_by_one_backup(settings, take, tmp_path, monkeypatch):
    """Who comes second is told so; it took the first one's draft away, and half of its own became the archive."""
    take("Erster")
    second = []

    def late():
        with pytest.raises(UsageError, match="another backup writes this archive"):
            backup(settings, tmp_path / "a.tar")
        second.append(True)

    meanwhile(monkeypatch, late, "texts")
    backup(settings, tmp_path / "a.tar")
    assert second
    assert restore(Settings.load(tmp_path / "new", env={}), tmp_path / "a.tar")["tables"]["texts"] == 1


def test_a_workbench_that_an_archive_of_before_brought_is_cleared(settings, take):
    """All of it is read-only there."""
    bench = settings.raw / f".{hosts.here()}-abc.part"
    bench.mkdir(parents=True)
    for name in ("lock", "copy"):
        (bench / name).touch(0o444)
    assert take("Erster") == "new"
    assert not bench.exists()


def test_tables_that_never_stay_whole_are_no_archive(settings, take, tmp_path, monkeypatch):
    """After five attempts it fails with a sentence, and leaves nothing behind."""
    take("Erster")
    done = meanwhile(monkeypatch, lambda: Store(settings.lake).purge("texts"), "texts", times=99)
    with pytest.raises(AufrufError, match="no whole copy of the tables could be made in 5 attempts"):
        backup(settings, tmp_path / "a.tar")
    assert len(done) == 5
    assert not list(tmp_path.glob("*a.tar*"))


def test_an_archive_whose_log_names_missing_files_restores_nothing(settings, take, tmp_path, monkeypatch):
    """As older versions of aufruf could make one: it is refused with a sentence, and the home is not there."""
    take("Erster")
    next((Path(settings.lake) / "texts").glob("*.parquet")).unlink()
    monkeypatch.setattr(lake_copy, "whole", lambda *_: {})
    backup(settings, tmp_path / "a.tar")
    new = Settings.load(tmp_path / "new", env={})
    with pytest.raises(DataRefused, match="1 of the 1 files of the table texts are gone"):
        restore(new, tmp_path / "a.tar")
    assert not new.home.exists()


def test_of_several_machines_logs_are_copied_in_the_same_order():
    """The lines of docs/backups.md name each table, where an archive has it, and leave the last checkpoint's hint;
    MLflow's database is written where an archive has it, too."""
    page = (Path(__file__).parents[2] / "docs" / "backups.md").read_text("utf-8")
    asked = re.findall(r"^(?:logs ([a-z ]+?)|dump (mlflow)) +#", page, re.MULTILINE)
    assert [database for _, database in asked] == ["", "mlflow", ""]
    names, _, rest = (tables.split() for tables, _ in asked)
    assert (*names, *rest) == lake_copy.ORDER
    assert (names[-1], rest[0]) == ("predictions", "splits")
    [line] = re.findall(r"^ +(aws s3 sync .*_delta_log.*)$", page, re.MULTILINE)
    assert line.split()[-2:] == ["--exclude", "_last_checkpoint"]
