"""What the exports of Label Studio share: who voted, what was chosen, and the text that it was about."""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from aufruf.data.readers.content import Content
from aufruf.data.readers.delimited import sayable
from aufruf.data.readers.fields import moment, post_type, split_identifier
from aufruf.data.readers.item import NO_ROW, Item, Record, Row, RowRefused, Values, as_text, beside, dig, word
from aufruf.data.readers.json_text import parse
from aufruf.errors import DataRefused
from aufruf.question import CHOICES
from aufruf.schemas import CHOSEN

NO_ANSWER = "the annotation was skipped: no answer"
CANCELLED = "the annotation was cancelled"
NOBODY = "the annotation does not say who made it"
_ADDRESS = re.compile(r"[\w.+'-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,8}")  # of an e-mail; bounded, so linear
_PEOPLE = frozenset({"annotator", "coder", "completed_by", "created_username", "email", "reviewer", "updated_by"})


def annotator(person: Any) -> str | None:
    """Who voted: a number, a name, or a person with an id. An e-mail address becomes a number of its own."""
    if isinstance(person, Mapping):
        person = word(person.get("id")) or person.get("email")
    name = re.sub(r"^(\d+)\.0$", r"\1", word(person) or "") or None  # a column with gaps makes numbers floats
    return _hidden(name) if name and "@" in name else name


def _hidden(address: str) -> str:
    return f"annotator-{hashlib.sha256(address.casefold().encode('utf-8', 'replace')).hexdigest()[:10]}"


