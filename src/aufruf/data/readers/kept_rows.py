"""Rows as the quarantine keeps them, read again."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aufruf.data.readers.delimited import MISQUOTED
from aufruf.data.readers.item import Record
from aufruf.data.readers.json_text import BROKEN_ELEMENT, BROKEN_LINE, line_record


def records(rows: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
    """One record a row; what could not be parsed then is tried again, or stays a problem."""
    for number, row in enumerate(rows, start=1):
        yield _record(number, row)


def _record(number: int, row: Mapping[str, Any]) -> Record:
    key, value = next(iter(row.items())) if len(row) == 1 else ("", None)
    if key == MISQUOTED:
        return Record(number, row, "the quotation marks of the row are out of place: write it as column and value")
    if not row:
        return Record(number, row, "nothing of the row was kept")
    if key == "cells" and isinstance(value, list):
        return Record(number, row, f"the row has {len(value)} cells, and nothing says which column each belongs to")
    if key == BROKEN_LINE and isinstance(value, str):
        return line_record(number, value)
    if key == BROKEN_ELEMENT:
        return Record(number, row, "the element is not a JSON object")
    return Record(number, row)
