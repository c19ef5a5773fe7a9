"""The formats that can be read. A new one is a small file with a ``read`` and a line in ``FORMATS``."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from aufruf.data.readers import (
    apify,
    content_library,
    crowdtangle,
    fourcat,
    ground_truth,
    instaloader,
    label_studio,
    label_studio_flat,
    long_frame,
    table,
    text_master,
    tidal_tales,
    zeeschuimer,
)
from aufruf.data.readers.content import Content, given, open_content
from aufruf.data.readers.delimited import sayable
from aufruf.data.readers.item import ROLES, Item
from aufruf.data.readers.parts import Parts
from aufruf.errors import DataRefused, UsageError, nearest

__all__ = [
    "FORMATS",
    "ROLES",
    "TABLE",
    "Content",
    "Format",
    "Item",
    "Parts",
    "asked_for",
    "find",
    "given",
    "kind_of",
    "listed",
    "open_content",
]


ANY, DELIMITED, OBJECTS = "", "delimited", "objects"  # OBJECTS: JSON lines, or a JSON document


@dataclass(frozen=True)
class Format:
    """A format: how it is told from others, and its reader. Formats of one name have one reader."""

    name: str
    kind: str  # annotations | posts
    shape: str  # DELIMITED, OBJECTS or ANY
    needs: frozenset[str]  # columns, or keys of its objects, that only this format has together
    read: Callable[[Content], Iterator[Item]]
    instead: frozenset[str] | None = None  # where questions have columns: what may stand instead of them
    optional: frozenset[str] = frozenset()  # of ``needs``: what a hundred objects in a row may lack

    def fits(self, content: Content) -> bool:
        if self.instead and not (self.instead | content.questions).intersection(content.columns):
            return False
        return self.shaped(content) and self.needs.issubset(content.columns)

    def shaped(self, content: Content) -> bool:
        return self.shape in (ANY, OBJECTS if content.objects else content.shape)

    def needed(self, content: Content) -> frozenset[str]:
        """The columns that a table must have: ``needs``, and the questions it answers, or all when it answers none."""
        if self.instead is None:
            return self.needs
        answered = (content.questions | self.instead).intersection(content.columns)
        return self.needs | (answered or content.questions)


def _format(
    name: str, kind: str, shape: str, needs: str, read: Callable[[Content], Iterator[Item]], **more: frozenset[str]
) -> Format:
    return Format(name, kind, shape, frozenset(needs.split(",")), read, **more)


_VOTES, _POSTS = "annotations", "posts"
_MASTER, _MASTER_2023 = "Identifier,Text,Text Type", "shortcode,Text,Text Type"
_NONE, _DECIDED = frozenset[str](), frozenset({text_master.DECIDED})
_APIFY = "shortCode,ownerUsername"
FORMATS = (  # the first that fits is taken
    _format("label-studio", _VOTES, OBJECTS, "data,annotations", label_studio.read),
    _format("label-studio-flat", _VOTES, ANY, "annotator,annotation_id", label_studio_flat.read, instead=_NONE),
    _format("long-frame", _VOTES, DELIMITED, "Text,coder,from_name,value", long_frame.read),
    _format("text-master-labels", _VOTES, DELIMITED, _MASTER, text_master.read_labels, instead=_DECIDED),
    _format("text-master-labels", _VOTES, DELIMITED, _MASTER_2023, text_master.read_labels, instead=_DECIDED),
    _format("ground-truth", _VOTES, DELIMITED, "Text,Majority Decision", ground_truth.read),
    _format("zeeschuimer", _POSTS, OBJECTS, "item_id,source_platform,data", zeeschuimer.read),
    _format("4cat", _POSTS, DELIMITED, "id,thread_id,body,author,timestamp", fourcat.read),
    _format("4cat", _POSTS, DELIMITED, "shortcode,username,timestamp,caption", fourcat.read),
    _format("instaloader", _POSTS, OBJECTS, "node,instaloader", instaloader.read),
    _format("crowdtangle", _POSTS, DELIMITED, "User Name,Post Created,URL,Description,Image Text", crowdtangle.read),
    _format("content-library", _POSTS, DELIMITED, "id,text,creation_time,post_owner.username", content_library.read),
    _format("content-library", _POSTS, DELIMITED, "id,text,creation_time,post_owner.name", content_library.read),
    # a scraper that is blocked brings nothing but errors for a while
    _format("apify", _POSTS, ANY, _APIFY, apify.read, optional=frozenset(_APIFY.split(","))),
    _format("tidal-tales", _POSTS, DELIMITED, "ID,Time of Posting,Type of Content,Caption", tidal_tales.read),
    _format("text-master", _POSTS, DELIMITED, _MASTER, text_master.read),
    _format("text-master", _POSTS, DELIMITED, _MASTER_2023, text_master.read),
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
    _texts_named(columns)
    return f"{TABLE} {json.dumps(dict(sorted(columns.items())), ensure_ascii=False)}"


def _texts_named(columns: Mapping[str, str]) -> None:
    """Raises UsageError when no column holds a text, or when others can belong to only one of several."""
    texts = [role for role in table.TEXTS if role in columns]
    if not texts:
        raise UsageError("no column is named for the role text", where="--columns", next="Add text=COLUMN.")
    if texts == ["text"]:
        return
    others = {"text_type"} | ({"label", "text_id"} if len(texts) > 1 else set())
    if unclear := sorted(others.intersection(columns)):
        raise UsageError(
            f"the role {unclear[0]} belongs to one text, not to {' and '.join(texts)}",
            where="--columns",
            next=f"Leave {unclear[0]} out, or name one text.",
        )


def kind_of(asked: str) -> str | None:
    """annotations or posts where the options say so (see ``asked_for``), else None."""
    name, _, columns = asked.partition(" ")
    if columns:
        return "annotations" if "label" in json.loads(columns) else "posts"
    return next((known.kind for known in FORMATS if known.name == name), None)


def find(content: Content, asked: str) -> Format:
    """The format of a file: as asked for (see ``asked_for``), be it that columns lack, else the one its content fits.

    Raises DataRefused saying what was seen and what to do.
    """
    name, _, columns = asked.partition(" ")
    if name == TABLE:
        return _table(json.loads(columns))
    candidates = [known for known in FORMATS if name in ("", known.name)]
    if content.shape == "kept" and name:
        return candidates[0]
    found = next((known for known in candidates if known.fits(content)), None)
    if found is not None:
        return found
    if name in ("", "apify") and (refusal := apify.only_errors(content)):
        raise refusal
    if name:
        shaped = [one for one in candidates if one.shaped(content)]
        if shaped:  # what lacks is for the checks to say
            return min(shaped, key=lambda one: len(one.needed(content).difference(content.columns)))
        raise DataRefused(
            f"this is not a file of the format {name}: it is {_SHAPES[content.shape]}",
            next="Leave --format out, or name the columns with --columns ROLE=COLUMN,...",
        )
    if set(content.columns) == {"author", "party"}:
        raise DataRefused("this is a table of authors, not of posts", next="Give it with --authors FILE.")
    raise DataRefused(
        f"no known format: {_seen(content)}",
        next=f"Name its columns with --columns ROLE=COLUMN,...; roles: {', '.join(ROLES)}.",
    )


def _table(columns: Mapping[str, str]) -> Format:
    kind = _VOTES if "label" in columns else _POSTS
    strict = {column for role, column in columns.items() if role not in table.MAY_LACK}
    read = partial(table.read, columns=dict(columns))
    needs = frozenset(columns.values())
    return Format(TABLE, kind, ANY, needs, read, optional=needs - strict)


_SHAPES = {
    "delimited": "a table in text form",
    "json": "a JSON document",
    "ndjson": "JSON lines",
    "parquet": "a Parquet table",
    "kept": "rows of the quarantine",
}


def _seen(content: Content) -> str:
    if not content.columns:
        return f"{_SHAPES[content.shape]} with nothing in it"
    return f"{_SHAPES[content.shape]} with {listed(content.columns)}"


def listed(columns: tuple[str, ...]) -> str:
    """The names of columns as they may stand in a sentence, those of a wide table in part."""
    shown = ", ".join(map(sayable, columns[:15]))
    return shown if len(columns) <= 15 else f"{shown} and {len(columns) - 15} more"
