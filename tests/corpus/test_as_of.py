"""Any past run's training set, rebuilt from the versions it logged, whatever came, changed or went since."""

from pathlib import Path

import pandas as pd
import pytest
from deltalake import DeltaTable
from tests.corpus.conftest import classifier, decided, text

from aufruf.errors import DataRefused, UsageError
from aufruf.release.tracking import Tracker
from aufruf.schemas import Annotation
from aufruf.settings import Settings
from aufruf.steps import as_of as rebuilding
from aufruf.steps import corpus
from aufruf.steps.forget import forget
from aufruf.steps.split import split
from aufruf.steps.sweep import seen
from aufruf.store import Store

LONG = "Am Sonntag ist Wahltag: bitte geht alle wählen und nehmt eure Nachbarn gleich mit!"


def trained(settings: Settings, logged: bool = True) -> tuple[str, pd.DataFrame]:
    """A run that logs what it has seen, as a training does; returns its id and the rows it saw."""
    frame = seen(corpus.labelled(settings, classifier()))
    tags = corpus.data_seen(corpus.versions(settings)) | ({corpus.DATA: corpus.fingerprint(frame)} if logged else {})
    with Tracker(settings, "c").run("train", tags, {}) as run:
        return run.id, frame.reset_index(drop=True)


def fill(store: Store) -> None:
    texts = [text(f"t{at:02}", f"{LONG} Nummer {at} {'x' * at}") for at in range(30)] + [text("=1+1", "=1+1")]
    store.put("texts", texts)
    store.put("labels", [decided(t.text_id, ("call", "no_call")[at % 2]) for at, t in enumerate(texts)])


@pytest.mark.parametrize("suffix", [".ndjson", ".parquet"])
def test_a_training_set_comes_back_as_it_was(settings: Settings, store: Store, suffix: str) -> None:
    """After edits, deletions, new labels and new texts the run's rows are the same, and verified."""
    fill(store)
    split(settings, classifier())
    run, before = trained(settings)
    ids = before["text_id"].tolist()
    store.put("texts", [text(ids[0], "Ganz anders"), text("new", "Neu")])
    store.put("labels", [decided(ids[1], None), decided(ids[2], "call"), decided("new")])
    DeltaTable(f"{settings.lake}/texts").delete(f"text_id = '{ids[3]}'")
    split(settings, classifier())
    assert len(seen(corpus.labelled(settings, classifier()))) != len(before)
    out = settings.home / f"rows{suffix}"
    result = split(settings, classifier(), as_of=run, out=out)
    assert (result["as_of"], result["texts"], result["verified"]) == (run, len(before), "verified")
    found = pd.read_parquet(out) if suffix == ".parquet" else pd.read_json(out, lines=True, dtype=False)
    columns = ["text_id", "digest", "split", "label", "text"]
    assert found[columns].to_numpy().tolist() == before[columns].to_numpy().tolist()


def test_what_a_training_left_out_stays_out(settings: Settings, store: Store) -> None:
    """A text whose votes were all for other words is no row of the run, nor of what is rebuilt once it was voted on."""
    fill(store)
    split(settings, classifier())
    edited = corpus.labelled(settings, classifier())["text_id"].iloc[0]
    store.add("annotations", [Annotation("c", edited, "one", "call", None, "f", group_id="otherwise")])
    run, before = trained(settings)
    store.add("annotations", [Annotation("c", edited, "two", "call", None, "f")])
    assert edited in set(corpus.labelled(settings, classifier())["text_id"])
    result = split(settings, classifier(), as_of=run)
    assert (result["texts"], result["verified"]) == (len(before), "verified")
    assert edited not in set(pd.read_csv(result["out"])["text_id"])


def test_a_csv_runs_nothing(settings: Settings, store: Store) -> None:
    """The default is a CSV in the reports, named after the run; an id or text that is a formula has an apostrophe."""
    fill(store)
    split(settings, classifier())
    run, before = trained(settings)
    path = Path(split(settings, classifier(), as_of=run)["out"])
    assert path == settings.reports / "c" / f"as-of-{run[:8]}.csv"
    table = pd.read_csv(path)
    assert len(table) == len(before)
    assert not table["text_id"].str.startswith("=").any()
    assert not table["text"].str.startswith("=").any()


def test_a_run_without_a_fingerprint_says_so(settings: Settings, store: Store) -> None:
    """A run of an older aufruf is rebuilt, and called not verified."""
    fill(store)
    split(settings, classifier())
    run, before = trained(settings, logged=False)
    result = split(settings, classifier(), as_of=run)
    assert (result["texts"], result["verified"]) == (
        len(before),
        "not verified: the run logged no fingerprint of its data",
    )


def test_other_rows_than_the_run_s_are_not_written(settings: Settings, store: Store) -> None:
    """A fingerprint that does not match is refused, and no file is left."""
    fill(store)
    split(settings, classifier())
    run, _ = trained(settings)
    Tracker(settings, "c").client.set_tag(run, corpus.DATA, "0" * 64)
    out = settings.home / "rows.csv"
    with pytest.raises(DataRefused, match="not those"):
        split(settings, classifier(), as_of=run, out=out)
    assert not out.exists()


def test_a_table_that_was_begun_anew_is_named(settings: Settings, store: Store) -> None:
    """A version that the ledger of today never had is refused, with both numbers."""
    fill(store)
    split(settings, classifier())
    run, _ = trained(settings)
    Tracker(settings, "c").client.set_tag(run, "aufruf.splits_version", "99")
    with pytest.raises(DataRefused, match="version 99 of the table splits, whose newest is 1"):
        split(settings, classifier(), as_of=run)


def test_what_cannot_be_rebuilt_is_named(settings: Settings, store: Store) -> None:
    """An unknown run, a run that read no tables, another classifier's run, a strange file: each is wrong usage."""
    fill(store)
    split(settings, classifier())
    run, _ = trained(settings)
    with Tracker(settings, "c").run("other", {}, {}) as other, Tracker(settings, "d").run("train", {}, {}) as foreign:
        pass
    for asked, said in ((other.id, "does not say"), (foreign.id, "has no run"), ("f" * 32, "has no run"), ("7", "7")):
        with pytest.raises(UsageError, match=said):
            split(settings, classifier(), as_of=asked)
    with pytest.raises(UsageError, match="parquet"):
        split(settings, classifier(), as_of=run, out=settings.home / "rows.xlsx")
    with pytest.raises(UsageError, match="stands alone"):
        split(settings, classifier(), as_of=run, audit=True)


def test_who_is_forgotten_meanwhile_stays_in_no_file(settings: Settings, store: Store, monkeypatch) -> None:
    """Read before, written after: the rows are rebuilt once more, and where that is over no file is left."""
    fill(store)
    store.put("texts", store.read("texts").assign(author="anna"))
    split(settings, classifier())
    run, _ = trained(settings)
    real, done = rebuilding._write, []

    def late(path, rows) -> None:
        if not done:
            done.append(forget(settings, [classifier()], "anna")["status"])
        real(path, rows)

    monkeypatch.setattr(rebuilding, "_write", late)
    out = settings.home / "rows.ndjson"
    with pytest.raises(DataRefused, match="kept no longer"):
        split(settings, classifier(), as_of=run, out=out)
    assert done == ["done"]
    assert not out.exists()
