"""Predictions leave the lake for other programs: whole, safe to open, and without persons unless asked for."""

import csv
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from aufruf import phrases
from aufruf.cli import main
from aufruf.data.shares import side
from aufruf.errors import UsageError
from aufruf.release.registry import CHAMPION
from aufruf.schemas import SplitRow
from aufruf.steps.export import _as_parquet, _written, export
from aufruf.steps.forget import forget
from aufruf.steps.prevalence import prevalence
from aufruf.steps.pseudonyms import KEY, key_of, pseudonym
from aufruf.steps.score import score

HOSTILE = "=HYPERLINK(1) Meldet euch bei @ada_w, ada@example.org oder 0171 2345678 http://example.org/ada"


def read(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def scored(after):
    after.posts(HOSTILE, "Kommt alle zum Infostand!", "+ 5 % für alle")
    score(after.settings, after.classifier)
    return after


def test_every_text_is_there_once_with_what_was_said(scored, tmp_path):
    """A row for each text as it reads now, its probabilities and label as stored, and the split it is in."""
    out = tmp_path / "said.csv"
    told = export(scored.settings, scored.classifier, out=out)
    rows = read(out)
    assert told["rows"] == len(rows) == scored.store.count("texts")
    assert max(Counter(row["text_id"] for row in rows).values()) == 1
    known = {row["text_id"]: row for row in scored.predictions(model_version="1")}
    [one] = [row for row in rows if row["text_id"] == "new:1:caption"]
    assert (one["label"], one["split"]) == (known["new:1:caption"]["label"], "")
    assert float(one["probability_call"]) == pytest.approx(known["new:1:caption"]["probabilities"]["call"], abs=1e-6)
    assert {row["split"] for row in rows} >= {"", "train", "test"}


def test_persons_are_masked_and_cells_are_safe(scored, tmp_path):
    """Handles, addresses, numbers and accounts are hidden as in reports; no cell is a formula; --unmasked shows all."""
    export(scored.settings, scored.classifier, out=tmp_path / "a.csv")
    [row] = [row for row in read(tmp_path / "a.csv") if row["text_id"] == "new:0:caption"]
    assert row["text"].startswith("'=HYPERLINK")
    assert not any(word in row["text"] for word in ("ada_w", "ada@", "2345678", "example.org/ada"))
    assert row["author"] == pseudonym(key_of(scored.settings), "Ada")
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in read(tmp_path / "a.csv") for cell in row.values())
    told = export(scored.settings, scored.classifier, out=tmp_path / "b.csv", unmasked=True)
    [row] = [row for row in read(tmp_path / "b.csv") if row["text_id"] == "new:0:caption"]
    assert (told["masked"], row["author"], "@ada_w" in row["text"]) == (False, "Ada", True)


def test_ids_that_are_masked_stay_apart(scored, tmp_path):
    """Where the ids of posts are their addresses no account is in them, and yet each text, and each post, has its own;
    whoever is forgotten is found by it in a table that stayed among the reports."""
    address = "https://x.com/ada_nord/status/{}"
    texts = scored.store.read("texts", {"text_id": ["new:0:caption", "new:1:caption"]})
    ids = pd.Series([address.format(n) for n in range(2)], texts.index)
    scored.store.put("texts", texts.assign(text_id=ids, post_id=ids, author="ada_nord"))
    score(scored.settings, scored.classifier)
    path = scored.settings.reports / "call_to_action" / "x.csv"
    for suffix in (".csv", ".parquet"):
        told = export(scored.settings, scored.classifier, out=path.with_suffix(suffix))
    rows = [row for row in read(path) if row["text_id"].startswith("‹link: x.com›-")]
    assert len({row["text_id"] for row in rows}) == len({row["post_id"] for row in rows}) == len(rows) == 2
    assert len(read(path)) == told["rows"]
    assert "ada_nord" not in path.read_text("utf-8")
    done = forget(scored.settings, [scored.classifier], "ada_nord")
    assert {str(path), str(path.with_suffix(".parquet"))} <= {*done["pages_deleted"]}


