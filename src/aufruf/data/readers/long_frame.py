"""The tutorial's long frame: an answer a row, with its coder and its question."""

from collections.abc import Iterator
from typing import Any

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, RowRefused, word
from aufruf.data.readers.votes import flat_items, task_values


def read(content: Content) -> Iterator[Item]:
    """One vote a row."""
    return flat_items(content, "coder", task_values, _answer)


def _answer(row: Row) -> list[tuple[str | None, Any]]:
    question = word(row.get("from_name"))
    if question is None:
        raise RowRefused("the row does not name its question (from_name)")
    return [(question, row.get("value"))]
