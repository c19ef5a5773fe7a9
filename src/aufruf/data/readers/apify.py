"""Posts as Apify's Instagram scrapers write them."""

import re
from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import kind_in_url, shortcode
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, one_per_record, word
from aufruf.data.readers.zeeschuimer import product

_CODE = re.compile(r"[A-Za-z_]{1,40}")


def read(content: Content) -> Iterator[Item]:
    """One post an object; an object that tells of an error is left out, with the error's code."""
    return one_per_record(content.records(), _values)


def _values(row: Row) -> dict[str, str | None]:
    if error := word(row.get("error")):
        code = f" ({error})" if _CODE.fullmatch(error) else ""
        raise RowRefused(f"the scraper brought no post but an error{code}", harmless=True)
    url = word(row.get("url"))
    post = word(row.get("shortCode")) or shortcode(url)
    if post is None:
        raise RowRefused("the post has no shortCode")
    kind = product(word(row.get("productType")))
    return {
        "text": as_text(row.get("caption")),
        "post_id": post,
        "text_type": "caption",
        "post_type": kind_in_url(url) if kind == "post" else kind,
        "platform": "instagram",
        "author": word(row.get("ownerUsername")),
        "posted_at": word(row.get("timestamp")),
    }
