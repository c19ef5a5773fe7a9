"""JSON lines, and how JSON is read: numbers stay the text they were written as, so that ids keep every digit."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aufruf.data.readers.item import Record
from aufruf.data.readers.opened import SHOWN, Progress, lines, open_text

LONGEST = 64 * 1024 * 1024  # characters of a line or an element; a post with all its comments has about 10^6
DEEPEST = 200  # levels of nesting; exports have about 15
MOST_KEYS = 2000
_MOST_VALUES = 500_000  # of one line or element: each costs 50 to 100 bytes of memory, however short it is
_SMALL = 1 << 20  # characters that cannot hold more values than that by much


def _nothing(_constant: str) -> None:
    """NaN and Infinity, outside quotation marks, stand for no value."""


DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=_nothing)


def parse(text: str) -> Any:
    """The value a JSON text stands for. Raises ValueError, also for nesting beyond all reason."""
    if too_rich(text):
        raise ValueError(f"more than {_MOST_VALUES} values")
    try:
        value = DECODER.decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if too_deep(value, text.count("[") + text.count("{")):
        raise ValueError("nested too deeply")
    return value


def too_rich(text: str) -> bool:
    """True for a long text that holds more values than any export has in one line."""
    return len(text) > _SMALL and text.count(",") + text.count("[") + text.count("{") > _MOST_VALUES


def too_deep(value: Any, brackets: int) -> bool:
    """True when lists and objects are nested beyond DEEPEST; ``brackets``: how many open in the text."""
    if brackets <= DEEPEST:
        return False
    depth, level = 0, [value]
    while level and depth <= DEEPEST:
        inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [value for values in inner for value in values if isinstance(value, dict | list)]
        depth += 1
    return bool(level)


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


def line_records(path: Path, encoding: str, progress: Progress | None = None) -> Iterator[Record]:
    """One record a line; a line that is not a JSON object carries its problem. Blank lines are none."""
    number = 0
    with open_text(path, encoding, "\n", progress) as file:  # U+2028 and \r stand inside texts
        for line, whole in lines(file, LONGEST):
            text = line.strip("\ufeff \t\r\n")  # the mark: files with one each that were put together
            if not whole:
                number += 1
                yield Record(number, {BROKEN_LINE: text}, f"the line has more than {LONGEST} characters")
            elif text:
                number += 1
                yield line_record(number, text)


BROKEN_LINE = "broken line"  # the key under which an unreadable line is kept
BROKEN_ELEMENT = "broken element"


def line_record(number: int, text: str) -> Record:
    """The record that a line holds."""
    try:
        value = parse(text)
    except ValueError as error:
        return Record(number, {BROKEN_LINE: text[:SHOWN]}, f"the line is not JSON ({_place(error)})")
    if not isinstance(value, dict):
        return Record(number, {BROKEN_LINE: text[:SHOWN]}, "the line is JSON, but not an object")
    if len(value) > MOST_KEYS:
        return Record(number, {BROKEN_LINE: text[:SHOWN]}, _keys_told(value))
    return Record(number, value)


def element_record(number: int, value: Any, brackets: int) -> Record:
    """The record that an element of a JSON document holds; ``brackets``: how many open in its text."""
    if too_deep(value, brackets):
        return Record(number, {BROKEN_ELEMENT: "nested too deeply"}, "the element is nested too deeply")
    if not isinstance(value, dict):
        return Record(number, {BROKEN_ELEMENT: value}, "the element is not a JSON object")
    if len(value) > MOST_KEYS:
        return Record(number, {BROKEN_ELEMENT: f"{len(value)} keys"}, _keys_told(value))
    return Record(number, value)


def _keys_told(value: dict[str, Any]) -> str:
    return f"the object has {len(value)} keys, more than {MOST_KEYS}"


def _place(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):  # its message names no value of the file
        return f"line {error.lineno}, column {error.colno}: {error.msg[0].lower()}{error.msg[1:]}"
    return str(error)
