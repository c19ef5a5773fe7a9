"""The tutorial's long table: a row for each text of a post, told apart by its type."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import split_identifier
from aufruf.data.readers.item import Item, Row, RowRefused, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One text a row; the post's id is called Identifier, or shortcode in files of 2023."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    identifier = word(row.get("Identifier")) or word(row.get("shortcode"))
    if identifier is None:
        raise RowRefused("the text has no Identifier")
    post, suffix = split_identifier(identifier)
    return {
        "text": row["Text"],
        "post_id": post,
        "text_type": word(row["Text Type"]) or suffix,
        "post_type": word(row.get("Post Type")),
        "platform": "instagram",
        "author": word(row.get("Username")),
        "party": word(row.get("Party")),
        "posted_at": word(row.get("Timestamp")),
    }
