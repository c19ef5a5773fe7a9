"""Label Studio's JSON export: a list of tasks, each with the annotations people made."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

from aufruf.data.readers.content import Content
from aufruf.data.readers.item import NO_ROW, Item, Record, dig, word
from aufruf.data.readers.votes import (
    CANCELLED,
    NO_ANSWER,
    NOBODY,
    annotator,
    chosen,
    nameless,
    task_values,
    textless,
    vote_values,
)


def read(content: Content) -> Iterator[Item]:
    """One item for each question that an annotation answers; one for an annotation that answers none.

    Of what is asked and left unanswered beside answers there is an item that is no row: it takes a vote back.
    """
    numbers = count(1)
    for record in content.records():
        for item in _items_of(record, content.questions, content.several):
            yield item if item.number == NO_ROW else replace(item, number=next(numbers))


def _items_of(record: Record, questions: frozenset[str], several: frozenset[str]) -> Iterator[Item]:
    annotations = [record.row["annotation"]] if "annotation" in record.row else dig(record.row, "annotations")
    if record.problem or not isinstance(annotations, list):
        row = {key: value if key == "data" else nameless(value) for key, value in record.row.items()}
        yield Item(0, {}, row, record.problem or "the task has no list of annotations")
        return
    for annotation in annotations:
        row = {
            "id": dig(record.row, "id"),
            "data": dig(record.row, "data"),
            "annotation": _nameless(annotation),  # under this key a row of the quarantine is read again
        }
        problem, harmless = _problem(record.row, annotation)
        answers = {} if problem else _answers(annotation)
        if not answers:
            problem, harmless = (problem, harmless) if problem else (NO_ANSWER, True)
            yield Item(0, _taken_back(record.row, annotation) if harmless else {}, row, problem, harmless)
        for question, choices in answers.items():
            label, problem = chosen(choices, question in several)
            problem, harmless = (NO_ANSWER, True) if choices == [] else (problem, False)
            yield Item(0, _values(record.row, annotation, question, label), row, problem, harmless)
        for question in sorted(questions.difference(answers)) if answers else ():
            yield Item(NO_ROW, _values(record.row, annotation, question, None), row, NO_ANSWER, harmless=True)


def _problem(task: Mapping[str, Any], annotation: Any) -> tuple[str, bool]:
    """Why an annotation gives no vote, and whether that is in the nature of things."""
    if not isinstance(annotation, dict):
        return "the annotation is not an object", False
    if annotation.get("was_cancelled") is True:
        return CANCELLED, True
    if not isinstance(dig(task, "data"), dict):
        return "the task has no data", False
    if annotator(annotation.get("completed_by")) is None:
        return NOBODY, False
    return textless(task["data"]), False


def _taken_back(task: Mapping[str, Any], annotation: Mapping[str, Any]) -> Mapping[str, str | None]:
    """Whose vote on which text is taken back, if one was cast; {} where the task does not say it."""
    data, person = dig(task, "data"), annotator(annotation.get("completed_by"))
    if person is None or not isinstance(data, dict) or textless(data):
        return {}
    return {**task_values(data), **vote_values(annotation), "annotator": person, "label": None}


def _answers(annotation: Mapping[str, Any]) -> dict[str, list[Any] | None]:
    """Question to what was chosen; None for an answer that is not a choice."""
    found: dict[str, list[Any] | None] = {}
    results = annotation.get("result")
    for result in results if isinstance(results, list) else []:
        question, choices = word(dig(result, "from_name")), dig(result, "value", "choices")
        if question is None:
            continue
        before = found.get(question, [])
        found[question] = [*before, *choices] if isinstance(choices, list) and before is not None else None
    return found


def _values(
    task: Mapping[str, Any], annotation: Mapping[str, Any], question: str, label: str | None
) -> dict[str, str | None]:
    return {
        **task_values(task["data"]),
        **vote_values(annotation),
        "annotator": annotator(annotation.get("completed_by")),
        "question": question,
        "label": label,
    }


def _nameless(annotation: Any) -> Any:
    """The annotation as it may be kept; what was answered stays as it is."""
    if not isinstance(annotation, dict):
        return nameless(annotation)
    kept = {key: value if key == "result" else nameless(value) for key, value in annotation.items()}
    return {**kept, "completed_by": annotator(annotation.get("completed_by"))}
