"""An archive of a home, and homes made of it."""

import io
import json
import os
import shutil
import sqlite3
import sys
import tarfile
import time
from contextlib import closing
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread

import pytest

from aufruf.cli import main
from aufruf.errors import DataRefused, UsageError
from aufruf.release.registry import CHAMPION, Registry
from aufruf.settings import Settings
from aufruf.stack import processes
from aufruf.steps import backup as backing_up
from aufruf.steps.backup import _outside, backup
from aufruf.steps.champion import champion, crown
from aufruf.steps.restore import move, restore
from aufruf.steps.score import score
from aufruf.store import Store


def elsewhere(after, home: Path) -> Settings:
    return replace(Settings.load(home, env={}), classifiers=after.settings.classifiers)


def members(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as tar:
        return {one.name: tar.extractfile(one).read() for one in tar.getmembers()}


def written(archive: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w") as tar:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return archive


def test_an_installation_lives_on_at_another_place(after, tmp_path):
    """With the old home gone: every table as it was, the same champion, nothing to score anew, and new texts scored."""
    archive, new = tmp_path / "night.tar", elsewhere(after, tmp_path / "moved" / "home")
    tables = {name: after.store.read(name) for name in ("texts", "labels", "splits", "predictions", "decisions")}
    made = backup(after.settings, archive)
    shutil.rmtree(after.settings.home)
    found = restore(new, archive)
    assert (found["files"], found["tables"]) == (made["files"], made["tables"])
    assert {path.stat().st_mode & 0o777 for path in new.raw.iterdir()} == {0o444}  # as they were taken in
    for name, rows in tables.items():
        key = sorted(rows.columns)
        as_it_is = Store(new.lake).read(name)[key].astype(str).sort_values(key).values.tolist()
        assert as_it_is == rows[key].astype(str).sort_values(key).values.tolist(), name
    champion = Registry(new, "call_to_action").by_alias(CHAMPION)
    assert champion.version == "1"
    assert str(new.home) in champion.source
    moved = replace(after, settings=new)
    assert score(new, after.classifier)["scored"] == 0
    [text_id] = moved.posts("Kommt am Samstag alle zum Infostand!")
    assert score(new, after.classifier)["scored"] == 1
    assert [row["model_version"] for row in moved.predictions(text_id=text_id)] == ["1"]


@pytest.mark.parametrize("below", ["restored", "my home #1"])
def test_an_installation_lives_on_below_its_old_home(after, tmp_path, below):
    """Where a home is a disk of its own there is no other place on it; a space or # is written as addresses have it."""
    archive, new = tmp_path / "night.tar", elsewhere(after, after.settings.home / below)
    backup(after.settings, archive)
    shutil.rmtree(after.settings.home)
    restore(new, archive)
    champion = Registry(new, "call_to_action").by_alias(CHAMPION)
    assert champion.source.startswith(f"{new.home.as_uri()}/mlflow/")
    moved = replace(after, settings=new)
    [text_id] = moved.posts("Kommt am Samstag alle zum Infostand!")
    assert score(new, after.classifier)["scored"] == 1
    assert [row["model_version"] for row in moved.predictions(text_id=text_id)] == ["1"]


WAYS = [("/x/var", "/x/var/new"), ("/x/var/old", "/x/var"), ("/x/my var", "/x/my var/r#1"), ("/x/var", "/y/my var")]


@pytest.mark.parametrize(("old", "new"), WAYS)
def test_paths_and_addresses_are_moved_once(tmp_path, old, new):
    """Whichever home lies in the other, each as it is written; what is no text, or of a neighbour's, stays."""
    others = [7, None, f"{old}2/mlflow/c"]
    with closing(sqlite3.connect(tmp_path / "a.db")) as db, db:
        db.execute("create table runs (uri)")
        told = [f"{Path(old).as_uri()}/mlflow/a", f"{old}/mlflow/b", *others]
        db.executemany("insert into runs values (?)", [(one,) for one in told])
    move(tmp_path / "a.db", old, new)
    with closing(sqlite3.connect(tmp_path / "a.db")) as db:
        found = [uri for (uri,) in db.execute("select uri from runs")]
    assert found == [f"{Path(new).as_uri()}/mlflow/a", f"{new}/mlflow/b", *others]


def test_what_can_be_made_again_stays_out(after, tmp_path):
    """No copies of models, checkpoints, logs; only the owner reads it; what is kept elsewhere is named."""
    for name in ("bundles/x/model.safetensors", "runs/x/a", "logs/scheduler.log", "airflow/logs/a.log", "stack.json"):
        path = after.settings.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x", "utf-8")
    made = backup(after.settings, tmp_path / "a.tar")
    names = members(tmp_path / "a.tar")
    assert {name.partition("/")[0] for name in names} & {"bundles", "runs", "logs", "stack.json"} == set()
    assert not any(name.startswith("airflow/logs") for name in names)
    assert {name for name in names if name.endswith(".db")} == {"mlflow/mlflow.db"}
    assert (tmp_path / "a.tar").stat().st_mode & 0o777 == 0o600
    assert made["outside"][-1] == f"classifier files: {after.settings.classifiers}"
    assert outside(after.settings) == ["Airflow", "secrets", "classifier files"]  # its logs alone are here
    (after.settings.airflow / "airflow.db").touch()
    assert outside(after.settings) == ["classifier files"]


def outside(settings: Settings) -> list[str]:
    return [one.partition(":")[0] for one in _outside(settings)]


def test_airflow_lies_elsewhere_where_the_home_has_its_logs_alone(tmp_path):
    """Of several machines, wherever studies are; an embedded stack has it, and what is none has no Airflow."""
    settings = Settings.load(tmp_path, {"AUFRUF_LAKE": "s3://campaign/lake", "AUFRUF_STUDIES": "postgresql://a@b/c"})
    assert outside(settings) == ["lake", "studies", "classifier files"]
    settings.airflow.mkdir()
    assert outside(settings) == ["lake", "studies", "Airflow", "secrets", "classifier files"]
    (settings.airflow / "airflow.db").touch()
    assert outside(settings) == ["lake", "studies", "classifier files"]


def test_a_registry_elsewhere_is_said_to_be_outside(tmp_path):
    """An MLflow server, or a SQLite file that is not the home's: neither is in the archive."""
    uris = {"http://mlflow.example:5000": "MLflow server", f"sqlite:///{tmp_path}/elsewhere.db": "SQLite file"}
    for uri, kind in uris.items():
        settings = Settings.load(tmp_path / "home", {"MLFLOW_TRACKING_URI": uri})
        assert _outside(settings)[0] == f"models and runs: the {kind} that MLFLOW_TRACKING_URI names"


def test_links_are_said_to_be_outside(tmp_path):
    """Folders and files that lie on another disk: where they lead; the lake once, and nothing of what is left out."""
    home, disk = tmp_path / "home", tmp_path / "disk"
    for name in ("reports", "inbox/posts", "lake", "runs"):
        (disk / name).mkdir(parents=True)
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).symlink_to(disk / name)
    (disk / "a.csv").touch()
    (home / "raw").mkdir()
    (home / "raw" / "a.csv").symlink_to(disk / "a.csv")
    made = backup(Settings.load(home, env={}), tmp_path / "a.tar")
    told = {one.partition(": ")[::2] for one in made["outside"][:-1]}
    links = {"inbox/posts": "inbox/posts", "raw/a.csv": "a.csv", "reports": "reports"}
    assert told == {("lake", str(disk / "lake")), *((name, f"a link to {disk / to}") for name, to in links.items())}
    assert set(members(tmp_path / "a.tar")) == {"manifest.json"}


def test_an_inbox_that_is_a_link_is_in_the_archive(tmp_path):
    """It is read itself, as a home that is one is."""
    home, disk = tmp_path / "home", tmp_path / "disk"
    (disk / "posts").mkdir(parents=True)
    (disk / "posts" / "a.csv").touch()
    home.mkdir()
    (home / "inbox").symlink_to(disk)
    made = backup(Settings.load(home, env={}), tmp_path / "a.tar")
    assert set(members(tmp_path / "a.tar")) == {"inbox/posts/a.csv", "manifest.json"}
    assert len(made["outside"]) == 1


def test_it_is_made_while_others_write(after, tmp_path):
    """Posts that arrive meanwhile are in it or not, each whole: the restored lake opens, and its log fits its data."""
    stop, count = Event(), [0]

    def arriving() -> None:
        while not stop.is_set():
            after.posts(f"Text {count[0]}", start=100 + count[0])
            count[0] += 1

    writer = Thread(target=arriving)
    writer.start()
    try:
        while count[0] < 2:
            time.sleep(0.01)
        made = backup(after.settings, tmp_path / "a.tar")
    finally:
        stop.set()
        writer.join()
    new = elsewhere(after, tmp_path / "new")
    found = restore(new, tmp_path / "a.tar")
    texts = Store(new.lake).read("texts")
    assert found["tables"]["texts"] >= made["tables"]["texts"]
    arrived = int(texts["text_id"].str.startswith("new:").sum())
    assert 2 <= arrived <= count[0]
    assert len(texts) == texts["text_id"].nunique()


@pytest.mark.parametrize("fault", ["changed", "missing", "too many", "cut", "outside", "no manifest", "no archive"])
def test_an_archive_that_is_not_whole_restores_nothing(after, tmp_path, fault):
    """One file changed, gone, added or outside of the home: it is refused, and the home is not there."""
    archive = tmp_path / "a.tar"
    backup(after.settings, archive)
    content = members(archive)
    model = next(name for name in content if name.endswith("model.safetensors"))
    if fault == "cut":
        archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    elif fault == "no archive":
        archive.write_text("no tar", "utf-8")
    else:
        content |= {
            "changed": {model: content[model][:-1] + b"?"},
            "too many": {"airflow/more.py": b"x"},
            "outside": {"../outside.txt": b"x"},
        }.get(fault, {})
        gone = {"missing": model, "no manifest": "manifest.json"}.get(fault)
        written(archive, {name: data for name, data in content.items() if name != gone})
    new = elsewhere(after, tmp_path / "new")
    with pytest.raises(DataRefused, match="Nothing was restored"):
        restore(new, archive)
    assert not new.home.exists()
    assert not (tmp_path / "outside.txt").exists()
    assert list(tmp_path.glob(".*")) == []


DAMAGED = {
    "a list": [],
    "files in a list": {"files": []},
    "a file without digest": {"files": {"a": {"bytes": 1}}},
    "a digest that is none": {"files": {"a": {"bytes": 1, "sha256": "../a"}}},
    "a file elsewhere": {"files": {"/etc/a": {"bytes": 1, "sha256": "0" * 64}}},
    "a file above": {"files": {"../a": {"bytes": 1, "sha256": "0" * 64}}},
    "no home": {"home": None},
    "a home that is no path": {"home": "home"},
    "no time": {"made_at": 5},
    "outside is a word": {"outside": "lake"},
}


@pytest.mark.parametrize("fault", DAMAGED)
def test_a_manifest_of_another_shape_restores_nothing(tmp_path, fault):
    """Made by hand or damaged, it is refused with a sentence, whatever stands in it, and the home is not there."""
    whole = {"home": "/old", "made_at": "2026-11-26", "outside": [], "tables": {}, "files": {}}
    about = whole | DAMAGED[fault] if isinstance(DAMAGED[fault], dict) else DAMAGED[fault]
    archive = written(tmp_path / "a.tar", {"manifest.json": json.dumps(about).encode()})
    with pytest.raises(DataRefused, match="Nothing was restored"):
        restore(Settings.load(tmp_path / "new", env={}), archive)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


@pytest.mark.parametrize("fault", ["link", "twice", "folder", "no database"])
def test_an_archive_of_other_things_restores_nothing(tmp_path, fault):
    """A link, a name that is file and folder, a folder in the manifest's place, a database that is none."""
    files = {"mlflow/mlflow.db": b"no database"} if fault == "no database" else {}
    digests = {name: {"bytes": len(data), "sha256": sha256(data).hexdigest()} for name, data in files.items()}
    about = {"home": "/old", "made_at": "2026-11-26", "outside": [], "files": digests}
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        names = {"link": ["raw/a"], "twice": ["a", "a/b"], "folder": ["manifest.json"]}.get(fault, [])
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.type = {"link": tarfile.SYMTYPE, "folder": tarfile.DIRTYPE}.get(fault, tarfile.REGTYPE)
            entry.linkname = "b"
            tar.addfile(entry)
        for name, data in {**files, "manifest.json": json.dumps(about).encode()}.items():
            if name not in names:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
    new = tmp_path / "new"
    new.mkdir()
    with pytest.raises(DataRefused, match="Nothing was restored"):
        restore(Settings.load(new, env={}), tmp_path / "a.tar")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tar", "new"]
    assert list(new.iterdir()) == []


def test_nothing_is_overwritten(after, tmp_path):
    """A home that holds something, an archive that is there already, one inside of the home: wrong usage, and why."""
    archive = tmp_path / "a.tar"
    backup(after.settings, archive)
    with pytest.raises(UsageError, match="is a file already"):
        backup(after.settings, archive)
    with pytest.raises(UsageError, match="does not lie in what it holds"):
        backup(after.settings, after.settings.home / "a.tar")
    with pytest.raises(UsageError, match="home is not empty"):
        restore(after.settings, archive)
    with pytest.raises(UsageError, match="no such archive"):
        restore(elsewhere(after, tmp_path / "new"), tmp_path / "b.tar")
    with pytest.raises(UsageError, match="nothing to keep"):
        backup(elsewhere(after, tmp_path / "none"), tmp_path / "c.tar")


def test_nothing_is_restored_below_a_stack_that_runs(after, tmp_path):
    """Its processes would write into what takes the place of the home that somebody has moved away."""
    archive, new = tmp_path / "a.tar", tmp_path / "new"
    backup(after.settings, archive)
    env = {**os.environ, processes.MARK: "m", "AUFRUF_HOME": str(new)}
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    child = processes.start(waiting, env, tmp_path / "child.log", tmp_path)
    try:
        with pytest.raises(UsageError, match="a stack of this home is running"):
            restore(elsewhere(after, new), archive)
    finally:
        child.kill()
        child.wait()
    assert restore(elsewhere(after, new), archive)["home"] == str(new)


def test_the_commands_say_what_they_did(after, tmp_path, capfd, monkeypatch):
    """Sentences for people, one object with --json; an empty folder may be the new home."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    archive, new = str(tmp_path / "a.tar"), tmp_path / "new"
    new.mkdir()
    assert main(["backup", archive, "--home", str(after.settings.home)]) == 0
    said = capfd.readouterr().out
    assert said.startswith(f"{archive}: ")
    assert "it holds posts and secrets" in said
    assert "not in it: classifier files: " in said
    assert main(["restore", archive, "--home", str(new), "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["home"] == str(new)
    assert main(["restore", archive, "--home", str(new)]) == 2
    assert "not empty" in capfd.readouterr().err


@pytest.fixture
def before_data(monkeypatch):
    """``before_data(action)``: it happens once, when the logs of the tables are kept and their data are about to be."""
    add, done = backing_up._Kept.add, []

    def last(action):
        def late(self, path, name, place=None):
            if name.endswith(".parquet") and "_delta_log" not in name and not done:
                done.append(name)
                action()
            return add(self, path, name, place)

        monkeypatch.setattr(backing_up._Kept, "add", late)
        return done

    return last


def test_a_champion_made_meanwhile_is_not_a_persons(after, turned, tmp_path, before_data):
    """The gate makes version 2 champion while a large lake is copied. Its alias came with the archive, its row and the
    decision did not: a look at the restored home said that a person had moved it."""
    made, new = after.register_again(turned), elsewhere(after, tmp_path / "new")
    done = before_data(lambda: crown(after.settings, after.classifier, after.registry, made, "gate"))
    backup(after.settings, tmp_path / "a.tar")
    restore(new, tmp_path / "a.tar")
    assert done
    assert champion(new, after.classifier)["model_version"] == "1"
    assert Store(new.lake).read("champions")["how"].tolist() == ["gate"]
