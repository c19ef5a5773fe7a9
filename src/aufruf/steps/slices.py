"""What parts the test set has: the value of each dimension for each text."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.measured import DIMENSIONS, LENGTHS, LONGER
from aufruf.model.evaluation_slices import Slice
from aufruf.release.promotion import floor_of
from aufruf.schemas import UNKNOWN
from aufruf.steps.pseudonyms import folded
from aufruf.store import Store

_TAG = 4900  # characters of a tag; the registry takes 5,000


def values(store: Store, classifier: Classifier, test: pd.DataFrame) -> dict[str, list[str]]:
    """Dimension -> the value of each test row, in their order: party, text type, post type, length, month."""
    about = store.read(
        "texts", {"text_id": test["text_id"].tolist()}, ["text_id", "party", "text_type", "post_type", "posted_at"]
    )
    rows = about.drop_duplicates("text_id", keep="last").set_index("text_id").reindex(test["text_id"])
    month = pd.to_datetime(rows["posted_at"], utc=True).dt.tz_convert(ZoneInfo(classifier.schedule.timezone))
    made = {"length": [_length(text) for text in test["text"]], "month": _named(month.dt.strftime("%Y-%m"))}
    return {name: made[name] if name in made else _named(rows[name]) for name in DIMENSIONS}


def accounts(store: Store, test: pd.DataFrame) -> int | None:
    """How many accounts the test texts come from; None where the account of one of them is not known."""
    about = store.read("texts", {"text_id": test["text_id"].tolist()}, ["text_id", "author"])
    names = about.drop_duplicates("text_id", keep="last")["author"].fillna("").astype(str).map(folded)
    return None if (names == "").any() else int(names.nunique())


def known(of: dict[str, list[str]]) -> dict[str, list[str]]:
    """The dimensions of which at least one text has a value."""
    return {name: some for name, some in of.items() if set(some) != {UNKNOWN}}


def ordered(found: Sequence[Slice]) -> list[Slice]:
    """One dimension after another: lengths from the shortest, months from the first, others from the largest."""
    lengths = [*(name for _, name in LENGTHS), LONGER]
    dimensions = list(dict.fromkeys(one.dimension for one in found))

    def place(one: Slice) -> tuple[int, Any, str]:
        of = lengths.index(one.value) if one.dimension == "length" else 0 if one.dimension == "month" else -one.n
        return dimensions.index(one.dimension), of, one.value

    return sorted(found, key=place)


def tag(slices: Sequence[Slice], floors: Mapping[str, float]) -> str:
    """Slices that are not small as JSON ``{dimension: {value: {n, positives, f1}}}``, as many as a tag holds.

    Those that ``floors`` of the gate name come first, then others that have one, then the largest.
    """

    def place(one: Slice) -> tuple[bool, bool, int]:
        name = f"{one.dimension}={one.value}"
        return name not in floors, floor_of(name, floors) is None, -one.positives

    kept = sorted((one for one in slices if not one.small and one.f1), key=place)
    while True:
        told: dict[str, dict[str, Any]] = {}
        for one in kept:
            told.setdefault(one.dimension, {})[one.value] = _short(one)
        if len(written := json.dumps(told, ensure_ascii=False)) <= _TAG:
            return written
        kept.pop()


def _short(one: Slice) -> dict[str, Any]:
    f1 = {} if one.f1 is None else {key: round(value, 4) for key, value in one.f1.as_dict().items()}
    return {"n": one.n, "positives": one.positives, "f1": f1}


def _named(column: pd.Series) -> list[str]:
    return [UNKNOWN if one is None or one is pd.NaT or one != one or one == "" else str(one) for one in column]


def _length(text: str) -> str:
    words = len(text.split())
    return next((name for most, name in LENGTHS if words <= most), LONGER)
