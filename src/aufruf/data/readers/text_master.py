"""The tutorial's long table: a row for each text of a post, told apart by its type; with labels or without."""

from collections.abc import Iterator

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import split_identifier
from aufruf.data.readers.item import Item, Row, RowRefused, as_text, one_per_record, word
from aufruf.data.readers.votes import answers_in, flat_items

DECIDED = "Majority Decision"


def read(content: Content) -> Iterator[Item]:
    """One text a row; the post's id is called Identifier, or shortcode in files of 2023."""
    return one_per_record(content.records(), _values)


def read_labels(content: Content) -> Iterator[Item]:
    """One vote for each column that is a question; else the decided label of each text."""
    columns = content.questions.intersection(content.columns)
    if not columns:
        return flat_items(content, "", _values, lambda row: [(None, row.get(DECIDED))])
    who = next((one for one in ("coder", "annotator") if one in content.columns), "")
    return flat_items(content, who, _values, answers_in(columns))


def _values(row: Row) -> dict[str, str | None]:
    identifier = word(row.get("Identifier")) or word(row.get("shortcode"))
    if identifier is None:
        raise RowRefused("the text has no Identifier")
    post, suffix = split_identifier(identifier)
    return {
        "text": as_text(row.get("Text")),
        "post_id": post,
        "text_type": word(row.get("Text Type")) or suffix,
        "post_type": word(row.get("Post Type")),
        "platform": "instagram",
        "author": word(row.get("Username")),
        "party": word(row.get("Party")),
        "posted_at": word(row.get("Timestamp")),
    }
