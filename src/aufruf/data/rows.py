"""What a reader found in one row, in the lake's words and types: the way from items to texts and votes."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import identity
from aufruf.data.readers import Item, fields
from aufruf.data.readers.item import row_of
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, UNTYPED, Annotation, QuarantinedRow, Text

Questions = Sequence[Sequence[Classifier]]  # the classifiers, those of one question together

COLUMNS = [
    *("file", "item", "text_id", "post_id", "text", "text_type", "post_type", "platform", "author", "party"),
    *("posted_at", "collected_at", "digest", "annotator", "question", "label", "annotated_at", "seconds", "why"),
    "given",
]
_AS_WRITTEN = ("label", "annotator", "question", "author", "party", "why")
_DATES = ("posted_at", "collected_at", "annotated_at")
_ROUNDED = re.compile(r"\d[.,]\d+E\+?\d+|\dE\+\d\d", re.IGNORECASE)  # 3,49819E+18, 3.498e+18, 3E+18: a long id once
_FLOAT = re.compile(r"(\d+)\.0+")  # an id from a column with gaps, which pandas makes one of floats
_EXACT = 2**53  # up to here a float holds every whole number
_ERROR = re.compile(r"#(NAME\?|REF!|BEZUG!|VALUE!|WERT!|NUM!|ZAHL!|NULL!|N/A|NV|DIV/0!)")  # where Excel saw a formula
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no encoding can write it, pandas cannot hash it


def typed(item: Item) -> dict[str, Any]:
    """An item's values in the lake's words and types. Raises ValueError with a sentence."""
    given = {role: _SURROGATE.sub("\0", value) if value else None for role, value in item.values.items()}
    row: dict[str, Any] = {name: given.get(name) for name in _AS_WRITTEN}
    row["annotator"] = row["annotator"] or DECIDED_ELSEWHERE
    row["author"] = (row["author"] or "").removeprefix("@") or None  # the same account, however an export writes it
    row["question"] = row["question"] or ""
    row |= {name: fields.moment(given.get(name)) for name in _DATES}
    row["seconds"] = _seconds(given.get("seconds"))
    # a post has a caption first of all; what was annotated may be any text of it
    row["text_type"] = fields.text_type(given.get("text_type"), UNTYPED if "label" in item.values else "caption")
    row["post_type"] = fields.post_type(given.get("post_type"))
    code = fields.shortcode(given.get("post_id"))  # where the post's address stands for its id
    row["platform"] = fields.platform(given.get("platform")) or ("instagram" if code else None)
    text = given.get("text") or ""
    if _ERROR.fullmatch(text.strip()):
        raise ValueError("a spreadsheet has replaced the text; export the file again, and do not save it from there")
    row |= {"item": item.number, "text": text or None, "post_id": code or _whole(given.get("post_id"))}
    row["digest"] = identity.digest(text) if text.strip() else None
    row["text_id"] = _whole(given.get("text_id")) or _text_id(row)
    row |= {"given": bool(given.get("text_id")), "told": bool(given.get("text_type"))}
    return row


def _whole(id_: str | None) -> str | None:
    """An id as it was before a program took it for a number. Raises ValueError where it, or its end, is lost."""
    found = _FLOAT.fullmatch(id_ or "")
    if _ERROR.fullmatch(id_ or ""):
        raise ValueError("a spreadsheet has replaced the id; export the file again, and do not save it from there")
    if _ROUNDED.fullmatch(id_ or "") or (found and int(found[1]) >= _EXACT):
        raise ValueError("a spreadsheet has rounded the id; export the file again, and do not save it from there")
    return found[1] if found else id_


def apart(row: dict[str, Any], several: Collection[int]) -> dict[str, Any]:
    """The row under an id with its words, where its file has other words under the one that was made for it.

    ``several``: what ``Seen.several`` says of the file. Where nobody has told the type, it is unknown then.
    """
    if row["given"] or row["collected_at"] is not None or hash(row["text_id"]) not in several:
        return row
    kind = row["text_type"] if row["told"] else UNTYPED
    name = identity.worded_id(row["platform"], row["post_id"], kind, row["digest"])
    return row | {"text_type": kind, "text_id": name}


def asked(classifiers: Sequence[Classifier]) -> tuple[frozenset[str], frozenset[str]]:
    """The questions that are asked, and those of them whose answer may hold several choices."""
    several = (one.question for one in classifiers if one.multi_label)
    return frozenset(one.question for one in classifiers), frozenset(several)


def frame(rows: Sequence[dict[str, Any]], questions: Questions) -> pd.DataFrame:
    """Typed rows as a table, with the length of each text and a column of what was written for each question."""
    table = pd.DataFrame(rows, columns=COLUMNS, dtype=object)
    for column in _DATES:
        table[column] = _times(table[column])
    table["length"] = pd.array([len(text) if text else None for text in table["text"]], dtype="Int64").astype(object)
    for place, group in enumerate(questions):
        table[answer(place)] = table["label"].where(table["question"].isin(["", group[0].question]), None)
    return table


def _times(values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Times in UTC as one column of that type; where one is something else, as they are, for the checks to find."""
    aware = [isinstance(one, datetime) and one.tzinfo is not None for one in values]
    if all(one is None or fine for one, fine in zip(values, aware, strict=True)):
        return pd.to_datetime(values, utc=True)
    known = [pd.Timestamp(one) if fine else one for one, fine in zip(values, aware, strict=True)]
    return pd.Series(known, index=values.index, dtype=object)


