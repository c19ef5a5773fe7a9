"""Who is of what party is read once for all files of a call, and what they bring counts for those after them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aufruf.settings import Settings
from aufruf.steps import arrivals
from aufruf.steps.ingest import ingest
from aufruf.store import Store

COLUMNS = {name: name for name in ("text_id", "text", "author", "party")}


def test_the_lake_is_asked_once_however_many_groups_there_are(
    settings: Settings, store: Store, written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A group a file: a later text without a party has the one of an earlier file; the table of authors is above it."""
    asked, distinct = [], Store.distinct

    def counted(self: Store, table: str, columns: Any) -> Any:
        asked.append(table)
        return distinct(self, table, columns)

    ingest(settings, [], [], authors=written("authors.csv", "author,party\nBo,CDU\n"))
    monkeypatch.setattr(Store, "distinct", counted)
    monkeypatch.setattr(arrivals, "_FILES", 1)
    rows = ["1,Kommt vorbei,Ada,SPD", "2,Kommt alle vorbei,Bo,SPD", "3,Kommt mit uns,Ada,", "4,Kommt doch mit,Bo,"]
    files = [written(f"{at}.csv", f"text_id,text,author,party\n{row}\n") for at, row in enumerate(rows)]
    ingest(settings, [], files, columns=COLUMNS)
    found = store.read("texts").sort_values("text")
    parties = dict(zip(found["text"], found["party"], strict=True))
    assert asked == ["texts"]
    assert (parties["Kommt vorbei"], parties["Kommt mit uns"]) == ("SPD", "SPD")
    assert (parties["Kommt alle vorbei"], parties["Kommt doch mit"]) == ("SPD", "CDU")


def test_an_account_is_one_with_and_without_its_sign(
    settings: Settings, store: Store, written: Callable[..., Path]
) -> None:
    """Some tables write @Ada: she is Ada, whose party is known, in figures and pages too."""
    authors = written("authors.csv", "author,party\n@Ada,SPD\n")
    posts = written("x.csv", "text_id,text,author,party\n1x,Kommt vorbei,@Ada,\n2x,Kommt alle,ada,\n3x,Kommt mit,@,\n")
    ingest(settings, [], [posts], columns=COLUMNS, authors=authors)
    found = store.read("texts").sort_values("text_id").astype(object)
    assert found["author"].tolist()[:2] == ["Ada", "ada"]
    assert found["party"].tolist()[:2] == ["SPD", "SPD"]
    assert found["author"].isna().tolist() == [False, False, True]
