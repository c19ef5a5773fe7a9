"""Zeeschuimer NDJSON: Instagram posts as a browser saw them, in three generations of Instagram's format."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import shown
from aufruf.data.readers.item import Item, Row, RowRefused, dig, one_per_record, word


def read(content: Content) -> Iterator[Item]:
    """One post a line; advertisements are left out, with a reason."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    source, post = word(dig(row, "source_platform")) or "", dig(row, "data")
    if "instagram" not in source:
        raise RowRefused(f"posts of {shown(source, 'a platform ')} cannot be read, only those of instagram.com")
    if dig(post, "product_type") == "ad":
        raise RowRefused("the post is an advertisement shown to the reader", harmless=True)
    shortcode = word(dig(post, "code")) or word(dig(post, "shortcode")) or word(dig(row, "item_id"))
    if shortcode is None:
        raise RowRefused("the post has no id")
    graph = dig(post, "edge_media_to_caption", "edges", 0, "node", "text")  # the format of before 2024
    text = dig(post, "caption", "text") or graph
    return {
        "text": text if isinstance(text, str) else None,
        "post_id": shortcode,
        "text_type": "caption",
        "post_type": product(word(dig(post, "product_type"))),
        "platform": "instagram",
        "author": word(dig(post, "user", "username")) or word(dig(post, "owner", "username")),
        "posted_at": word(dig(post, "taken_at")) or word(dig(post, "taken_at_timestamp")),  # none in partial items
        "collected_at": word(dig(row, "timestamp_collected")),
    }


def product(written: str | None) -> str:
    """The type of a post in Instagram's own words."""
    return {"clips": "reel", "story": "story"}.get(written or "", "post")
