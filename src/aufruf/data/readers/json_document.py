"""A JSON document read element by element, through a window that grows only as far as one element."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from aufruf.data.readers.item import Record
from aufruf.data.readers.json_text import DECODER, LONGEST, element_record, too_rich
from aufruf.data.readers.opened import CHUNK, Progress, open_text
from aufruf.errors import DataRefused

_SPACE = re.compile(r"[ \t\n\r]*")
_TORN = 16  # characters: what a cut may tear apart and still be told as an error before it (-Infinity, \u12ab)
_AGAIN = "Export the file again."


def document_records(path: Path, encoding: str, progress: Progress | None = None) -> Iterator[Record]:
    """The elements of a JSON list, or the one value of the file. Raises DataRefused where it is broken or cut off."""
    with open_text(path, encoding, "\n", progress) as file:
        window = _Window(file)
        if window.peek() != "[":
            yield window.element()
        else:
            yield from _elements(window)
        if window.peek():
            raise window.broken("extra data", window.at)


def _elements(window: "_Window") -> Iterator[Record]:
    window.at += 1
    if window.peek() == "]":
        window.at += 1
        return
    while True:
        yield window.element()
        mark = window.peek()
        if mark not in (",", "]"):
            raise window.broken("expecting ',' or ']'", window.at)
        window.at += 1
        if mark == "]":
            return


class _Window:
    """The part of the file that is held: ``text`` from ``at`` on is still to be read."""

    def __init__(self, file: TextIO) -> None:
        self.text, self.at, self.ended = "", 0, False
        self._file, self._number = file, 0
        self._line, self._column = 1, 1  # of the first character held

    def peek(self) -> str:
        """The next character that is no white space; "" at the end."""
        while True:
            self.at = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self._more()

    def element(self) -> Record:
        """The next value. Raises DataRefused when it is broken, cut off or beyond the limits."""
        self.peek()
        self._number += 1
        while (found := self._try()) is None:
            self._bound(len(self.text))
            self._more()
        value, end = found
        self._bound(end)
        brackets = self.text.count("[", self.at, end) + self.text.count("{", self.at, end)
        self.at = end
        return element_record(self._number, value, brackets)

    def _bound(self, end: int) -> None:
        """Raises DataRefused when what is read of the element up to ``end`` is more than a record holds."""
        if end - self.at > LONGEST or too_rich(self.text[self.at : end]):
            raise DataRefused(
                f"element {self._number} of the JSON list is too large to be one record",
                next=f"An element has at most {LONGEST} characters. Is it a list of records?",
            )

    def _try(self) -> tuple[Any, int] | None:
        """The next value and where it ends; None when it may go on beyond what is held."""
        try:
            value, end = DECODER.raw_decode(self.text, self.at)
        except RecursionError:
            raise DataRefused("the JSON is broken or cut off (nested too deeply)", next=_AGAIN) from None
        except json.JSONDecodeError as error:
            torn = error.pos >= len(self.text) - _TORN or error.msg.startswith("Unterminated string")
            if torn and not self.ended:
                return None
            raise self.broken(f"{error.msg[0].lower()}{error.msg[1:]}", error.pos) from None
        may_go_on = not isinstance(value, dict | list) and end >= len(self.text) - _TORN
        return None if may_go_on and not self.ended else (value, end)

    def _more(self) -> None:
        """Let go of what is read, and hold at least twice as much of what is not: each character is seen few times."""
        lines = self.text.count("\n", 0, self.at)
        self._column = self.at - self.text.rfind("\n", 0, self.at) if lines else self._column + self.at
        self._line += lines
        rest = self.text[self.at :]
        new = self._file.read(max(CHUNK, len(rest)))
        self.text, self.at, self.ended = rest + new, 0, not new

    def broken(self, what: str, at: int) -> DataRefused:
        """The refusal of a document that cannot be read beyond ``at``."""
        lines = self.text.count("\n", 0, at)
        column = at - self.text.rfind("\n", 0, at) if lines else self._column + at
        return DataRefused(
            f"the JSON is broken or cut off (line {self._line + lines}, column {column}: {what})", next=_AGAIN
        )
