"""What is missing is found in the lake, cut newest first, and never more than it was asked for."""

from datetime import UTC, datetime, timedelta

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Prediction, Text
from aufruf.steps import backlog
from aufruf.steps.missing import Asked
from aufruf.store import Store

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def text(n: int, posted: datetime | None, collected: datetime | None = None) -> Text:
    words = f"Text Nummer {n}"
    about = ("caption", "post", "instagram", "Ada", "SPD", posted, collected)
    return Text(f"t{n:03}", f"p{n}", words, *about, digest(words), group_id(words), "f")


def said(one: Text, version: str = "1", classifier: str = "c") -> Prediction:
    return Prediction(classifier, one.text_id, one.digest, version, "call", {"call": 0.9}, True, NOW, "r")


@pytest.fixture
def store(tmp_path) -> Store:
    """60 texts: 40 of one day, 10 of ten days before it, 5 dated by their collection only, 5 without a date."""
    found = Store(str(tmp_path / "lake"))
    days = [NOW] * 40 + [NOW - timedelta(days=n) for n in range(1, 11)]
    rows = [text(n, day) for n, day in enumerate(days)]
    rows += [text(n, None, NOW - timedelta(days=30)) for n in range(50, 55)] + [text(n, None) for n in range(55, 60)]
    found.add("texts", rows)
    return found


def found_in(store: Store, asked: Asked, shards) -> list[list[str]]:
    """The text ids of each shard."""
    return [[name for frame in backlog.texts(store, asked, one, 7) for name in frame["text_id"]] for one in shards]


@pytest.mark.parametrize(("size", "most"), [(1, 100), (7, 100), (7, 3), (60, 1), (10_000, 100)])
def test_shards_hold_each_text_once_and_newest_first(store, size, most):
    """However small the shards are to be, they are few enough, no text is in two, and none is newer than one before."""
    asked = Asked("c", "1")
    shards = backlog.cut(store, asked, size, most)
    ids = found_in(store, asked, shards)
    assert sorted(name for names in ids for name in names) == [f"t{n:03}" for n in range(60)]
    assert 1 <= len(shards) <= most
    assert [one.before for one in shards] == sorted((one.before for one in shards), reverse=True)
    assert sum(one.texts for one in shards) == backlog.count(store, asked) == 60
    if size == 7 and most == 100:
        assert len(shards) >= 9
        assert max(map(len, ids)) < 20


def test_what_is_there_already_is_not_asked_for(store):
    """A prediction counts for its classifier, version and wording; an edited text is missing again."""
    rows = store.read("texts").sort_values("text_id")
    one, other = (text(n, NOW) for n in (0, 1))
    store.add("predictions", [said(one), said(other, version="2"), said(text(2, NOW), classifier="d")])
    missing = {
        name for names in found_in(store, Asked("c", "1"), backlog.cut(store, Asked("c", "1"), 9)) for name in names
    }
    assert missing == set(rows["text_id"]) - {"t000"}
    words = "ganz neu"
    edited = {**vars(one), "text": words, "digest": digest(words)}
    store.put("texts", [Text(**edited)])
    assert backlog.count(store, Asked("c", "1")) == 60


def test_before_the_window_only_what_nobody_has_scored(store):
    """A window leaves old texts to the version that has scored them; new to all, they are asked for all the same."""
    store.add("predictions", [said(text(n, NOW), version="1") for n in (0, 49, 50, 55)])
    asked = Asked("c", "2", since="2026-11-15")
    missing = {name for names in found_in(store, asked, backlog.cut(store, asked, 9)) for name in names}
    assert {f"t{n:03}" for n in range(60)} - missing == {"t049", "t050", "t055"}


def test_names_are_not_sql(store):
    """A classifier or version with a quote in its name asks for nothing but its own."""
    asked = Asked("c' or '1' = '1", "1' or 'a' = 'a")
    store.add("predictions", [said(text(0, NOW))])
    assert backlog.count(store, asked) == 60


def test_an_empty_lake_has_no_backlog(tmp_path):
    """Looking finds nothing and makes nothing."""
    assert backlog.cut(Store(str(tmp_path / "lake")), Asked("c", "1"), 10) == []
    assert not (tmp_path / "lake").exists()