def test_an_account_keeps_its_name_from_export_to_export(scored, tmp_path):
    """New accounts rename none, so two exports can be joined on the author; the names are made with the home's key."""
    export(scored.settings, scored.classifier, out=tmp_path / "first.csv")
    before = {row["text_id"]: row["author"] for row in read(tmp_path / "first.csv")}
    texts = scored.store.read("texts", {"text_id": "new:1:caption"})
    many = [texts.assign(text_id=f"more:{n}:caption", author=f"somebody{n}") for n in range(20)]
    scored.store.put("texts", pd.concat(many))
    export(scored.settings, scored.classifier, out=tmp_path / "second.csv")
    after = {row["text_id"]: row["author"] for row in read(tmp_path / "second.csv")}
    assert {one: after[one] for one in before} == before
    (scored.settings.home / KEY).write_text("0" * 64)
    export(scored.settings, scored.classifier, out=tmp_path / "other.csv")
    [other] = [row for row in read(tmp_path / "other.csv") if row["text_id"] == "new:1:caption"]
    assert other["author"] != before["new:1:caption"]


def test_what_a_refused_champion_says_is_not_exported(scored, turned, tmp_path):
    """Version 2 is champion and not what was registered: the predictions are those of version 1, and it is said."""
    version = scored.register_again(turned)
    scored.registry.point(CHAMPION, version.version)
    scored.registry.client.delete_model_version_tag(scored.classifier.name, version.version, "aufruf.manifest")
    told = export(scored.settings, scored.classifier, out=tmp_path / "said.csv")
    assert (told["model_version"], told["champion_refused"]["version"]) == ("1", "2")
    assert "REFUSED: version 2" in "\n".join(phrases.told("export", told))
    assert told["rows"] == len(read(tmp_path / "said.csv")) > 0


def test_an_export_of_a_part_says_so(scored, tmp_path):
    """Texts that the version has yet to score are counted, and those that it leaves to others; so are undated rows."""
    whole = export(scored.settings, scored.classifier, out=tmp_path / "whole.csv")
    assert (whole["unscored"], whole["outside_window"], "undated" in whole) == (0, 0, False)
    assert "not all of them" not in "\n".join(phrases.told("export", whole))
    scored.registry.point(CHAMPION, scored.register_again().version)
    texts = scored.store.count("texts")
    told = export(scored.settings, scored.classifier, out=tmp_path / "part.csv")
    assert (told["rows"], told["unscored"], told["outside_window"]) == (0, texts, 0)
    assert f"not all of them: without {texts} texts that it has yet to score" in phrases.told("export", told)
    old = scored.store.read("texts").assign(posted_at=pd.Timestamp("2020-01-01", tz="UTC"))
    scored.store.put("texts", old)
    scoring = scored.classifier.scoring.model_copy(update={"window_days": 90})
    narrow = scored.classifier.model_copy(update={"scoring": scoring})
    told = export(scored.settings, narrow, out=tmp_path / "part.csv")
    scored_before = len({*scored.store.read("predictions", {"classifier": narrow.name})["text_id"]})
    assert (told["unscored"], told["outside_window"]) == (texts - scored_before, scored_before)
    assert f"{scored_before} texts that it leaves to other versions" in "\n".join(phrases.told("export", told))


def test_rows_without_a_time_are_counted_for_4cat(scored, tmp_path):
    """Their timestamp is empty, and it is said."""
    first = scored.store.read("texts", {"text_id": "new:1:caption"})
    scored.store.put("texts", first.assign(posted_at=first["posted_at"].where([False])))
    told = export(scored.settings, scored.classifier, out=tmp_path / "4cat.csv", reader="4cat")
    empty = [row["id"] for row in read(tmp_path / "4cat.csv") if not row["timestamp"]]
    assert "new:1:caption" in empty
    assert told["undated"] == len(empty)
    assert f"the timestamp is empty: {len(empty)} row" in "\n".join(phrases.told("export", told))


