"""What a reader yields: one item of a file, its values by role, or the reason why it cannot be taken."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = (  # what --columns can name
    "text",
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

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """A line, record or element as the file has it; numbers in ``row`` are text, so ids keep their digits."""

    number: int  # 1-based; a header is not counted
    row: Row
    problem: str = ""  # why it could not be parsed


@dataclass(frozen=True)
class Item:
    """A post or a vote: ``values`` by role, and besides question, annotated_at and collected_at."""

    number: int  # 1-based
    values: Mapping[str, str | None]
    row: Row = field(default_factory=dict)  # as the file has it, for the quarantine
    problem: str = ""
    harmless: bool = False  # refused, but nothing is wrong with the file: an advertisement, a skipped task


class RowRefused(Exception):
    """A reader cannot take a row; ``harmless`` when that is in the nature of the export."""

    def __init__(self, reason: str, *, harmless: bool = False) -> None:
        super().__init__(reason)
        self.reason, self.harmless = reason, harmless


def one_per_record(records: Iterable[Record], values: Callable[[Row], Mapping[str, str | None]]) -> Iterator[Item]:
    """An item for each record; ``values`` maps a row to roles or raises RowRefused."""
    for record in records:
        if record.problem:
            yield Item(record.number, {}, record.row, record.problem)
            continue
        try:
            yield Item(record.number, values(record.row), record.row)
        except RowRefused as refusal:
            yield Item(record.number, {}, record.row, refusal.reason, refusal.harmless)


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