def answer(place: int) -> str:
    """The column of what was written for the question at this place."""
    return f"label {place}"


def text(row: Mapping[str, Any], file: str) -> Text:
    """The text of a row that passed."""
    return Text(
        **{name: row[name] for name in ("text_id", "post_id", "text", "text_type", "post_type", "platform")},
        author=row["author"],
        party=row["party"],
        posted_at=row["posted_at"],
        collected_at=row["collected_at"],
        digest=row["digest"],
        group_id=identity.group_id(row["text"]),
        file=file,
    )


def votes(row: Mapping[str, Any], questions: Questions, file: str) -> list[Annotation]:
    """The votes of a row that passed: one for each classifier that asks its question."""
    about = (row["annotated_at"], file, row["seconds"], identity.group_id(row["text"]), row["why"])
    return [
        Annotation(one.name, row["text_id"], row["annotator"], label, *about)
        for group in questions
        for one in group
        if row["question"] in ("", one.question) and (label := one.label_of(row["label"]))
    ]


def taken_back(
    item: Item, classifiers: Sequence[Classifier], file: str, several: Collection[int] = ()
) -> tuple[Text, list[Annotation]] | None:
    """Abstentions in place of votes that a skipped or emptied annotation takes back, and the text they are on.

    ``classifiers``: those whose question the file answers; ``several``: see ``apart``. None where nothing says whose
    votes, or since when.
    """
    asked = [one.name for one in classifiers if (item.values.get("question") or "") in ("", one.question)]
    try:
        row = apart(typed(item), several) if asked and item.harmless and item.values.get("text") else None
    except ValueError:
        return None
    if row is None or row["annotated_at"] is None or not row["annotator"] or row["digest"] is None:
        return None
    about = (row["annotated_at"], file, None, identity.group_id(row["text"]))
    return text(row, file), [Annotation(name, row["text_id"], row["annotator"], ABSTAIN, *about) for name in asked]


def quarantined(item: Item, reasons: Iterable[str], file: str, now: datetime) -> QuarantinedRow:
    """A refused item, whole, in a form that can be stored."""
    try:
        row = json.dumps(item.row, ensure_ascii=False)
    except RecursionError:
        row = '{"row": "nested too deeply to be written"}'
    row = _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", row)
    reason = _SURROGATE.sub("�", "; ".join(dict.fromkeys(reasons)))
    return QuarantinedRow(file, row_of(item.number), reason, row, now)


def _seconds(written: str | None) -> float | None:
    """How long a vote took; decoration, so what cannot be read is no reason to lose the vote."""
    try:
        seconds = float(written) if written else None
    except ValueError:
        return None
    return seconds if seconds is not None and 0 <= seconds < float("inf") else None


def _text_id(row: Mapping[str, Any]) -> str:
    if row["post_id"] and row["text_type"] == UNTYPED and row["digest"]:
        return identity.worded_id(row["platform"], row["post_id"], UNTYPED, row["digest"])
    if row["post_id"]:
        return identity.text_id(row["platform"], row["post_id"], row["text_type"])
    return f"text:{(row['digest'] or 'none')[:16]}"
