"""4CAT's Instagram CSV, as it is now and as it was when the source tutorial was written."""

from collections.abc import Iterator
from urllib.parse import urlparse

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, RowRefused, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One post a row. The export does not say when a post was collected."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    shortcode = word(row["id"])
    if shortcode is None:
        raise RowRefused("the post has no id")
    url = word(row.get("url")) or ""
    return {
        "text": row["body"],
        "post_id": shortcode,
        "text_type": "caption",
        "post_type": _post_type(url),
        "platform": (urlparse(url).hostname if "//" in url else None) or "instagram",
        "author": word(row["author"]),
        "posted_at": word(row.get("unix_timestamp")) or word(row["timestamp"]),
    }


def _post_type(url: str) -> str:
    if "/stories/" in url:
        return "story"
    return "reel" if "/reel/" in url else "post"
