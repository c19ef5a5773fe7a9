"""Any table whose columns a person has named."""

from collections.abc import Iterator, Mapping

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, one_per_record, word


def read(content: Content, columns: Mapping[str, str]) -> Iterator[Item]:
    """One item a row; ``columns`` maps roles to columns."""

    def values(row: Row) -> dict[str, str | None]:
        found = {role: word(row.get(column)) for role, column in columns.items()}
        text = row.get(columns["text"])
        return {**found, "text": text if isinstance(text, str) else found["text"]}

    return one_per_record(content.records(), values)
