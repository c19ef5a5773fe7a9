"""Instaloader's JSON: one file for each post or story, packed as .json.xz unless it was told otherwise."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import shown
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, dig, one_per_record, word
from aufruf.data.readers.zeeschuimer import product


def read(content: Content) -> Iterator[Item]:
    """One post or story a file; profiles, hashtags and the like are left out, with a reason."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    node, kind = dig(row, "node"), word(dig(row, "instaloader", "node_type")) or ""
    if kind not in ("Post", "StoryItem"):
        raise RowRefused(f"this is no post but {shown(kind, 'a kind ')}", harmless=bool(kind))
    story = kind == "StoryItem"
    post = (None if story else word(dig(node, "shortcode"))) or word(dig(node, "id"))
    if post is None:
        raise RowRefused("the post has no id")
    written = dig(node, "edge_media_to_caption", "edges", 0, "node", "text") or dig(node, "caption", "text")
    kind_of_post = word(dig(node, "product_type")) or word(dig(node, "iphone_struct", "product_type"))
    return {
        "text": as_text(written or dig(node, "caption") or dig(node, "iphone_struct", "caption", "text")),
        "post_id": post,
        "text_type": "caption",
        "post_type": "story" if story else product(kind_of_post),
        "platform": "instagram",
        "author": word(dig(node, "owner", "username")) or word(dig(node, "iphone_struct", "user", "username")),
        "posted_at": word(dig(node, "taken_at_timestamp")) or word(dig(node, "date")),
    }
