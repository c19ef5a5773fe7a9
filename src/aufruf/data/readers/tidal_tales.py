"""The CSV of Tidal Tales (Zeeschuimer-F): stories, collected before they vanish."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One story a row; most have no caption."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    story = word(row.get("ID"))
    if story is None:
        raise RowRefused("the story has no ID")
    return {
        "text": as_text(row.get("Caption")),
        "post_id": story,
        "text_type": "caption",
        "post_type": "story",
        "platform": "instagram",
        "author": word(row.get("Username")),
        "posted_at": word(row.get("Time of Posting")),
    }
