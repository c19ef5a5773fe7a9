"""The formats that can be read. A new one is a small file with a ``read`` and a line in ``FORMATS``."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from aufruf.data.readers import fourcat, ground_truth, label_studio, table, text_master, zeeschuimer
from aufruf.data.readers.content import Content, open_content
from aufruf.data.readers.item import ROLES, Item
from aufruf.errors import DataRefused, UsageError, nearest

__all__ = ["FORMATS", "ROLES", "Content", "Format", "Item", "asked_for", "find", "kind_of", "open_content"]


@dataclass(frozen=True)
class Format:
    """A format: how it is told from others, and its reader."""

    name: str
    kind: str  # annotations | posts
    shape: str  # delimited | json | ndjson | "" for any
    needs: frozenset[str]  # columns, or keys of its objects, that only this format has together
    read: Callable[[Content], Iterator[Item]]

    def fits(self, content: Content) -> bool:
        shapes = {"json", "ndjson"} if self.shape == "ndjson" else {self.shape}
        return content.shape in shapes and self.needs.issubset(content.columns)


FORMATS = (
    Format("label-studio", "annotations", "json", frozenset({"data", "annotations"}), label_studio.read),
    Format("zeeschuimer", "posts", "ndjson", frozenset({"item_id", "source_platform", "data"}), zeeschuimer.read),
    Format(
        "4cat",
        "posts",
        "delimited",
        frozenset({"id", "thread_id", "body", "author", "timestamp"}),
        fourcat.read,
    ),
    Format("text-master", "posts", "delimited", frozenset({"Identifier", "Text", "Text Type"}), text_master.read),
    Format("text-master", "posts", "delimited", frozenset({"shortcode", "Text", "Text Type"}), text_master.read),
    Format(
        "ground-truth",
        "annotations",
        "delimited",
        frozenset({"Text", "Majority Decision"}),
        ground_truth.read,
    ),
)
TABLE = "table"  # any table, its columns named by a person


def asked_for(format: str | None, columns: Mapping[str, str] | None) -> str:  # noqa: A002 - the option's name
    """What the options ask for, in the words in which it is remembered; "" when the content is to decide.

    Raises UsageError for an unknown format or role, and for columns without a text.
    """
    names = {known.name for known in FORMATS} | {TABLE}
    if format is not None and format not in names:
        raise UsageError(f"there is no format {format!r}", next=nearest(format, names))
    if not columns:
        if format == TABLE:
            raise UsageError("the format table needs its columns", next="Name them with --columns ROLE=COLUMN,...")
        return format or ""
    if format not in (None, TABLE):
        raise UsageError(f"--columns does not go with the format {format}", next="Leave one of them out.")
    for role in columns:
        if role not in ROLES:
            raise UsageError(f"there is no role {role!r}", where="--columns", next=nearest(role, ROLES))
    if "text" not in columns:
        raise UsageError("no column is named for the role text", where="--columns", next="Add text=COLUMN.")
    return f"{TABLE} {json.dumps(dict(sorted(columns.items())), ensure_ascii=False)}"


def kind_of(asked: str) -> str | None:
    """annotations or posts where the options say so (see ``asked_for``), else None."""
    name, _, columns = asked.partition(" ")
    if columns:
        return "annotations" if "label" in json.loads(columns) else "posts"
    return next((known.kind for known in FORMATS if known.name == name), None)


def find(content: Content, asked: str) -> Format:
    """The format of a file: as asked for (see ``asked_for``), else the one its content fits.

    Raises DataRefused saying what was seen and what to do.
    """
    name, _, columns = asked.partition(" ")
    if name == TABLE:
        return _table(content, json.loads(columns))
    candidates = [known for known in FORMATS if name in ("", known.name)]
    found = next((known for known in candidates if known.fits(content)), None)
    if found is not None:
        return found
    if name:
        missing = sorted(candidates[0].needs.difference(content.columns))
        raise DataRefused(
            f"this is not a file of the format {name}: "
            + (f"{', '.join(map(repr, missing))} not there" if missing else f"it is {_SHAPES[content.shape]}"),
            next="Leave --format out, or name the columns with --columns ROLE=COLUMN,...",
        )
    if set(content.columns) == {"author", "party"}:
        raise DataRefused("this is a table of authors, not of posts", next="Give it with --authors FILE.")
    raise DataRefused(
        f"no known format: {_seen(content)}",
        next=f"Name its columns with --columns ROLE=COLUMN,...; roles: {', '.join(ROLES)}.",
    )


def _table(content: Content, columns: Mapping[str, str]) -> Format:
    missing = sorted({column for column in columns.values() if column not in content.columns})
    if missing:
        raise DataRefused(
            f"no column {', '.join(map(repr, missing))} here",
            next=f"Its columns: {_listed(content.columns)}.",
        )
    kind = "annotations" if "label" in columns else "posts"
    return Format(TABLE, kind, "", frozenset(columns.values()), partial(table.read, columns=dict(columns)))


_SHAPES = {
    "delimited": "a table in text form",
    "json": "a JSON document",
    "ndjson": "JSON lines",
    "parquet": "a Parquet table",
}


def _seen(content: Content) -> str:
    if not content.columns:
        return f"{_SHAPES[content.shape]} with nothing in it"
    return f"{_SHAPES[content.shape]} with {_listed(content.columns)}"


def _listed(columns: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name[:40]) for name in columns[:15])
    return shown if len(columns) <= 15 else f"{shown} and {len(columns) - 15} more"
