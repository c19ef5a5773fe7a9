"""``aufruf forget`` and the names of files: whose they are, and that no other word takes them away."""

import json
import re
from dataclasses import replace

import pytest

from aufruf import phrases
from aufruf.schemas import IngestedFile
from aufruf.steps.forget import forget
from aufruf.store import Store

from .conftest import NOW

FILE = IngestedFile("f1", "", "", "table", "posts", 5, 5, 0, "new", "", NOW)


@pytest.fixture
def names(home):
    """Names that hold an account's, whole or within a word; asked again, the names as they are now."""
    store = Store(home.lake)
    files = ("anna_nord_2025.csv", "joanna_north.csv", "berta.csv", "Anna_Nord.zip/posts.json")
    store.put("files", [replace(FILE, digest=f"d{at}", name=name) for at, name in enumerate(files)])
    return lambda: set(Store(home.lake).read("files")["name"])


def test_a_name_within_a_word_is_not_the_account_s(home, one_classifier, names):
    """What is renamed is said, before and after; nothing else is."""
    would = forget(home, [one_classifier], "anna_nord", dry_run=True)
    assert sorted(would["files_renamed"]) == ["Anna_Nord.zip/posts.json", "anna_nord.json", "anna_nord_2025.csv"]
    done = forget(home, [one_classifier], "anna_nord")
    assert done["files_renamed"] == would["files_renamed"]
    assert "3 names of files changed" in phrases.told("forget", done)
    assert names() == {"forgotten.csv", "forgotten.json", "joanna_north.csv", "berta.csv"}


@pytest.mark.parametrize("typed", ["a", "2025", "nord", "csv"])
def test_a_word_that_is_no_account_changes_nothing(home, one_classifier, names, typed):
    """Not the table, nor its past; the names in which it stands as a word are told."""
    before, version = names(), Store(home.lake).version("files")
    done = forget(home, [one_classifier], typed)
    assert (done["status"], done["files_renamed"]) == ("nothing to do", [])
    assert (names(), Store(home.lake).version("files")) == (before, version)
    assert set(done["remains"]["file_names"]) == {one for one in before if typed in re.split(r"\W|_", one.lower())}
    Store(home.lake).read("files", version=version - 1)


def test_a_file_whose_rows_are_the_account_s_loses_its_name_later_too(home, one_classifier, names):
    """Collected again after the account was forgotten, it gives no text: its original says whose it is."""
    forget(home, [one_classifier], "anna_nord")
    Store(home.lake).put("files", [replace(FILE, digest="d9", name="anna_nord_new.ndjson")])
    assert forget(home, [one_classifier], "anna_nord")["remains"]["file_names"] == ["anna_nord_new.ndjson"]
    home.raw.mkdir(parents=True)
    (home.raw / "d9.ndjson").write_text(json.dumps({"user": "anna_nord", "body": "Neu"}), "utf-8")
    done = forget(home, [one_classifier], "anna_nord", raw=True)
    assert (done["files_renamed"], done["remains"]["file_names"]) == (["anna_nord_new.ndjson"], [])
    assert "anna_nord_new.ndjson" not in names()


@pytest.mark.parametrize("table", ["quarantine", "authors", "files"])
@pytest.mark.parametrize("texts", [True, False])
def test_a_command_that_broke_off_leaves_no_name_behind(home, one_classifier, names, monkeypatch, table, texts):
    """Killed when a table has changed and its past is still there, with texts or without: the next one ends it."""
    store = Store(home.lake)
    if not texts:
        store.delete("texts", store.read("texts")[["text_id"]])
        store.purge("texts")
    step = "put" if table == "files" else "delete"
    real = getattr(Store, step)

    def killed(self, name, *rest, **more):
        done = real(self, name, *rest, **more)
        if name == table:
            raise KeyboardInterrupt
        return done

    with monkeypatch.context() as patch:
        patch.setattr(Store, step, killed)
        with pytest.raises(KeyboardInterrupt):
            forget(home, [one_classifier], "anna_nord")
    assert forget(home, [one_classifier], "anna_nord")["status"] == "done"
    assert not any("anna_nord" in name for name in (one.lower() for one in names()))
    version = Store(home.lake).version(table)
    with pytest.raises(Exception, match="kept no longer"):
        Store(home.lake).read(table, version=version - 2)
    assert forget(home, [one_classifier], "anna_nord")["status"] == "nothing to do"


def test_a_file_that_is_no_table_names_an_account_as_a_whole(home, one_classifier):
    """What only other programs open is not deleted with --raw because the letters happen to stand in it."""
    folder = home.home / "inbox" / "refused"
    folder.mkdir(parents=True)
    for name, said in (("one.bin", b"by joanna_nord"), ("other.bin", b"by @Anna_Nord")):
        (folder / name).write_bytes(b"\0\xff" + said)
    done = forget(home, [one_classifier], "anna_nord", raw=True)
    assert done["originals_deleted"] == [str(folder / "other.bin")]
    assert done["remains"]["unopened"] == [str(folder / "one.bin")]
