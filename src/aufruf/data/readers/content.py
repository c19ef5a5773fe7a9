"""A file opened: its bytes judged once, its shape found from what is in it, its records streamed."""

import codecs
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from aufruf.data.readers import delimited, json_document, json_text, kept_rows, parquet
from aufruf.data.readers.item import Record, failure
from aufruf.data.readers.opened import CHUNK, Progress, lines, open_text
from aufruf.data.readers.parts import PART, Parts
from aufruf.errors import DataRefused

_LOOK = 20  # lines looked at to tell JSON lines from a table
_LONG_LINE = 4 * CHUNK  # characters; a line beyond is looked at no further
_AS_UTF8 = "Re-save it as UTF-8."
_MAGIC = {
    b"PK\x03\x04": ("a ZIP archive or a workbook", "Unpack it, or save the sheet as CSV (UTF-8)."),
    b"\x1f\x8b": ("a gzip archive", "Unpack it first."),
    b"\xfd7zXZ": ("an xz archive", "Unpack it first."),
    b"BZh": ("a bzip2 archive", "Unpack it first."),
    b"\x28\xb5\x2f\xfd": ("a zstd archive", "Unpack it first."),
    b"%PDF": ("a PDF document", "Export the table it shows as CSV."),
    b"SQLite format 3": ("an SQLite database", "Export the table as CSV."),
    b"\xd0\xcf\x11\xe0": ("an old Office document", "Save the sheet as CSV (UTF-8)."),
}


@dataclass(frozen=True)
class Content:
    """A readable file: ``shape`` is delimited, json, ndjson or parquet; or kept, for rows of the quarantine."""

    path: Path
    shape: str
    encoding: str = "utf-8"
    delimiter: str = ""
    questions: frozenset[str] = frozenset()  # what the classifiers ask: exports name a column after each
    several: frozenset[str] = frozenset()  # of these the questions whose answer may hold several choices
    progress: Progress | None = None  # told the bytes read in a pass over the records: in all, the file's size
    kept: Sequence[Mapping[str, Any]] = ()
    parts: Parts | None = None  # sees the records of objects pass

    @property
    def objects(self) -> bool:
        """True where each record has keys of its own."""
        return self.shape in ("json", "ndjson")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header, or the keys of the first hundred records; a scraper's errors have others, and are not counted."""
        if self.shape == "delimited":
            return delimited.header(self.path, self.encoding, self.delimiter)
        if self.shape == "parquet":
            return parquet.header(self.path)
        return json_text.keys(_first(self._records(None)))

    def records(self) -> Iterator[Record]:
        """Every record in the order of the file. Raises DataRefused where the file breaks off."""
        found = self._records(self.progress)
        return self.parts.watch(found) if self.parts else found

    def _records(self, progress: Progress | None) -> Iterator[Record]:
        if self.shape == "kept":
            return kept_rows.records(self.kept)
        if self.shape == "delimited":
            return delimited.records(self.path, self.encoding, self.delimiter, progress)
        if self.shape == "parquet":
            return parquet.records(self.path, progress)
        if self.shape == "ndjson":
            return json_text.line_records(self.path, self.encoding, progress)
        return json_document.document_records(self.path, self.encoding, progress)


def _first(records: Iterator[Record]) -> Iterator[Record]:
    """The first hundred records, and the errors of a scraper among and before them."""
    left = PART
    for record in records:
        yield record
        left -= failure(record.row) is None
        if not left:
            return


def open_content(
    path: Path,
    questions: frozenset[str] = frozenset(),
    several: frozenset[str] = frozenset(),
) -> Content:
    """Judge the bytes and find the shape. Raises DataRefused: empty, an archive, not UTF-8, not a table.

    ``questions`` and ``several``: see Content.
    """
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise DataRefused("the file is empty", next="Export it again.")
    if head.startswith(b"PAR1"):
        return Content(path, "parquet", questions=questions, several=several)
    if refusal := no_table(head):
        raise refusal
    encoding = _encoding(path, head)
    shape = _shape(path, encoding)
    delimiter = delimited.delimiter(path, encoding) if shape == "delimited" else ""
    return Content(path, shape, encoding, delimiter, questions, several)


def given(
    rows: Sequence[Mapping[str, Any]], questions: frozenset[str] = frozenset(), several: frozenset[str] = frozenset()
) -> Content:
    """Rows that the quarantine kept, to be read again by the format that refused them."""
    return Content(Path(), "kept", questions=questions, several=several, kept=tuple(rows))


def no_table(head: bytes) -> DataRefused | None:
    """Why a file that begins with these bytes is no text; None when it may be one."""
    for magic, (what, cure) in _MAGIC.items():
        if head.startswith(magic):
            return DataRefused(f"this is {what}", next=cure)
    if head[257:262] == b"ustar":
        return DataRefused("this is a tar archive", next="Unpack it, or pack its files as ZIP.")
    return None


def _shape(path: Path, encoding: str) -> str:
    """delimited, json or ndjson, from the first lines. Raises DataRefused when they are blank."""
    start = _first_lines(path, encoding)
    first = next((line.strip("\ufeff \t\r\n") for line, _ in start if line.strip("\ufeff \t\r\n")), "")
    if not first:
        raise DataRefused("the file holds only white space", next="Export it again.")
    if first[0] == "[" or first == "{":  # a list, or an object over several lines
        return "json"
    objects = sum(json_text.is_object(line) for line, whole in start if whole)
    if objects and (first[0] == "{" or 2 * objects > len(start)):  # a caption in a table may hold a line of JSON
        return "ndjson"
    if first[0] != "{":
        return "delimited"
    return "json" if all(whole for _, whole in start) else "ndjson"


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataRefused("the file is UTF-32, not UTF-8", next=_AS_UTF8)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        name = "utf-16"
    elif head.count(0) > len(head) // 5:
        raise DataRefused("the file is binary, or UTF-16 without its mark: it is full of NUL bytes", next=_AS_UTF8)
    else:
        name = "utf-8-sig"
    _decode_all(path, name)
    return name


def _decode_all(path: Path, encoding: str) -> None:
    """Read every byte once, so that nothing of a file in another encoding is ever stored."""
    decoder = codecs.getincrementaldecoder(encoding)()
    done, lines = 0, 1
    with path.open("rb") as file:
        while True:
            chunk = file.read(CHUNK)
            try:
                lines += decoder.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError as error:
                held_back = len(error.object) - len(chunk)  # the start of a character, from the chunk before
                at = done - held_back + error.start
                lines += error.object[: error.start].count(b"\n")
                kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
                raise DataRefused(
                    f"not {kind} at byte {at} (line {lines})",
                    next=f"{_AS_UTF8} Files from Excel are often Windows-1252.",
                ) from None
            if not chunk:
                return
            done += len(chunk)


def _first_lines(path: Path, encoding: str) -> list[tuple[str, bool]]:
    with open_text(path, encoding, "\n") as file:
        return list(itertools.islice(lines(file, _LONG_LINE), _LOOK))
