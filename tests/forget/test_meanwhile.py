"""An author is forgotten while texts are being taken in: nothing of them comes back, at whatever moment."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pandas as pd
import pytest

from aufruf import delta
from aufruf.data import queue as queues
from aufruf.errors import AufrufError
from aufruf.reports import page
from aufruf.steps import export as export_step
from aufruf.steps import forget as forgetting
from aufruf.steps import ingest as ingesting
from aufruf.steps import quarantine as quarantining
from aufruf.steps import storing
from aufruf.steps.forget import forget
from aufruf.steps.ingest import ingest
from aufruf.steps.label import label
from aufruf.store import Store

from .conftest import HERS, TEXTS, text

COLUMNS = {"text_id": "id", "post_id": "post", "author": "who", "text": "said"}
COLUMNS |= {"platform": "where", "text_type": "kind"}
VOTES = {"label": "is", "annotator": "by"}
OTHERS = sorted(set(TEXTS) - set(HERS))
NEW = "instagram:AAAAAA1:transcript"  # of a forgotten post, collected for the first time


def table(path, ids, **more):
    rows = [
        {"id": one, "post": one.split(":")[1], "who": TEXTS[one][0] if one in TEXTS else None, "said": f"Neu: {one}"}
        | {"where": "instagram", "kind": one.split(":")[2], **more}
        for one in ids
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def once(monkeypatch, place, name, action, *, when=lambda *args, **kwargs: True):
    """Let ``action`` happen before the first call of a function that ``when`` holds for."""
    real, done = getattr(place, name), []

    def first(*args, **kwargs):
        if not done and when(*args, **kwargs):
            done.append(True)
            action()
        return real(*args, **kwargs)

    monkeypatch.setattr(place, name, first)
    return done


MOMENTS = {
    "before a piece is looked at": (storing, "_flush", lambda *_: True),
    "after it was asked what to write": (delta, "append", lambda target, rows: "post_id" in rows.schema.names),
    "before the votes are written": (delta, "unknown", lambda target, table, *_: table == "annotations"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_ingest_under_way_brings_nothing_back(home, one_classifier, tmp_path, monkeypatch, moment):
    """Known texts collected anew, a new one of a known post, and votes on them: none is there, in no version."""
    path = table(tmp_path / "again.csv", [*HERS, NEW, OTHERS[0]], **{"is": "0", "by": "Bea"})
    place, name, when = MOMENTS[moment]
    done = once(monkeypatch, place, name, lambda: forget(home, [one_classifier], "anna_nord"), when=when)
    [entry] = ingest(home, [one_classifier], [path], columns=COLUMNS | VOTES)["files"]
    store = Store(home.lake)
    assert done
    assert sorted(store.read("texts")["text_id"]) == OTHERS
    assert set(store.read("annotations")["text_id"]) == set(OTHERS)
    assert sorted(store.read("annotations", {"annotator": "Bea"})["text_id"]) == OTHERS[:1]
    assert (entry["status"], entry["posts"]) == ("new", 0)
    assert entry["forgotten"] == (4 if moment == "before a piece is looked at" else 1)  # else only one was new


def test_a_text_that_arrives_while_they_are_being_forgotten_goes_too(home, one_classifier, monkeypatch):
    """One of a known post that names no author could be found by nobody once the others are gone."""
    store = Store(home.lake)
    once(monkeypatch, forgetting, "_bury", lambda: store.put("texts", [text(NEW, None, "Nur zu hören")]))
    done = forget(home, [one_classifier], "anna_nord")
    assert sorted(store.read("texts")["text_id"]) == OTHERS
    assert (done["status"], done["texts"]) == ("done", len(HERS) + 1)
    assert store.read("tombstones")["done_at"].notna().all()


def test_a_table_of_authors_brings_nothing_back(home, one_classifier, tmp_path, monkeypatch):
    """Texts that were to be given a party and are forgotten meanwhile stay away."""
    path = tmp_path / "authors.csv"
    path.write_text("author,party\nanna_nord,SPD\nberta,SPD\n", "utf-8")
    store = Store(home.lake)
    store.put("texts", store.read("texts").assign(party=None))
    real = ingesting.rows

    def late(*args):
        found = real(*args)
        forget(home, [one_classifier], "anna_nord")
        return found

    monkeypatch.setattr(ingesting, "rows", late)
    assert ingest(home, [one_classifier], [], authors=path)["parties"] == 2
    assert sorted(store.read("texts")["text_id"]) == OTHERS


def test_a_mended_row_of_theirs_does_not_return_to_the_quarantine(home, one_classifier, tmp_path, monkeypatch):
    """A row that is taken in while its author is forgotten is in no table afterwards."""
    store, held = Store(home.lake), tmp_path / "rows.ndjson"
    store.put("files", store.read("files").assign(format=f"table {json.dumps(COLUMNS)}"))
    row = {"id": HERS[0], "post": "AAAAAA1", "who": "anna_nord", "said": "Neu", "where": "instagram", "kind": "caption"}
    held.write_text(json.dumps({"file": "f1", "item": 1, "row": row}), "utf-8")
    once(monkeypatch, storing, "_flush", lambda: forget(home, [one_classifier], "anna_nord"))
    assert quarantining.quarantine(home, [one_classifier], "ingest", mended=held)["rescued"] == 1
    assert store.read("quarantine")["item"].tolist() == [2]
    assert sorted(store.read("texts")["text_id"]) == OTHERS


def test_labels_under_way_do_not_come_back(home, one_classifier, monkeypatch):
    """Decided before, written after: no label of theirs, and nothing of it on the page or in the queue."""
    store, queue = Store(home.lake), home.home / "tasks.json"
    store.delete("labels", pd.DataFrame({"text_id": list(TEXTS)}))
    done = once(
        monkeypatch,
        delta,
        "unknown",
        lambda: forget(home, [one_classifier], "anna_nord"),
        when=lambda target, table, *_: table == "labels",
    )
    result = label(home, one_classifier, queue)
    assert done
    assert sorted(store.read("labels")["text_id"]) == OTHERS
    assert result["queued"] == len(json.loads(queue.read_text("utf-8"))) == len(OTHERS)
    assert not any(one in queue.read_text("utf-8") for one in HERS)
    shown = "".join(path.read_text("utf-8") for path in home.reports.rglob("*.html"))
    assert shown
    assert not any(one in shown for one in HERS)


def test_a_page_that_is_written_while_they_are_being_forgotten_goes_too(home, one_classifier, monkeypatch):
    """After the reports were looked through, and before everybody knew."""
    page = home.reports / "call_to_action" / "words" / "index.html"

    def written():
        page.parent.mkdir(parents=True)
        page.write_text(f"<p>{TEXTS[HERS[0]][1]}</p>", "utf-8")

    once(monkeypatch, forgetting, "_bury", written)
    done = forget(home, [one_classifier], "anna_nord")
    assert not page.exists()
    assert done["pages_deleted"] == [str(page)]


def test_drafts_that_killed_steps_have_left_go_too(home, one_classifier):
    """Of a page, of an export, of a queue: whatever their names end in."""
    pages = home.reports / "call_to_action"
    (pages / "queue").mkdir(parents=True)
    left = [pages / ".index.html.x7k2", pages / ".predictions-1.csv.draft", pages / "queue" / ".tasks.json.4711"]
    for path in left:
        path.write_text(TEXTS[HERS[0]][1], "utf-8")
    would = forget(home, [one_classifier], "anna_nord", dry_run=True)
    assert sorted(would["pages_deleted"]) == sorted(map(str, left))
    forget(home, [one_classifier], "anna_nord")
    assert not [path for path in left if path.exists()]


@pytest.mark.parametrize("machines", ["one", "two"])
def test_two_who_forget_do_not_close_each_others_tombstones(
    home, one_classifier, monkeypatch, machines, request, tmp_path
):
    """The second waits while the first deletes: killed then, the first is still known to be unfinished."""
    if machines == "two":
        home = replace(home, studies_url=request.getfixturevalue("studies_url"))
    there = home if machines == "one" else replace(home, home=tmp_path / "another")
    store, seen = Store(home.lake), []
    second = Thread(target=lambda: seen.append(forget(there, [one_classifier], "berta")["status"]))

    def killed(*_):
        second.start()
        second.join(2)
        seen.append(store.read("tombstones")["done_at"].notna().sum())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(forgetting, "_go", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(home, [one_classifier], "anna_nord")
    second.join()
    assert seen == [0, "done"]


@pytest.fixture
def exporting(home, one_classifier, monkeypatch):
    """``exporting()``: an export of what version 1 says, which needs no registry."""
    version = SimpleNamespace(version=SimpleNamespace(version="1"), told=dict)
    monkeypatch.setattr(export_step, "Registry", lambda *_: None)
    monkeypatch.setattr(export_step, "speaking", lambda *_, **__: version)
    return lambda: export_step.export(home, one_classifier)


def test_an_export_under_way_is_written_anew(home, one_classifier, exporting, monkeypatch):
    """Somebody is forgotten while its rows are written, and the draft is taken away: the export has the others."""
    done = once(monkeypatch, export_step, "_cell", lambda: forget(home, [one_classifier], "anna_nord"))
    told = exporting()
    assert done
    assert told["rows"] == len(OTHERS)
    with Path(told["out"]).open(encoding="utf-8", newline="") as file:
        assert sorted(row["text_id"] for row in csv.DictReader(file)) == OTHERS


def test_an_export_begun_after_the_tombstones_loses_no_more_than_time(home, one_classifier, exporting, monkeypatch):
    """The last look of a forgetting takes its draft away, though it holds nobody: it is written again; a draft that
    goes every time is an error."""
    place, real = home.reports / "call_to_action", export_step._cell

    def swept(value):
        for path in place.glob(".*"):
            path.unlink()
        return real(value)

    once(monkeypatch, export_step, "_cell", lambda: swept(""))
    assert exporting()["rows"] == len(TEXTS)
    with monkeypatch.context() as patch:
        patch.setattr(export_step, "_cell", swept)
        with pytest.raises(FileNotFoundError):
            exporting()


@pytest.mark.parametrize("write", [page.write_whole, lambda path, said: queues.write(path, [said])])
def test_a_page_whose_draft_is_taken_away_is_written_all_the_same(tmp_path, monkeypatch, write):
    """As the last look of a forgetting does; one of which it happens each time fails, and leaves nothing."""
    real, left = Path.replace, [2]

    def taken(draft, target):
        if left[0]:
            left[0] -= 1
            draft.unlink()
        return real(draft, target)

    monkeypatch.setattr(Path, "replace", taken)
    write(tmp_path / "page", "said")
    assert "said" in (tmp_path / "page").read_text("utf-8")
    left[0] = 99
    with pytest.raises(AufrufError, match="could not be written"):
        write(tmp_path / "other", "said")
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
