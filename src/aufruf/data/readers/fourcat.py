"""4CAT's Instagram CSV, as it is now and as it was when the source tutorial was written, and its short form."""

from collections.abc import Iterator
from typing import Any

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import host, kind_in_url
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, one_per_record, word

_NO_DATE = ("0", "0.0", "1970-01-01 00:00:00")


def read(content: Content) -> Iterator[Item]:
    """One post a row. The export does not say when a post was collected."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    shortcode = word(row.get("id")) if "body" in row else word(row.get("shortcode"))
    if shortcode is None:
        raise RowRefused("the post has no id")
    url = word(row.get("url"))
    if "instagram.com" not in (host(url) or ("instagram.com" if "num_media" in row or "caption" in row else "")):
        raise RowRefused("the post is not of Instagram; name the columns of such a file with --columns")
    return {
        "text": as_text(row.get("body") if "body" in row else row.get("caption")),
        "post_id": shortcode,
        "text_type": "caption",
        "post_type": kind_in_url(url),
        "platform": "instagram",
        "author": word(row.get("author")) or word(row.get("username")),
        "posted_at": _date(row.get("unix_timestamp")) or _date(row.get("timestamp")),
    }


def _date(cell: Any) -> str | None:
    """A date as written; 4CAT writes 0, or the first second of 1970, where an item of Zeeschuimer has none."""
    return None if word(cell) in _NO_DATE else word(cell)