def test_parquet_has_types(scored, tmp_path):
    """Times, truth values and numbers are what they are, and the text is not touched but for the mask."""
    export(scored.settings, scored.classifier, out=tmp_path / "said.parquet")
    frame = pd.read_parquet(tmp_path / "said.parquet")
    assert str(frame["posted_at"].dtype) == "datetime64[us, UTC]"
    assert frame["confident"].dtype == bool
    assert frame["probability_call"].between(0, 1).all()
    assert frame.set_index("text_id").loc["new:2:caption", "text"] == "+ 5 % für alle"


def test_a_parquet_file_is_written_as_its_rows_come(tmp_path):
    """5,000 at a time: 40,000 transcripts of 8,000 signs took two gigabytes while all were held."""
    path, written = tmp_path / "many.parquet", []

    def rows():
        for at in range(12_000):
            yield {"text_id": str(at), "text": "Kommt alle! 🗳️" * 100}
            written.append(path.stat().st_size)

    assert _as_parquet(path, ["text_id", "text"], rows()) == 12_000
    assert written[5_000] > written[4_998]
    assert pd.read_parquet(path)["text_id"].tolist() == [str(at) for at in range(12_000)]


@pytest.mark.parametrize("name", ["said.csv", "said.parquet"])
def test_two_exports_of_one_name_at_once_end_well(tmp_path, name):
    """Each writes a draft of its own; who ends last is what stays, whole."""
    path = tmp_path / name

    def rows(whose, meanwhile=None):
        yield {"text": f"{whose} 1"}
        if meanwhile:
            assert _written(path, ["text"], meanwhile) == 2
        yield {"text": f"{whose} 2"}

    assert _written(path, ["text"], rows("first", rows("second"))) == 2
    frame = pd.read_csv(path) if name.endswith("csv") else pd.read_parquet(path)
    assert frame["text"].tolist() == ["first 1", "first 2"]
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_what_is_not_masked_stays_out_of_the_reports(scored, tmp_path):
    """Reports are served to whoever may read the DAG: without --out, or with one among them, nothing is written."""
    for out in (None, scored.settings.reports / scored.classifier.name / "all.csv"):
        with pytest.raises(UsageError, match="does not belong among the reports"):
            export(scored.settings, scored.classifier, out=out, unmasked=True)
    assert list(scored.settings.reports.rglob("all.csv")) == []


def test_4cat_has_its_columns(scored, tmp_path):
    """What 4CAT's import asks for is there: id, thread, time as YYYY-MM-DD hh:mm:ss, author, subject and body."""
    export(scored.settings, scored.classifier, out=tmp_path / "4cat.csv", reader="4cat")
    rows = read(tmp_path / "4cat.csv")
    assert list(rows[0])[:6] == ["id", "thread_id", "timestamp", "author", "subject", "body"]
    header = (tmp_path / "4cat.csv").read_text("utf-8").splitlines()[0].split(",")
    assert len(header) == len(set(header))
    [one] = [row for row in rows if row["id"] == "new:1:caption"]
    assert one["body"] == "Kommt alle zum Infostand!"
    assert pd.to_datetime(one["timestamp"], format="%Y-%m-%d %H:%M:%S").year >= 2026
    places = {export(scored.settings, scored.classifier, reader=reader)["out"] for reader in (None, "4cat")}
    assert len(places) == 2


@pytest.mark.parametrize(("out", "reader"), [("said.xlsx", None), ("said.parquet", "4cat"), ("said.csv", "excel")])
def test_other_formats_are_wrong_usage(scored, tmp_path, out, reader):
    """An unknown suffix or reader says what there is, and writes nothing."""
    with pytest.raises(UsageError):
        export(scored.settings, scored.classifier, out=tmp_path / out, reader=reader)
    assert not (tmp_path / out).exists()


