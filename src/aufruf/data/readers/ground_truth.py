"""The tutorial's ground truth: a text and the label that was decided for it elsewhere."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, as_text, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One decided label a row, with no annotator and no id."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    return {"text": as_text(row.get("Text")), "label": word(row.get("Majority Decision"))}
