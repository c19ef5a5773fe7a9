"""The texts that a file names, as our own tables and lists name them: in a column, or under a key, ``text_id``."""

import csv
import json
import re
from collections.abc import Iterable, Iterator

_COLUMN = "text_id"
_MARKS = ",;\t|"  # between the cells of a table; ours have the first
_CELL = 1 << 24  # characters, as for the tables that are taken in
_WIDEST = 1 << 16  # characters of a table's first line
_LONGEST = 1 << 12  # of a key with its value
_VALUE = re.compile(rf'"{_COLUMN}"\s*:\s*(?:("(?:[^"\\]|\\.)*")|(-?\d+))')
_HEX = "[0-9a-fA-F]"
_FIRST_HALF = rf"[dD][89abAB]{_HEX}{{2}}"  # of a character beyond the first 65,536, as JSON in ASCII has it
_TOKENS = re.compile(rf"(?:[^\\]++|\\u{_FIRST_HALF}\\u{_HEX}{{4}}|\\u(?!{_FIRST_HALF}){_HEX}{{4}}|\\[^u])*+", re.DOTALL)
_ESCAPES = re.compile(rf'(?:\\u{_HEX}{{4}}|\\["\\/bfnrt])+')
_LONGEST_TOKEN = 12


def in_table(lines: Iterable[str]) -> Iterator[str]:
    """The cells under ``text_id`` of a CSV or TSV, one row in memory at a time; none where there is no such column.

    Ends where a row cannot be read.
    """
    rows = iter(lines)
    head = next(rows, "")[:_WIDEST].removeprefix("\ufeff")
    for mark in _MARKS:
        names = next(csv.reader([head], delimiter=mark), [])
        if _COLUMN in names:
            break
    else:
        return
    place = names.index(_COLUMN)
    csv.field_size_limit(_CELL)
    try:
        for row in csv.reader(rows, delimiter=mark):
            yield from row[place : place + 1]
    except csv.Error:  # a cell larger than the module takes
        return


def in_json(pieces: Iterable[str]) -> Iterator[str]:
    """The values of keys ``text_id``, at any depth of JSON or JSON lines that come in ``pieces``; some come twice.

    A text that speaks of such a key names nothing: its quotes are escaped.
    """
    held = ""
    for piece in pieces:
        held = held[-_LONGEST:] + piece
        for found in _VALUE.finditer(held):
            try:
                yield str(json.loads(found[1] or found[2]))
            except ValueError:  # no JSON
                continue


def decoded(pieces: Iterable[str]) -> Iterator[str]:
    """The same pieces with what JSON escapes - letters, quotes, line feeds - as the signs themselves."""
    held = ""
    for piece in pieces:
        held += piece
        whole = _TOKENS.match(held)
        end = whole.end() if whole else 0
        if len(held) - end > _LONGEST_TOKEN:  # no JSON
            end = len(held)
        yield _ESCAPES.sub(lambda one: str(json.loads(f'"{one[0]}"')), held[:end])
        held = held[end:]
    yield held
