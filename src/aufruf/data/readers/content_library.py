"""The CSV of Meta's Content Library: posts of Instagram or Facebook under an id of the library."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, one_per_record, word

# what an export of Instagram has no column for, and who posts on Facebook but not there
_KINDS = ("love", "wow", "haha", "sad", "angry", "care", "reaction")
_REACTIONS = frozenset(f"statistics.{kind}_count" for kind in _KINDS)
_OWNERS = ("page", "group", "event")


def read(content: Content) -> Iterator[Item]:
    """One post a row."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    post = word(row.get("id"))
    if post is None:
        raise RowRefused("the post has no id")
    return {
        "text": as_text(row.get("text")),
        "post_id": post,
        "text_type": "caption",
        "post_type": _post_type(word(row.get("media_type")) or word(row.get("content_type"))),
        "platform": "facebook" if _of_facebook(row) else "instagram",
        "author": word(row.get("post_owner.username")) or word(row.get("post_owner.name")),
        "posted_at": word(row.get("creation_time")),
    }


def _of_facebook(row: Row) -> bool:
    surface, owner = ((word(row.get(f"{one}.type")) or "").casefold() for one in ("surface", "post_owner"))
    return not _REACTIONS.isdisjoint(row) or "facebook" in surface or surface in _OWNERS or owner in _OWNERS


def _post_type(written: str | None) -> str:
    kind = (written or "").casefold()
    return "story" if kind in ("story", "stories") else "reel" if kind in ("reel", "reels") else "post"
