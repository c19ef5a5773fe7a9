"""A file becomes rows for the lake: its items read, judged, and turned into texts, votes and refused rows."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import checks, identity, readers
from aufruf.data.readers import Content, Format, Item, fields
from aufruf.errors import DataRefused
from aufruf.schemas import DECIDED_ELSEWHERE, Annotation, QuarantinedRow, Text

_AS_WRITTEN = ("label", "annotator", "question", "author", "party")
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character: no encoding can write it, pandas cannot hash it


@dataclass(frozen=True)
class Intake:
    """What one file holds. ``refusal`` is why the whole file is refused, and then no row is to be stored."""

    format: str
    kind: str  # annotations | posts
    rows: int
    classifiers: tuple[str, ...] = ()  # those whose question the file answers
    texts: Sequence[Text] = ()
    votes: Sequence[Annotation] = ()
    quarantine: Sequence[QuarantinedRow] = ()
    refusal: str = ""
    counts: Sequence[Mapping[str, Any]] = field(default_factory=list)  # of the checks; no values

    @property
    def kept(self) -> int:
        return 0 if self.refusal else self.rows - len(self.quarantine)


def take_in(path: Path, digest: str, asked: str, classifiers: Sequence[Classifier], now: datetime) -> Intake:
    """Read and judge the file at ``path``; ``asked`` is what ``readers.asked_for`` made of the options.

    Raises DataRefused when nothing is known of the format; any other refusal is part of what is returned.
    """
    content = readers.open_content(path)
    found = readers.find(content, asked)
    try:
        return _judged(found, content, digest, classifiers, now)
    except DataRefused as refusal:
        return Intake(found.name, found.kind, 0, refusal=refusal.sentence())


def _judged(found: Format, content: Content, digest: str, classifiers: Sequence[Classifier], now: datetime) -> Intake:
    """Read, check and sort the items. Raises DataRefused where the file breaks off or holds nothing."""
    items = list(found.read(content))
    groups: list[list[Classifier]] = []  # of one question each; posts answer none
    if found.kind == "annotations":
        items, groups = _asked_questions(items, classifiers)
    if not items:
        raise DataRefused("the file holds no rows", next="Export it again.")
    frame, problems = _frame(items)
    verdict = checks.check_rows(frame, found.kind, _answers(frame, groups), now)
    if refusal := _judge_all(items, problems, verdict):
        return Intake(found.name, found.kind, len(items), refusal=refusal, counts=verdict.counts)
    kept: list[Any] = frame[~frame["item"].isin(list(verdict.reasons))].to_dict("records")
    return Intake(
        found.name,
        found.kind,
        len(items),
        tuple(one.name for group in groups for one in group),
        [_text(row, digest) for row in kept],
        [vote for row in kept for vote in _votes(row, groups, digest)],
        [_quarantined(item, verdict, digest, now) for item in items if item.number in verdict.reasons],
        counts=verdict.counts,
    )


def _judge_all(items: Sequence[Item], problems: Mapping[int, str], verdict: checks.Verdict) -> str:
    """Join what the reader and the checks refuse; returns why the whole file is refused, else ""."""
    for item, reason in problems.items():
        verdict.reasons[item].insert(0, reason)
    verdict.harmless |= {item.number for item in items if item.harmless}
    numbers = [item.number for item in items]
    good = [int(number not in verdict.reasons) for number in numbers]
    broken = [int(n in verdict.reasons and n not in verdict.harmless) for n in numbers]
    if checks.check_batch(pd.DataFrame({"item": numbers, "good": good, "broken": broken}), verdict):
        return ""
    return _refusal(verdict, len(items), sum(good))


def _asked_questions(
    items: Sequence[Item], classifiers: Sequence[Classifier]
) -> tuple[list[Item], list[list[Classifier]]]:
    """The items that answer a given classifier's question, and the classifiers grouped by question.

    A table asks no question: its label goes to each classifier. Raises DataRefused when nothing answers.
    """
    if not classifiers:
        raise DataRefused("the file holds votes, and there is no classifier to take them", next="Name one.")
    questions = {question for item in items if (question := item.values.get("question"))}
    if not questions:
        return list(items), [list(classifiers)]
    asked = [one for one in classifiers if one.question in questions]
    if not asked:
        wanted = ", ".join(sorted({f"{one.question!r} ({one.name}.toml)" for one in classifiers}))
        raise DataRefused(
            f"the file answers {', '.join(map(repr, sorted(questions)[:5]))}, not {wanted}",
            next="Set question in the classifier file to the from_name of the export, exactly.",
        )
    groups = {question: [one for one in asked if one.question == question] for question in sorted(questions)}
    items = [item for item in items if groups.get(item.values.get("question") or "") or _no_answer(item)]
    return items, [group for group in groups.values() if group]


def _no_answer(item: Item) -> bool:
    return bool(item.problem) and not item.values.get("question")


def _answers(frame: pd.DataFrame, groups: Sequence[Sequence[Classifier]]) -> dict[str, tuple[list[str], str]]:
    """Add a column of what was written for each question; column -> (spellings, where they are listed)."""
    found = {}
    for place, group in enumerate(groups):
        column = f"label {place}"
        asks = frame["question"].isin(["", group[0].question])
        frame[column] = frame["label"].where(asks, None)
        spellings = [word for one in group for words in one.spellings.values() for word in words]
        labels = [label for one in group for label in one.labels]
        found[column] = ([*spellings, *labels], " or ".join(f"{one.name}.toml" for one in group))
    return found


def _frame(items: Sequence[Item]) -> tuple[pd.DataFrame, dict[int, str]]:
    """The readable items, one a row with typed values, and the reasons of those that are not."""
    rows, problems = [], {}
    for item in items:
        if item.problem:
            problems[item.number] = item.problem
            continue
        try:
            rows.append(_normal(item))
        except ValueError as error:
            problems[item.number] = str(error)
    frame = pd.DataFrame(rows, columns=_COLUMNS, dtype=object)
    for column in ("posted_at", "collected_at", "annotated_at"):
        frame[column] = pd.to_datetime(frame[column], utc=True)
    by_id = frame.groupby("text_id")["digest"]
    frame["length"] = [len(text or "") for text in frame["text"]]
    frame["texts_of_id"] = by_id.transform("nunique").astype("int64")
    return frame, problems


_COLUMNS = [
    *("item", "text_id", "post_id", "text", "text_type", "post_type", "platform", "author", "party"),
    *("posted_at", "collected_at", "digest", "annotator", "question", "label", "annotated_at"),
]


def _normal(item: Item) -> dict[str, Any]:
    """An item's values in the lake's words and types. Raises ValueError with a sentence."""
    given = {role: _SURROGATE.sub("\0", value) if value else None for role, value in item.values.items()}
    row: dict[str, Any] = {name: given.get(name) for name in _AS_WRITTEN}
    row["annotator"] = row["annotator"] or DECIDED_ELSEWHERE
    row["question"] = row["question"] or ""
    row |= {name: fields.moment(given.get(name)) for name in ("posted_at", "collected_at", "annotated_at")}
    row["text_type"] = fields.text_type(given.get("text_type"))
    row["post_type"] = fields.post_type(given.get("post_type"))
    row["platform"] = fields.platform(given.get("platform"))
    text = given.get("text") or ""
    row |= {"item": item.number, "text": text or None, "post_id": given.get("post_id")}
    row["digest"] = identity.digest(text) if text.strip() else None
    row["text_id"] = given.get("text_id") or _text_id(row)
    return row


def _text_id(row: Mapping[str, Any]) -> str:
    if row["post_id"]:
        return identity.text_id(row["platform"] or "unknown", row["post_id"], row["text_type"])
    return f"text:{(row['digest'] or 'none')[:16]}"


def _text(row: Mapping[str, Any], file: str) -> Text:
    return Text(
        **{name: row[name] for name in ("text_id", "post_id", "text", "text_type", "post_type", "platform")},
        author=row["author"],
        party=row["party"],
        posted_at=_moment(row["posted_at"]),
        collected_at=_moment(row["collected_at"]),
        digest=row["digest"],
        group_id=identity.group_id(row["text"]),
        file=file,
    )


def _votes(row: Mapping[str, Any], groups: Sequence[Sequence[Classifier]], file: str) -> list[Annotation]:
    at = _moment(row["annotated_at"])
    return [
        Annotation(one.name, row["text_id"], row["annotator"], label, at, file)
        for group in groups
        for one in group
        if row["question"] in ("", one.question) and (label := one.label_of(row["label"]))
    ]


def _moment(value: Any) -> datetime | None:
    return None if pd.isna(value) else value.to_pydatetime()


def _quarantined(item: Item, verdict: checks.Verdict, file: str, now: datetime) -> QuarantinedRow:
    try:
        row = json.dumps(item.row, ensure_ascii=False)
    except RecursionError:
        row = '{"row": "nested too deeply to be written"}'
    row = _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", row)
    reason = _SURROGATE.sub("�", "; ".join(dict.fromkeys(verdict.reasons[item.number])))
    return QuarantinedRow(file, item.number, reason, row, now)


def _refusal(verdict: checks.Verdict, rows: int, good: int) -> str:
    """Why a whole file is refused: how many rows, and the commonest reasons with their first item."""
    reasons: Counter[str] = Counter()
    first: dict[str, int] = {}
    for item in sorted(verdict.reasons):
        for reason in dict.fromkeys(verdict.reasons[item]):
            reasons[reason] += 1
            first.setdefault(reason, item)
    told = "; ".join(f"{why} (rows: {n}, the first is {first[why]})" for why, n in reasons.most_common(3))
    if not good:
        return f"none of the {rows} rows can be used: {told}"
    return f"{len(verdict.reasons)} of {rows} rows are refused, more than half: {told}"
