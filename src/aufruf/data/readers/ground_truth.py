"""The tutorial's ground truth: a text and the label that was decided for it elsewhere."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One decided label a row, with no annotator and no id."""
    return one_per_record(content.records(), lambda row: {"text": row["Text"], "label": word(row["Majority Decision"])})
