"""JSON documents and JSON lines. Numbers stay the text they were written as, so that ids keep every digit."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aufruf.data.readers.item import Record
from aufruf.errors import DataRefused


def _nothing(_constant: str) -> None:
    """NaN and Infinity, outside quotation marks, stand for no value."""


def parse(text: str) -> Any:
    """The value a JSON text stands for. Raises ValueError, also for nesting beyond all reason."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=_nothing)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def is_object(line: str) -> bool:
    """True when the line alone is a JSON object."""
    stripped = line.strip("\ufeff \t\r\n")
    if not (stripped.startswith("{") and stripped.endswith("}")):
        return False
    try:
        return isinstance(parse(stripped), dict)
    except ValueError:
        return False


def keys(records: Iterable[Record]) -> tuple[str, ...]:
    """The keys of these records, in the order they turn up."""
    return tuple(dict.fromkeys(key for record in records if not record.problem for key in record.row))


def line_records(path: Path, encoding: str) -> Iterator[Record]:
    """One record a line; a line that is not a JSON object carries its problem. Blank lines are none."""
    number = 0
    with path.open(encoding=encoding, newline="\n") as file:  # U+2028 and \r stand inside texts
        for line in file:
            text = line.strip(" \t\r\n")
            if text:
                number += 1
                yield _record(number, text)


def _record(number: int, text: str) -> Record:
    try:
        value = parse(text)
    except ValueError as error:
        return Record(number, {"line": text}, f"the line is not JSON ({_place(error)})")
    if not isinstance(value, dict):
        return Record(number, {"line": text}, "the line is JSON, but not an object")
    return Record(number, value)


def document_records(path: Path, encoding: str) -> Iterator[Record]:
    """The elements of a JSON list, or the one object of the file. Raises DataRefused when it is not whole."""
    try:
        value = parse(path.read_text(encoding=encoding))
    except ValueError as error:
        raise DataRefused(f"the JSON is broken or cut off ({_place(error)})", next="Export the file again.") from None
    for number, element in enumerate(value if isinstance(value, list) else [value], start=1):
        if isinstance(element, dict):
            yield Record(number, element)
        else:
            yield Record(number, {"element": element}, "the element is not a JSON object")


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):  # its message names no value of the file
        return f"line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
    return "nested too deeply" if "nested" in str(error) else "a number without end"
