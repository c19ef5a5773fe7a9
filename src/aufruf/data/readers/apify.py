"""Posts as Apify's Instagram scrapers write them."""

import re
from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import kind_in_url, shortcode
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, failure, one_per_record, word
from aufruf.data.readers.zeeschuimer import product
from aufruf.errors import DataRefused

_CODE = re.compile(r"[A-Za-z_]{1,40}")


def read(content: Content) -> Iterator[Item]:
    """One post an object; an object that tells of an error is left out, with the error's code."""
    return one_per_record(content.records(), _values)


def only_errors(content: Content) -> DataRefused | None:
    """Why a file of nothing but errors is not taken; None for any other."""
    if not content.objects or "error" not in content.columns:
        return None
    codes: set[str] = set()
    times = 0
    for record in content.records():
        if (error := failure(record.row)) is None:
            return None
        times += 1
        codes |= {error} if _CODE.fullmatch(error) else set()
    told = f" ({', '.join(sorted(codes)[:5])})" if codes else ""
    return DataRefused(
        f"the file holds no post, only errors of a scraper: {times}{told}", next="Let the scraper run again."
    )


def _values(row: Row) -> dict[str, str | None]:
    if error := failure(row):
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
