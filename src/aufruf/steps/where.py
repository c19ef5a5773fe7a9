"""A filter over columns, written by hand: ``party=GRÜNE,label=call,probability>=0.9``. No SQL, no code."""

import csv
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from aufruf.errors import UsageError, nearest

COLUMNS = (
    "text_id",
    "text_type",
    "post_type",
    "platform",
    "author",
    "party",
    "posted_at",
    "label",
    "probability",
    "confident",
    "scored_at",
)
_NUMBERS, _TIMES = {"probability"}, {"posted_at", "scored_at"}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "!=": operator.ne,
    ">=": operator.ge,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION = re.compile(r"\s*(\w+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", re.DOTALL)
_EXAMPLE = 'For example party=SPD,label=call,probability>=0.9; quote a condition that holds a comma: "author=a, b".'


def select(frame: pd.DataFrame, written: str) -> pd.DataFrame:
    """The rows for which every condition holds; a missing value equals nothing but ``""``.

    Columns: ``COLUMNS``. Order is for numbers and times (ISO 8601, UTC unless it says so). Raises UsageError naming
    what cannot be read.
    """
    chosen = np.ones(len(frame), dtype=np.bool_)
    for condition in _conditions(written):
        chosen &= _holds(frame, condition)
    return frame[chosen]


def _conditions(written: str) -> list[str]:
    try:
        return next(csv.reader([written], skipinitialspace=True), [])
    except csv.Error:
        raise UsageError("--where has a line break outside quotes, or is too long", next=_EXAMPLE) from None


def _holds(frame: pd.DataFrame, condition: str) -> Any:
    read = _CONDITION.fullmatch(condition)
    if read is None:
        raise UsageError(f"--where has {condition!r}, which is no condition", next=_EXAMPLE)
    column, sign, value = read.groups()
    if column not in COLUMNS:
        raise UsageError(f"--where knows no column {column!r}", next=nearest(column, COLUMNS))
    if column in _NUMBERS:
        return _compared(frame[column].astype(float), sign, _number(column, value))
    if column in _TIMES:
        return _compared(frame[column], sign, _time(column, value))
    if sign not in {"=", "!="}:
        raise UsageError(f"--where cannot order {column}", next=f"Use {column}=... or {column}!=...")
    found = frame[column].map(lambda one: "" if pd.isna(one) else str(one)).str.casefold()
    return _OPERATORS[sign](found, value.casefold()).to_numpy(dtype=np.bool_)


def _compared(values: "pd.Series[Any]", sign: str, value: Any) -> Any:
    return (_OPERATORS[sign](values, value) & values.notna()).to_numpy(dtype=np.bool_)


def _number(column: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError(f"--where: {value!r} is no number for {column}", next=_EXAMPLE) from None


def _time(column: str, value: str) -> pd.Timestamp:
    try:
        read: Any = pd.Timestamp(value)
    except ValueError:
        read = None
    if read is None or pd.isna(read):
        raise UsageError(f"--where: {value!r} is no time for {column}", next="Write 2025-02-16 or 2025-02-16T18:00.")
    found: pd.Timestamp = read.tz_localize("UTC") if read.tzinfo is None else read.tz_convert("UTC")
    return found