def test_from_the_shell(scored, tmp_path, capfd, monkeypatch):
    """``aufruf export`` and ``aufruf why`` say in a sentence what they did and found."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(scored.settings.classifiers))
    home = ["--home", str(scored.settings.home)]
    assert main(["export", *home, "--out", str(tmp_path / "said.csv")]) == 0
    assert "persons masked" in capfd.readouterr().out
    assert main(["why", "new:1:caption", *home]) == 0
    assert capfd.readouterr().out.startswith("new:1:caption: scored by version 1 on ")


def held_out(scored) -> set[str]:
    """The texts of posts that no model learns from, without what arrived with its annotation only."""
    ledger = scored.store.read("splits", columns=["text_id", "split"]).set_index("text_id")["split"]
    files = scored.store.read("files").set_index("digest")["kind"]
    texts = scored.store.read("texts", columns=["text_id", "group_id", "file"])
    posts = {row.text_id for row in texts.itertuples() if files.get(row.file) != "annotations"}  # "f": broken off
    dealt = dict(zip(texts["text_id"], side(texts["group_id"].tolist(), scored.classifier.split), strict=True))
    trained = {text_id for text_id, split in ledger.items() if split == "train"}
    learnt = set(texts.loc[texts["text_id"].isin(trained), "group_id"])
    free = {row.text_id for row in texts.itertuples() if row.group_id not in learnt and dealt[row.text_id] != "train"}
    tested = {one for one in posts if ledger.get(one) in {"validation", "test"}}
    return tested | {one for one in posts & free if ledger.get(one) != "train"}


def test_choosing_what_to_annotate_moves_no_prevalence(scored):
    """Texts that are annotated for what the model says of them, and trained on, were not counted before either."""
    before = prevalence(scored.store, scored.classifier, "1").whole
    ledger = set(scored.store.read("splits")["text_id"])
    texts = scored.store.read("texts")
    free = texts[~texts["text_id"].isin(ledger)]
    chosen = free[np.asarray(side(free["group_id"].tolist(), scored.classifier.split)) == "train"]
    assert len(chosen) > 3
    rows = [
        SplitRow(scored.classifier.name, one.text_id, one.digest, one.group_id, "train", "", datetime.now(UTC))
        for one in chosen.itertuples()
    ]
    scored.store.add("splits", rows)
    assert prevalence(scored.store, scored.classifier, "1").whole == before


def test_texts_of_one_account_are_a_cluster_and_those_of_nobody_go_by_post(scored):
    """As many clusters are counted as there are accounts, whatever their case, and posts without one."""
    rows = held_out(scored)
    texts = scored.store.read("texts").drop_duplicates("text_id").set_index("text_id").loc[list(rows)]
    post = texts["platform"].fillna("") + ":" + texts["post_id"].fillna(pd.Series(texts.index, texts.index))
    keys = texts["author"].str.casefold().fillna(post)
    whole = prevalence(scored.store, scored.classifier, "1").whole
    assert 1 < whole.spread.clusters == keys.nunique() < whole.texts
    assert whole.design_effect >= 1


def test_prevalence_counts_what_no_model_learns_from(scored):
    """The slices add up to the texts of the other sides, annotated or not; error rates are of the test predictions."""
    found = prevalence(scored.store, scored.classifier, "1")
    outside = len(held_out(scored))
    assert 0 < outside < scored.store.count("texts")
    assert found.whole.texts == outside
    for shares in found.slices.values():
        assert sum(one.texts for one in shares) == outside
        assert sum(one.calls for one in shares) == found.whole.calls
    labels = scored.store.read("labels").set_index("text_id")["label"]
    said = {row["text_id"]: row["label"] for row in scored.predictions(model_version="1")}
    test = [name for name in scored.store.read("splits", {"split": "test"})["text_id"] if labels[name] == "call"]
    hits = sum(said[name] == "call" for name in test)
    assert found.errors.sensitivity.value == pytest.approx(hits / len(test))
    assert found.errors.positives <= len(test)
