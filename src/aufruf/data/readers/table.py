"""Any table whose columns a person has named."""

from collections.abc import Iterator, Mapping, Sequence

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import Item, Row, RowRefused, Values, as_text, each_record, texts_of, word
from aufruf.data.readers.votes import choices_in, chosen

TEXTS = {"text": "caption", "ocr": "ocr", "transcript": "transcript"}  # role -> text type
MAY_LACK = ("ocr", "transcript", "post_type", "author", "party", "posted_at")  # roles that make no text another one


def read(content: Content, columns: Mapping[str, str]) -> Iterator[Item]:
    """One item for each text of a row; ``columns`` maps roles to columns."""
    several = [role for role in TEXTS if role in columns]

    def values(row: Row) -> Sequence[Values]:
        found = {role: word(row.get(column)) for role, column in columns.items() if role not in TEXTS}
        if choices := choices_in(row.get(columns["label"])) if "label" in columns else None:  # it may be a list of them
            found["label"], problem = chosen(choices, bool(content.several))
            if problem:
                raise RowRefused(problem)
        if several == ["text"]:  # of any type: another column may say which
            return [{"text": as_text(row.get(columns["text"])), **found}]
        return texts_of(found, **{TEXTS[role]: row.get(columns[role]) for role in several})

    return each_record(content.records(), values)
