"""Row numbers are no ids: a second table that brings them must not silently replace the texts of the first."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aufruf.classifier import Classifier
from aufruf.settings import Settings
from aufruf.steps.ingest import ingest
from aufruf.store import Store

COLUMNS = {"text_id": "id", "text": "t", "label": "l"}


def table(texts: list[str], first: int = 1) -> str:
    return "id,t,l\n" + "".join(f"{number},{text},ja\n" for number, text in enumerate(texts, start=first))


@pytest.fixture
def take(settings: Settings, classifier: Classifier, written: Callable[..., Path]) -> Callable[..., list[Any]]:
    def taking(*tables: str, **more: Any) -> list[Any]:
        paths = [written(f"{abs(hash(one))}.csv", one) for one in tables]
        entries: list[Any] = ingest(settings, [classifier], paths, columns=COLUMNS | more)["files"]
        return entries

    return taking


SPRING = [f"Frühling {n}" for n in range(10)]
AUTUMN = [f"Herbst {n}" for n in range(12)]


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("together", [True, False])
def test_another_table_with_row_numbers_is_held_back(
    take: Callable[..., list[Any]], store: Store, first: int, together: bool
) -> None:
    """Whether it comes with the first one or later, its texts replace none, and the reason names the remedy."""
    both = table(SPRING, first), table(AUTUMN, first)
    one, other = take(*both) if together else [*take(both[0]), *take(both[1])]
    assert (one["status"], other["status"], other["kept"]) == ("new", "refused", 0)
    assert "row numbers, and 10 of the 10 that are stored already belong to other texts" in other["reasons"][0]
    assert "--columns text_id=COLUMN, or leave text_id out" in other["reasons"][0]
    assert sorted(store.read("texts")["text"]) == SPRING


def test_the_remedy_works(
    settings: Settings, classifier: Classifier, store: Store, written: Callable[..., Path], take: Callable[..., Any]
) -> None:
    """Without the role the id comes from the text, and both tables are kept whole."""
    take(table(SPRING))
    columns = {role: column for role, column in COLUMNS.items() if role != "text_id"}
    (entry,) = ingest(settings, [classifier], [written("b.csv", table(AUTUMN))], columns=columns)["files"]
    assert (entry["status"], entry["kept"], store.count("texts")) == ("new", 12, 22)
    assert set(store.read("texts")["text_id"].str.partition(":")[0]) == {"text", *map(str, range(1, 11))}


@pytest.mark.parametrize(("edited", "status"), [(0, "new"), (5, "new"), (6, "refused")])
def test_the_same_table_again_may_be_edited_and_longer(
    take: Callable[..., list[Any]], edited: int, status: str
) -> None:
    """Up to half of the stored texts may have changed, and any number may have been added."""
    take(table(SPRING))
    again = [*(f"{text} neu" for text in SPRING[:edited]), *SPRING[edited:], *AUTUMN]
    (entry,) = take(table(again))
    assert (entry["status"], entry.get("replaced", 0)) == (status, edited if status == "new" else 0)


def test_ids_that_are_not_counted_are_ids(take: Callable[..., list[Any]]) -> None:
    """Numbers with a gap come from somewhere: what is under them now is a correction, counted as one."""
    take(table(SPRING, first=5460))
    (entry,) = take(table(AUTUMN, first=5460))
    assert (entry["status"], entry["replaced"]) == ("new", 10)


def test_a_known_table_is_read_again_as_before(
    settings: Settings, classifier: Classifier, take: Callable[..., list[Any]], written: Callable[..., Path]
) -> None:
    """A later classifier reads the first table again; and another text column for the same file is no other table."""
    take(table(SPRING))
    path, twin = written("a.csv", table(SPRING)), classifier.model_copy(update={"name": "twin"})
    assert ingest(settings, [twin], [path])["files"][0]["status"] == "new"
    (entry,) = take(table(SPRING), text="l")
    assert (entry["status"], entry["replaced"]) == ("new", 10)


def post_table(texts: list[str], column: str = "text") -> str:
    return f"id,{column}\n" + "".join(f"{number},{text}\n" for number, text in enumerate(texts, start=1))


@pytest.fixture
def take_posts(settings: Settings, classifier: Classifier, written: Callable[..., Path]) -> Callable[..., Any]:
    """Take tables in one call, their columns named ``id`` for the post, and one for each kind of text."""

    def taking(columns: dict[str, str], *tables: str) -> list[Any]:
        paths = [written(f"{abs(hash(one))}.csv", one) for one in tables]
        entries: list[Any] = ingest(settings, [classifier], paths, columns={"post_id": "id"} | columns)["files"]
        return entries

    return taking


@pytest.mark.parametrize("together", [True, False])
def test_another_table_with_row_numbers_for_posts_is_held_back(
    take_posts: Callable[..., Any], store: Store, together: bool
) -> None:
    """A post is no better told by a row number than a text is: the second table replaces nothing."""
    both, columns = (post_table(SPRING), post_table(AUTUMN)), {"text": "text"}
    one, other = (
        take_posts(columns, *both) if together else [*take_posts(columns, both[0]), *take_posts(columns, both[1])]
    )
    assert (one["status"], other["status"], other["kept"]) == ("new", "refused", 0)
    assert "its post_id are row numbers, and 10 of the 10 that are stored already" in other["reasons"][0]
    assert "or leave post_id out" in other["reasons"][0]
    assert sorted(store.read("texts")["text"]) == SPRING


def test_other_texts_of_the_same_posts_are_no_other_table(take_posts: Callable[..., Any], store: Store) -> None:
    """Row numbers that are the same posts': their captions edited here and there, and the words on their pictures."""
    take_posts({"text": "text"}, post_table(SPRING))
    (edited,) = take_posts({"text": "text"}, post_table(["neu", *SPRING[1:], *AUTUMN]))
    assert (edited["status"], edited["replaced"]) == ("new", 1)
    (pictures,) = take_posts({"ocr": "picture"}, post_table(AUTUMN[:10], "picture"))
    assert (pictures["status"], pictures["posts"], store.count("texts")) == ("new", 10, 32)


def test_votes_with_row_numbers_for_posts_are_held_back_too(
    settings: Settings, classifier: Classifier, written: Callable[..., Path]
) -> None:
    """Two tables of votes: the texts of the second are not taken for texts of the first one's posts."""
    columns = {"post_id": "id", "text": "t", "label": "l"}
    paths = [written("a.csv", table(SPRING)), written("b.csv", table(AUTUMN))]
    entries = ingest(settings, [classifier], paths, columns=columns)["files"]
    assert [entry["status"] for entry in entries] == ["new", "refused"]
    assert "taken for texts of the same posts" in entries[1]["reasons"][0]
