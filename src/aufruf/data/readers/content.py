"""A file opened: its bytes judged once, its shape found from what is in it, its records streamed."""

import codecs
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aufruf.data.readers import delimited, json_text, parquet
from aufruf.data.readers.item import Record
from aufruf.errors import DataRefused

_CHUNK = 1 << 20
_LOOK = 20  # lines looked at to tell JSON lines from a table
_AS_UTF8 = "Re-save it as UTF-8."
_MAGIC = {
    b"PK\x03\x04": ("a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV (UTF-8)."),
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
    """A readable file: ``shape`` is delimited, json, ndjson or parquet."""

    path: Path
    shape: str
    encoding: str = "utf-8"
    delimiter: str = ""

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header, or the keys of the first records."""
        if self.shape == "delimited":
            return delimited.header(self.path, self.encoding, self.delimiter)
        if self.shape == "parquet":
            return parquet.header(self.path)
        return json_text.keys(itertools.islice(self.records(), 100))

    def records(self) -> Iterator[Record]:
        """Every record in the order of the file. Raises DataRefused where the file breaks off."""
        if self.shape == "delimited":
            return delimited.records(self.path, self.encoding, self.delimiter)
        if self.shape == "parquet":
            return parquet.records(self.path)
        if self.shape == "ndjson":
            return json_text.line_records(self.path, self.encoding)
        return json_text.document_records(self.path, self.encoding)


def open_content(path: Path) -> Content:
    """Judge the bytes and find the shape. Raises DataRefused: empty, an archive, not UTF-8, not a table."""
    with path.open("rb") as file:
        head = file.read(4096)
    if not head:
        raise DataRefused("the file is empty", next="Export it again.")
    if head.startswith(b"PAR1"):
        return Content(path, "parquet")
    for magic, (what, cure) in _MAGIC.items():
        if head.startswith(magic):
            raise DataRefused(f"this is {what}", next=cure)
    encoding = _encoding(path, head)
    start = _first_lines(path, encoding)
    if not any(line.strip("\ufeff \t\r\n") for line in start):
        raise DataRefused("the file holds only white space", next="Export it again.")
    if any(json_text.is_object(line) for line in start):
        return Content(path, "ndjson", encoding)
    if next(line for line in start if line.strip()).lstrip()[0] in "[{":
        return Content(path, "json", encoding)
    return Content(path, "delimited", encoding, delimited.delimiter(path, encoding))


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
            chunk = file.read(_CHUNK)
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


def _first_lines(path: Path, encoding: str) -> list[str]:
    with path.open(encoding=encoding, newline="\n") as file:
        return list(itertools.islice(file, _LOOK))
