"""What a reader yields: one item of a file, its values by role, or the reason why it cannot be taken."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ROLES = (  # what --columns can name
    "text",
    "ocr",
    "transcript",
    "label",
    "annotator",
    "text_id",
    "post_id",
    "text_type",
    "post_type",
    "platform",
    "author",
    "party",
    "posted_at",
)

NO_ROW = -1  # in place of a number: what an annotation leaves unanswered beside its answers; nothing that is counted
_APART = 1 << 40  # between the numbers of a row's answers; no file has as many rows
Row = Mapping[str, Any]
Values = Mapping[str, str | None]


@dataclass(frozen=True)
class Record:
    """A line, record or element as the file has it; numbers in ``row`` are text, so ids keep their digits."""

    number: int  # 1-based; a header is not counted
    row: Row
    problem: str = ""  # why it could not be parsed


@dataclass(frozen=True)
class Item:
    """A text or a vote: ``values`` by role, and besides question, annotated_at, collected_at and seconds."""

    number: int  # 1-based, over all rows of the file; of further answers or texts of one row: see ``beside``
    values: Values
    row: Row = field(default_factory=dict)  # as the file has it, for the quarantine
    problem: str = ""
    harmless: bool = False  # refused, but nothing is wrong with the file: an advertisement, a skipped task


def beside(row: int, place: int) -> int:
    """The number of the answer or text at this place, from 0, of a row that has several."""
    return row + place * _APART


def row_of(number: int) -> int:
    """The number of the row of an answer or text: what people and the quarantine know it by, whoever asked what."""
    return number % _APART


class RowRefused(Exception):
    """A reader cannot take a row; ``harmless`` when that is in the nature of the export."""

    def __init__(self, reason: str, *, harmless: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.harmless = reason, harmless


def one_per_record(records: Iterable[Record], values: Callable[[Row], Values]) -> Iterator[Item]:
    """An item for each record; ``values`` maps a row to roles or raises RowRefused."""
    return each_record(records, lambda row: [values(row)])


def each_record(records: Iterable[Record], values: Callable[[Row], Sequence[Values]]) -> Iterator[Item]:
    """An item for each of the ``values`` of a record; one for a record that RowRefused refuses."""
    for number, record in enumerate(records, start=1):
        try:
            if record.problem:
                raise RowRefused(record.problem)
            found = values(record.row)
        except RowRefused as refusal:
            yield Item(number, {}, record.row, refusal.reason, refusal.harmless)
            continue
        for place, one in enumerate(found):
            yield Item(beside(number, place), one, record.row)


def texts_of(post: Values, **texts: Any) -> list[Values]:
    """The values of each text that a post has; ``texts``: caption, ocr, transcript. Where there is none, the first."""
    written = {kind: as_text(text) for kind, text in texts.items()}
    there = [kind for kind, text in written.items() if text and text.strip()] or list(written)[:1]
    return [{"text": written[kind], "text_type": kind, **post} for kind in there]


def dig(row: Any, *path: str | int) -> Any:
    """The value at ``path`` in nested objects and lists; None as soon as a step is not there."""
    for step in path:
        if isinstance(step, int):
            row = row[step] if isinstance(row, list) and step < len(row) else None
        else:
            row = row.get(step) if isinstance(row, Mapping) else None
    return row


def word(value: Any) -> str | None:
    """A scalar as text; None for nothing, for blanks, and for objects and lists."""
    if value is None or isinstance(value, Mapping | list):
        return None
    return str(value).strip() or None


def failure(row: Row) -> str | None:
    """What a scraper says that could not bring a post; None for a post, of which it may say that nothing failed."""
    return word(row.get("error")) if row.get("error") else None


def as_text(value: Any) -> str | None:
    """A text with its white space as it is; anything else as ``word`` has it."""
    return value if isinstance(value, str) else word(value)
