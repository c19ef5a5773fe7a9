"""CSV and its relatives: the delimiter found from the header, one record a row, all cells text."""

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from aufruf.data.readers.item import Record
from aufruf.errors import DataRefused

_DELIMITERS = ",;\t|"
_CELL = 16 * 1024 * 1024  # characters; a longer cell is an unclosed quotation mark or an attack
_COLUMNS = 2000
_SAMPLE = 50  # rows that decide between delimiters


def delimiter(path: Path, encoding: str) -> str:
    """The delimiter that splits the header into most columns and the first rows into just as many."""
    return max(_DELIMITERS, key=lambda candidate: _fit(path, encoding, candidate))


def _fit(path: Path, encoding: str, candidate: str) -> tuple[bool, float, int]:
    csv.field_size_limit(_CELL)
    rows = []
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=candidate)
        try:
            rows = [row for row in islice(reader, _SAMPLE) if row]
        except csv.Error:
            return (False, 0.0, 0)
    width = len(rows[0]) if rows else 0
    alike = sum(len(row) == width for row in rows) / max(len(rows), 1)
    return (width > 1, alike, width)


def header(path: Path, encoding: str, delimiter: str) -> tuple[str, ...]:
    """The column names; a nameless column is called after its place. Raises DataRefused."""
    with path.open(encoding=encoding, newline="") as file:
        for cells in _rows(file, delimiter):
            if isinstance(cells, str):
                raise DataRefused(f"the header cannot be read: {cells}", next="Mend the first line.")
            return _names(cells)
    raise DataRefused("the file holds no header", next="Export it again.")


def _names(cells: list[str]) -> tuple[str, ...]:
    if len(cells) > _COLUMNS:
        raise DataRefused(
            f"the header names {len(cells)} columns", next=f"No more than {_COLUMNS} are read; is it a table?"
        )
    names = tuple(cell.strip() or f"column {place}" for place, cell in enumerate(cells, start=1))
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataRefused(
            f"the header names {', '.join(map(repr, twice[:5]))} more than once", next="Rename one of them."
        )
    if any("\0" in name for name in names):
        raise DataRefused("the header holds a NUL character", next="Export the file again.")
    return names


def records(path: Path, encoding: str, delimiter: str) -> Iterator[Record]:
    """One record a row; a row of no characters is none, a ragged one carries its problem."""
    names = header(path, encoding, delimiter)
    with path.open(encoding=encoding, newline="") as file:
        rows = _rows(file, delimiter)
        next(rows)
        for number, cells in enumerate(rows, start=1):
            if isinstance(cells, str):
                yield Record(number, {}, cells)
            elif len(cells) != len(names):
                row = {"cells": cells}
                yield Record(number, row, f"the row has {len(cells)} cells, the header {len(names)}")
            else:
                yield Record(number, dict(zip(names, cells, strict=True)))


def _rows(file: Iterator[str], delimiter: str) -> Iterator[list[str] | str]:
    """The cells of each row, or a sentence for one whose quotation marks are out of place."""
    csv.field_size_limit(_CELL)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _misquoted(error, line)
            continue
        if any(cells):
            yield cells


def _misquoted(error: csv.Error, line: int) -> str:
    """A sentence for one bad row. Raises DataRefused where the rest of the file cannot be told apart."""
    what = str(error)
    if "unexpected end of data" in what:
        raise DataRefused(
            f"a quotation mark opened in line {line} is never closed",
            next="Close it, or export the file again: it may be cut off.",
        ) from None
    if "field larger" in what:
        raise DataRefused(
            f"the row at line {line} has a cell of more than {_CELL} characters",
            next="Is a quotation mark there left open?",
        ) from None
    return f"the quotation marks in line {line} are out of place"
