"""The outcome of a file's checks, as a page for people and as JSON for programs: counts, no value of the file."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from aufruf.reports.inert import counted
from aufruf.reports.page import fill, write_whole

_WORDS = {
    "expect_column_to_exist": "the column {column} is there",
    "expect_column_values_to_not_be_null": "{column} is there",
    "expect_column_values_to_match_regex": "{column} holds something to read",
    "expect_column_values_to_not_match_regex": "{column} can be stored: no NUL, no half character",
    "expect_column_values_to_be_of_type": "{column} is of its type",
    "expect_column_values_to_be_between": "{column} lies within its bounds",
    "expect_column_values_to_be_in_set": "{column} is one of those that are known",
    "expect_compound_columns_to_be_unique": "each annotator votes on a text once",
}
_COLUMNS = {
    "text": "the text",
    "text_id": "the text's id",
    "post_id": "the post's id",
    "author": "the author",
    "party": "the party",
    "platform": "the platform",
    "annotator": "the annotator",
    "question": "the question",
    "posted_at": "the time of the post",
    "collected_at": "the time of collection",
    "annotated_at": "the time of the vote",
    "text_type": "the type of the text",
    "post_type": "the type of the post",
    "digest": "the text's digest",
    "seconds": "the time that a vote took",
    "length": "the number of characters",
    "texts_of_id": "the number of different texts under one id",
    "broken": "the share of broken rows",
    "empty": "the share of rows without a text",
    "repeated": "the share of texts that say what another one says",
    "renumbered": "the share of stored texts that row numbers would replace",
}


_OF_FILES = {"unusable", "broken", "empty", "repeated", "renumbered"}


def write_check(
    folder: Path,
    digest: str,
    what: tuple[str, str],
    rows: tuple[int, int],
    counts: Sequence[Mapping[str, Any]],
    at: datetime,
) -> Path:
    """Write ``folder``/<first 12 of digest>.html and .json; returns the page.

    ``what``: format and kind. ``rows``: how many there are, how many were kept. ``counts``: expectation, column,
    success, evaluated, unexpected. The file's name is left out, for it may be a person's. Raises AufrufError when
    the disk is full.
    """
    facts: dict[str, Any] = {"format": what[0], "kind": what[1], "rows": rows[0], "kept": rows[1]}
    record = {"file": digest, **facts, "at": at.isoformat(), "checks": list(counts)}
    write_whole(folder / f"{digest[:12]}.json", json.dumps(record, indent=1))
    told = [(sentence(one), counted(int(one["evaluated"]), _unit(one)), one) for one in counts]
    page = fill("check.html", digest=digest, checks=told, at=at, **facts)
    return write_whole(folder / f"{digest[:12]}.html", page)


def _unit(check: Mapping[str, Any]) -> str:
    """What was looked at: the parts of a file have columns, its rows have values, the file has shares."""
    if check["expectation"] == "expect_column_to_exist":
        return "part"
    column = str(check["column"])
    return "file" if column in _OF_FILES or column.startswith("shift ") else "row"


def sentence(check: Mapping[str, Any]) -> str:
    """An expectation in words."""
    column = str(check["column"])
    if column == "unusable":
        return "A row can be used, if there should be any"
    if column.startswith("shift "):
        column = f"how far the labels of {column.removeprefix('shift ')} are from those known"
    named = _COLUMNS.get(column, "the label" if column.startswith("label") else column)
    if check["expectation"] == "expect_column_to_exist":  # a column of the file, under the file's name for it
        named = repr(str(check["column"]))
    words = _WORDS.get(check["expectation"], f"{check['expectation']} ({{column}})").format(column=named)
    return words[0].upper() + words[1:]
