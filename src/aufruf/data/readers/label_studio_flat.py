"""Label Studio's flat exports, JSON-MIN, CSV and TSV: an annotation a row, a column for each question."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, Values
from aufruf.data.readers.votes import answers_in, flat_items, question_columns, task_values, vote_values


def read(content: Content) -> Iterator[Item]:
    """One item for each question of a row. Raises DataRefused when no column is called after a question."""
    questions = question_columns(content)

    def values(row: Row) -> Values:
        data = {column: cell for column, cell in row.items() if column not in questions}  # one may be called Party
        return {**task_values(data), **vote_values(row)}

    keyed = questions if content.objects else frozenset[str]()  # an object has no key for what was not answered
    yield from flat_items(content, "annotator", values, answers_in(questions), keyed)
