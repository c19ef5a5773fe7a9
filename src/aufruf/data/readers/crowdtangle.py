"""CrowdTangle's Instagram CSV: the caption is called Description, the words on the image Image Text."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import kind_in_url, shortcode, zoned
from aufruf.data.readers.item import Item, Row, RowRefused, Values, each_record, texts_of, word


def read(content: Content) -> Iterator[Item]:
    """The caption and the OCR text of each row. Counts and scores are not read: how they are written varies."""
    return each_record(content.records(), _values)


def _values(row: Row) -> list[Values]:
    url = word(row.get("URL"))
    post = shortcode(url) or shortcode(word(row.get("Link")))
    if post is None:
        raise RowRefused("the URL does not name the post")
    try:
        posted = zoned(word(row.get("Post Created")))
    except ValueError as error:
        raise RowRefused(str(error)) from None
    reel = "reel" in (word(row.get("Type")) or "").casefold()
    common = {
        "post_id": post,
        "post_type": "reel" if reel else kind_in_url(url),
        "platform": "instagram",
        "author": word(row.get("User Name")),
        "posted_at": posted,
    }
    return texts_of(common, caption=row.get("Description"), ocr=row.get("Image Text"))
