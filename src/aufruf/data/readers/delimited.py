"""CSV and its relatives: the delimiter found from the header, one record a row, all cells text."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from aufruf.data.readers.item import Record
from aufruf.data.readers.opened import Progress, open_text
from aufruf.errors import DataRefused

_DELIMITERS = ",;\t|"
CELL = 16 * 1024 * 1024  # characters; a longer cell is an unclosed quotation mark or an attack
ROW = 4 * CELL
_CELLS = 1_000_000  # delimiters in a line of more than a MiB; a row has far fewer, and far fewer are read
_COLUMNS = 2000
_NAME = re.compile(r"(?!.*\d{6})[^\W\d](?:[\w .:/()#-]{0,39}(?<![.!?])|\w{0,38}\?)")  # one word may ask
MISQUOTED = "misquoted row"  # the key under which a row is kept whose quotation marks are out of place
_SAMPLE, _START = 50, 1 << 20  # rows, and characters at most, that decide between delimiters


def delimiter(path: Path, encoding: str) -> str:
    """The delimiter that splits the header into most columns and the first rows into just as many."""
    return max(_DELIMITERS, key=lambda candidate: _fit(path, encoding, candidate))


def _fit(path: Path, encoding: str, candidate: str) -> tuple[bool, float, int]:
    csv.field_size_limit(CELL)
    with open_text(path, encoding, "") as file:
        start = list(_start(file))
    widths = [len(row) for row in islice(csv.reader(start, delimiter=candidate), _SAMPLE) if row]
    width = widths[0] if widths else 0
    alike = sum(one == width for one in widths) / max(len(widths), 1)
    return (width > 1, alike, width)


def _start(file: TextIO) -> Iterator[str]:
    """The lines that decide between delimiters, the last of them perhaps cut."""
    left = _START
    while left > 0 and (line := file.readline(left)):
        left -= len(line)
        yield line


def header(path: Path, encoding: str, delimiter: str) -> tuple[str, ...]:
    """The column names; a nameless column is called after its place. Raises DataRefused."""
    with open_text(path, encoding, "") as file:
        for cells in _rows(file, delimiter):
            if isinstance(cells, _Misquoted):
                raise DataRefused(f"the header cannot be read: {cells.reason}", next="Mend the first line.")
            return names(cells)
    raise DataRefused("the file holds no header", next="Export it again.")


def sayable(name: str) -> str:
    """A column's name as it may stand in a sentence; what does not look like one is not repeated: the first line of a
    table without a header is a post."""
    return repr(name) if _NAME.fullmatch(name) else "..."


def names(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of the columns. Raises DataRefused: too many, the same twice, a NUL among them."""
    if len(cells) > _COLUMNS:
        raise DataRefused(
            f"the header names {len(cells)} columns", next=f"No more than {_COLUMNS} are read; is it a table?"
        )
    found = tuple(cell.strip() or f"column {place}" for place, cell in enumerate(cells, start=1))
    if found[0].casefold().startswith("sep="):
        raise DataRefused("the first line tells Excel what separates cells, and is no header", next="Delete it.")
    twice = sorted(name for name, times in Counter(found).items() if times > 1)
    if twice:
        raise DataRefused(
            f"the header names {', '.join(map(sayable, twice[:5]))} more than once",
            next="Rename one of them.",
        )
    if any("\0" in name for name in found):
        raise DataRefused("the header holds a NUL character", next="Export the file again.")
    return found


def records(path: Path, encoding: str, delimiter: str, progress: Progress | None = None) -> Iterator[Record]:
    """One record a row; a row of no characters is none, a ragged one carries its problem."""
    columns = header(path, encoding, delimiter)
    with open_text(path, encoding, "", progress) as file:
        rows = _rows(file, delimiter)
        next(rows)
        for number, cells in enumerate(rows, start=1):
            if isinstance(cells, _Misquoted):
                yield Record(number, {MISQUOTED: cells.text}, cells.reason)
            elif len(cells) != len(columns):
                row = {"cells": cells[:_COLUMNS]}
                yield Record(number, row, f"the row has {len(cells)} cells, the header {len(columns)}")
            else:
                yield Record(number, dict(zip(columns, cells, strict=True)))


@dataclass(frozen=True)
class _Misquoted:
    """A row that cannot be taken apart, as it stands in the file, and why."""

    reason: str
    text: str


class _Lines:
    """The lines of a file for the csv module, which would itself read a line or a row of any length."""

    def __init__(self, file: TextIO, delimiter: str) -> None:
        self._file, self._delimiter = file, delimiter
        self.row = 0  # characters of the row that is being read
        self.text: list[str] = []  # its lines

    def __iter__(self) -> Iterator[str]:
        number = 0
        while line := self._file.readline(ROW + 1):
            number += 1
            self.row += len(line)
            if self.row > ROW or (len(line) > 1 << 20 and line.count(self._delimiter) > _CELLS):
                raise DataRefused(
                    f"the row that ends in line {number} has more than {ROW} characters or {_CELLS} cells",
                    next="Is a quotation mark before it left open? Is it a table?",
                )
            self.text.append(line)
            yield line


def _rows(file: TextIO, delimiter: str) -> Iterator[list[str] | _Misquoted]:
    """The cells of each row, or what is known of one whose quotation marks are out of place."""
    csv.field_size_limit(CELL)
    lines, width = _Lines(file, delimiter), 0
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        line, lines.row, lines.text = reader.line_num + 1, 0, []
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield _Misquoted(_misquoted(error, line), "".join(lines.text))
            continue
        if not any(cells):
            continue
        width = width or len(cells)
        if delimiter == "\t" and _joined(lines.text, width):
            why = f"a quotation mark in line {line} joins {len(lines.text)} rows into one"
            yield _Misquoted(why, "".join(lines.text))
        else:
            yield cells


def _joined(lines: Sequence[str], width: int) -> bool:
    """Whether each line of a row is as wide as a row: to who wrote them quotation marks were text, and one begins a
    cell here and another one ends a cell of a later row."""
    marks = sum(line.count('"') for line in lines)
    return len(lines) > 1 and marks == 2 and all(line.count("\t") == width - 1 for line in lines)


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
            f"the row at line {line} has a cell of more than {CELL} characters",
            next="Is a quotation mark there left open?",
        ) from None
    return f"the quotation marks in line {line} are out of place"
