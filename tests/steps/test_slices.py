"""What parts the test set has, and which of them travel with a version."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from aufruf.data.identity import digest, group_id
from aufruf.model.evaluation import Interval
from aufruf.model.evaluation_slices import Slice
from aufruf.schemas import Text
from aufruf.steps import slices
from aufruf.store import Store

HALF = Interval(0.5123456789, 0.4123456789, 0.6123456789)


def text(number: int, words: int, party: str | None, at: datetime | None, kind: str | None = None) -> Text:
    said = "wort " * words
    about = ("caption", kind, "instagram", "Ada", party, at, at)
    return Text(f"t{number}", None, said, *about, digest(said), group_id(said), "f")


def one(dimension: str, value: str, n: int, *, small: bool = False) -> Slice:
    return Slice(dimension, value, n, n // 2, HALF, HALF, HALF, small)


def test_each_text_has_a_value_in_each_dimension(classifier, tmp_path):
    """In the order of the rows; a month is that of the classifier's time zone; what is not said is unknown."""
    last_of_august = datetime(2025, 8, 31, 22, 30, tzinfo=UTC)  # half past midnight in Berlin
    rows = [
        text(1, 10, "Hafenliste", last_of_august, "story"),
        text(2, 11, None, None),
        text(3, 101, "", datetime(2025, 8, 31, 21, 0, tzinfo=UTC), "post"),
    ]
    Store(str(tmp_path / "lake")).put("texts", rows)
    test = pd.DataFrame({"text_id": ["t3", "t1", "t2"], "text": [rows[at].text for at in (2, 0, 1)]})
    found = slices.values(Store(str(tmp_path / "lake")), classifier, test)
    assert found == {
        "party": ["unknown", "Hafenliste", "unknown"],
        "text_type": ["caption"] * 3,
        "post_type": ["post", "story", "unknown"],
        "length": ["over 100 words", "1-10 words", "11-25 words"],
        "month": ["2025-08", "2025-09", "unknown"],
    }
    assert set(slices.known({**found, "party": ["unknown"] * 3})) == {"text_type", "post_type", "length", "month"}


def test_nobody_says_anything_of_a_text(classifier, tmp_path):
    """Texts without a time, a party and a type are unknown everywhere but in what they are."""
    Store(str(tmp_path / "lake")).put("texts", [text(1, 3, None, None)])
    test = pd.DataFrame({"text_id": ["t1"], "text": ["wort wort wort"]})
    assert set(slices.known(slices.values(Store(str(tmp_path / "lake")), classifier, test))) == {"text_type", "length"}


@pytest.mark.parametrize(
    ("authors", "accounts"), [(["Ada", "@ada ", "Bo"], 2), (["Ada", None], None), (["Ada", ""], None)]
)
def test_accounts_are_counted_where_each_is_known(tmp_path, authors, accounts):
    """An account is one however it is written; of texts without a known account no number is told."""
    rows = [replace(text(at, 3, None, None), author=author) for at, author in enumerate(authors)]
    store = Store(str(tmp_path / "lake"))
    store.put("texts", rows)
    assert slices.accounts(store, pd.DataFrame({"text_id": [row.text_id for row in rows]})) == accounts


def test_slices_are_told_in_order():
    """Parties from the largest, lengths from the shortest, months from the first."""
    found = [
        one("party", "B", 9),
        one("party", "A", 9),
        one("party", "C", 30),
        one("length", "over 100 words", 90),
        one("length", "1-10 words", 3),
        one("month", "2025-09", 30),
        one("month", "2025-08", 3),
    ]
    assert [two.value for two in slices.ordered(found)] == [
        "C",
        "A",
        "B",
        "1-10 words",
        "over 100 words",
        "2025-08",
        "2025-09",
    ]


def test_a_tag_holds_the_largest_slices():
    """Small slices and those without a figure are left out, and of 500 parties as many as 5,000 characters hold."""
    told = json.loads(slices.tag([one("party", "A", 40), one("party", "B", 4, small=True)], {}))
    assert told == {"party": {"A": {"n": 40, "positives": 20, "f1": {"value": 0.5123, "low": 0.4123, "high": 0.6123}}}}
    assert slices.tag([Slice("party", "A", 40, 0, None, None, None, False)], {}) == "{}"
    assert slices.tag([], {}) == "{}"
    written = slices.tag([one("party", f"Partei {n}", 40 + 2 * n) for n in range(500)], {})
    kept = json.loads(written)["party"]
    assert len(written) < 5000
    assert list(kept) == [f"Partei {n}" for n in range(499, 499 - len(kept), -1)]
    assert len(kept) > 30


def test_a_tag_holds_those_with_floors_first():
    """The gate reads the tag: a slice that has a floor is in it, however many larger ones there are."""
    many = [one("party", f"Partei {n}", 4000 + n) for n in range(500)]
    few = [one("text_type", "ocr", 40), one("post_type", "reel", 30), one("post_type", "unknown", 3000)]
    kept = json.loads(slices.tag([*many, *few], {"text_type=ocr": 0.3, "post_type=*": 0.3}))
    assert list(kept["text_type"]) == ["ocr"]
    assert list(kept["post_type"]) == ["reel"]  # of unknown type is no type
    assert len(kept["party"]) > 30
