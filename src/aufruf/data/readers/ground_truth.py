"""The tutorial's ground truth: a text and the label that was decided for it elsewhere."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, one_per_record, word
from aufruf.data.readers.votes import task_values


def read(content: Content) -> Iterator[Item]:
    """One decided label a row, with no annotator; of which post the text is where the table says it."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    return {**task_values(row), "label": word(row.get("Majority Decision"))}