def nameless(value: Any) -> Any:
    """A value as it may be kept: of people only their ids, not their names and e-mail addresses."""
    if isinstance(value, str):
        return _ADDRESS.sub(lambda found: _hidden(found[0]), value) if "@" in value else value
    if isinstance(value, list):
        return [nameless(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    return annotator(value) if "email" in value else {key: nameless(one) for key, one in value.items()}


def choices_in(cell: Any) -> list[Any] | None:
    """What a cell says was chosen, [] for nothing; None for an answer that is not a choice."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        try:
            cell = parse(cell)
        except ValueError:
            return [cell]
    if isinstance(cell, Mapping):
        cell = cell.get("choices")
        return cell if isinstance(cell, list) else None
    if isinstance(cell, list):
        return cell
    return [] if word(cell) is None else [cell]


def chosen(choices: list[Any] | None, several: bool) -> tuple[str | None, str]:
    """What a vote says, and why it is none ("" when it is one); ``several``: whether it may hold several choices."""
    words = [word(choice) for choice in choices or ()]
    if choices is None or (len(words) > 1 and None in words):
        return None, "the answer is not a choice"
    if len(words) == 1 or several:
        return CHOICES.join(sorted({each for each in words if each})) or None, ""
    return words[0] if words else None, f"the answer holds {len(words)} choices instead of one"


_TEXTS = ("Text", "text", "Caption", "caption", "body", "full_text", "description")


def textless(data: Row) -> str:
    """Why a task has no text; "" when it has one, be it empty."""
    if any(name in data for name in _TEXTS):
        return ""
    return (
        f"the task's data name no Text, only {', '.join(sayable(str(name)) for name in list(data)[:10]) or 'nothing'}"
    )


def task_values(data: Row) -> dict[str, str | None]:
    """What the data of a task say of its text."""
    if problem := textless(data):
        raise RowRefused(problem)
    identifier = _either(data, "Identifier", "identifier", "shortcode")
    post, suffix = split_identifier(identifier) if identifier else (None, None)
    return {
        "text": as_text(next(data[name] for name in _TEXTS if name in data)),
        "text_id": (ours := word(data.get("text_id"))),  # the tasks that aufruf itself writes bring one
        "why": why if ours and (why := word(data.get("why"))) in CHOSEN else None,
        "post_id": post,
        "text_type": suffix or _either(data, "Text Type", "text_type"),
        "post_type": _understood(post_type, _either(data, "Post Type", "post_type")),
        "platform": "instagram" if post else None,
        "author": _either(data, "Username", "username", "author", "Author"),
        "party": _either(data, "Party", "party"),
        "posted_at": _understood(moment, _either(data, "Timestamp", "timestamp", "posted_at")),
    }


def vote_values(annotation: Row) -> dict[str, str | None]:
    """When an annotation was made, and how many seconds it took."""
    return {
        "annotated_at": word(annotation.get("updated_at")) or word(annotation.get("created_at")),
        "seconds": _understood(_duration, word(annotation.get("lead_time"))),
    }


def _duration(written: str | None) -> None:
    if not 0 <= float(written or "0") < math.inf:
        raise ValueError


def flat_items(
    content: Content,
    who: str,
    values: Callable[[Row], Values],
    answers: Callable[[Row], Sequence[tuple[str | None, Any]]],
    asked: frozenset[str] = frozenset(),
) -> Iterator[Item]:
    """The items of a table with an annotation a row.

    ``who``: the column that names the annotator, "" where labels were decided elsewhere. ``values``: what a
    row says besides. ``answers``: each question of a row with its cell; None for a question nobody names. ``asked``:
    questions of which a row says nothing where they were left unanswered; see NO_ROW.
    """
    for number, record in enumerate(content.records(), start=1):
        row = _nameless_row(record, who)
        try:
            person = _person(record, who)
            common = {**values(record.row), "annotator": person}
            found = answers(record.row)
            if why := CANCELLED if _cancelled(record) else "" if found else NO_ANSWER:
                yield Item(number, {**common, "label": None}, row, why, harmless=True)
                continue
        except RowRefused as refusal:
            yield Item(number, {}, row, refusal.reason, refusal.harmless)
            continue
        for place, (question, cell) in enumerate(found):
            several = question in content.several if question else bool(content.several)
            yield _vote(beside(number, place), {**common, "question": question}, choices_in(cell), row, several)
        for question in sorted(asked.difference(name for name, _ in found if name)):
            yield _vote(NO_ROW, {**common, "question": question}, [], row, several=False)


def _vote(number: int, common: Values, choices: list[Any] | None, row: Row, several: bool) -> Item:
    if choices == []:
        return Item(number, {**common, "label": None}, row, NO_ANSWER, harmless=True)
    label, problem = chosen(choices, several)
    return Item(number, {**common, "label": label}, row, problem)


def _person(record: Record, who: str) -> str | None:
    """Who made the annotation. Raises RowRefused where nobody did."""
    if record.problem:
        raise RowRefused(record.problem)
    person = annotator(record.row.get(who)) if who else None
    if who and person is None:
        raise RowRefused(CANCELLED, harmless=True) if _cancelled(record) else RowRefused(NOBODY)
    return person


def _cancelled(record: Record) -> bool:
    return (word(record.row.get("was_cancelled")) or "").casefold() in ("true", "1")


def _nameless_row(record: Record, who: str) -> Row:
    """The row as it may be kept; a text that names an address keeps it."""
    row = record.row
    if record.problem:
        return {key: nameless(cell) for key, cell in row.items()}
    address = _says(dig(row, who))
    named = {key for key, cell in row.items() if key in _PEOPLE or _says(cell) == address}
    kept = {key: nameless(cell) if key in named else cell for key, cell in row.items()}
    return kept | ({who: annotator(row[who])} if who in row else {})


def _says(cell: Any) -> str:
    return (word(cell) or "").casefold()


def question_columns(content: Content) -> frozenset[str]:
    """The questions that a table answers. Raises DataRefused listing its columns when it answers none."""
    found = content.questions.intersection(content.columns)
    if found or content.shape == "kept":
        return content.questions
    if content.shape != "delimited" and any(content.questions & record.row.keys() for record in content.records()):
        return content.questions  # the first hundred were all skipped
    listed = ", ".join(map(sayable, content.columns[:30]))
    asked = ", ".join(map(repr, sorted(content.questions))) or "none"
    raise DataRefused(
        f"no column is called after a question (asked: {asked}); its columns: {listed}",
        next="Set question in the classifier file to the name of the column, exactly.",
    )


def answers_in(questions: frozenset[str]) -> Callable[[Row], Sequence[tuple[str | None, Any]]]:
    """For a row: each of its columns that is a question, with its cell."""
    return lambda row: [(column, cell) for column, cell in row.items() if column in questions]


def _understood(check: Callable[[str | None], object], written: str | None) -> str | None:
    """What is written beside a vote, where it can be read; decoration is no reason to lose a vote."""
    try:
        check(written)
    except ValueError:
        return None
    return written


def _either(data: Row, *names: str) -> str | None:
    return next((found for name in names if (found := word(data.get(name)))), None)
