"""Label Studio's JSON export: a list of tasks, each with the annotations people made."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aufruf.data.readers.content import Content
from aufruf.data.readers.fields import moment, post_type, split_identifier
from aufruf.data.readers.item import Item, Record, dig, word


def read(content: Content) -> Iterator[Item]:
    """One item for each question that an annotation answers; one for an annotation that answers none."""
    number = 0
    for record in content.records():
        for item in _items_of(record):
            number += 1
            yield Item(number, item.values, item.row, item.problem, item.harmless)


def _items_of(record: Record) -> Iterator[Item]:
    annotations = dig(record.row, "annotations")
    if record.problem or not isinstance(annotations, list):
        yield Item(0, {}, record.row, record.problem or "the task has no list of annotations")
        return
    for annotation in annotations:
        row = {
            "id": dig(record.row, "id"),
            "data": dig(record.row, "data"),
            "annotation": _nameless(annotation),
        }
        problem, harmless = _problem(record.row, annotation)
        answers = {} if problem else _answers(annotation)
        if not answers:
            problem, harmless = (problem, harmless) if problem else ("the annotation was skipped: no answer", True)
            yield Item(0, {}, row, problem, harmless)
        for question, choices in answers.items():
            yield Item(0, _values(record.row, annotation, question, choices), row, _unclear(choices))


def _problem(task: Mapping[str, Any], annotation: Any) -> tuple[str, bool]:
    """Why an annotation gives no vote, and whether that is in the nature of things."""
    if not isinstance(annotation, dict):
        return "the annotation is not an object", False
    if annotation.get("was_cancelled") is True:
        return "the annotation was cancelled", True
    if not isinstance(dig(task, "data"), dict):
        return "the task has no data", False
    if _annotator(annotation) is None:
        return "the annotation does not say who made it", False
    return "", False


def _answers(annotation: Mapping[str, Any]) -> dict[str, list[Any] | None]:
    """Question to what was chosen; None for an answer that is not a choice."""
    found: dict[str, list[Any] | None] = {}
    results = annotation.get("result")
    for result in results if isinstance(results, list) else []:
        question, choices = word(dig(result, "from_name")), dig(result, "value", "choices")
        if question is None:
            continue
        before = found.get(question) or []
        found[question] = [*before, *choices] if isinstance(choices, list) else None
    return found


def _unclear(choices: list[Any] | None) -> str:
    if choices is None:
        return "the answer is not a choice"
    return "" if len(choices) == 1 else f"the answer holds {len(choices)} choices instead of one"


def _values(
    task: Mapping[str, Any], annotation: Mapping[str, Any], question: str, choices: list[Any] | None
) -> dict[str, str | None]:
    data = task["data"]
    identifier = word(data.get("Identifier")) or word(data.get("identifier"))
    post, suffix = split_identifier(identifier) if identifier else (None, None)
    text = data["Text"] if "Text" in data else data.get("text")
    return {
        "text": text if isinstance(text, str) else word(text),
        "post_id": post,
        "text_type": suffix or _either(data, "Text Type", "text_type"),
        "post_type": _understood(post_type, _either(data, "Post Type", "post_type")),
        "platform": "instagram" if post else None,
        "author": _either(data, "Username", "username", "author", "Author"),
        "party": _either(data, "Party", "party"),
        "posted_at": _understood(moment, _either(data, "Timestamp", "timestamp", "posted_at")),
        "annotator": _annotator(annotation),
        "question": question,
        "label": word(choices[0]) if choices else None,
        "annotated_at": word(annotation.get("updated_at")) or word(annotation.get("created_at")),
    }


def _annotator(annotation: Mapping[str, Any]) -> str | None:
    """completed_by is a number, or a person with an id."""
    person = annotation.get("completed_by")
    return word(dig(person, "id")) if isinstance(person, dict) else word(person)


def _nameless(annotation: Any) -> Any:
    """The annotation as it may be kept: of a person only the id, not the name and the e-mail address."""
    if not isinstance(annotation, dict):
        return annotation
    return {**annotation, "completed_by": _annotator(annotation)}


def _understood(parse: Callable[[str | None], object], written: str | None) -> str | None:
    """What is written beside a vote, where it can be read; decoration is no reason to lose a vote."""
    try:
        return written if parse(written) else None
    except ValueError:
        return None


def _either(data: Mapping[str, Any], *names: str) -> str | None:
    return next((found for name in names if (found := word(data.get(name)))), None)
