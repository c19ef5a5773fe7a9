"""Files become rows for the lake: every item read, judged, and turned into texts, votes and refused rows.

Nothing is kept of a file before all of it is judged. None is held in memory: it is read twice, to judge and to take.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import checks, columns, label_shift, readers, rows
from aufruf.data.readers import Content, Format, Item
from aufruf.data.readers.delimited import sayable
from aufruf.data.readers.item import NO_ROW, beside, row_of
from aufruf.data.reading import blamed
from aufruf.data.seen import Numbers, Seen
from aufruf.data.verdict import Verdict
from aufruf.errors import DataRefused
from aufruf.schemas import TEXT_TYPES, Annotation, QuarantinedRow, Text

_CHUNK = 20_000  # items judged at a time
_CHARACTERS = 32_000_000  # of text, after which a chunk is full
_LABELS = Mapping[str, Mapping[str, int]]  # classifier -> label -> votes that are known


@dataclass(frozen=True)
class Source:
    """A file whose format is known."""

    digest: str
    content: Content
    format: Format


@dataclass
class Intake:
    """What one file holds. ``refusal`` is why the whole file is refused, and then no row is to be stored."""

    source: Source
    questions: rows.Questions = ()
    verdict: Verdict = field(default_factory=Verdict)
    rows: int = 0
    answered: set[str] = field(default_factory=set)  # questions of the file; "" for a table, which asks none
    refusal: str = ""
    numbers: Numbers | None = None  # where row numbers are ids
    several: frozenset[int] = frozenset()  # hashes of ids that we made and that do not tell texts of posts apart

    @property
    def kept(self) -> int:
        return 0 if self.refusal else self.rows - len(self.verdict.reasons)

    @property
    def classifiers(self) -> tuple[str, ...]:
        """Those whose question the file answers."""
        return tuple(one.name for one in self.asked if self.answered)

    @property
    def asked(self) -> list[Classifier]:
        """Those whose question annotators were asked: as the file's answers show, or the only one where it has none."""
        every = [one for group in self.questions for one in group]
        there = self.answered or {one.question for one in every if len(self.questions) == 1}
        return [one for one in every if there & {"", one.question}]

    @property
    def counts(self) -> list[dict[str, Any]]:
        """The outcome of every check, in counts; no values."""
        return list(self.verdict.counts.values())

    def portions(self, now: datetime) -> Iterator["Portion"]:
        """What is to be stored of the file, piece by piece; nothing when it is refused."""
        refused, digest = self.verdict.reasons, self.source.digest
        questions = self.questions if self.source.format.kind == "annotations" else ()
        part, characters = Portion([], [], []), 0
        for item in () if self.refusal else _items(self.source, self.questions):
            if item.number == NO_ROW or item.number in refused:
                if reasons := self._of_row(item.number):
                    part.quarantine.append(rows.quarantined(item, reasons, digest, now))
                    characters += len(part.quarantine[-1].row)
                if questions and (back := rows.taken_back(item, self.asked, digest, self.several)):
                    part.taken_back.append(back)
            else:
                row = rows.apart(rows.typed(item), self.several)
                part.texts.append(rows.text(row, digest))
                part.votes.extend(rows.votes(row, questions, digest))
                characters += len(row["text"])
            if len(part) >= _CHUNK or characters >= _CHARACTERS:
                yield part
                part, characters = Portion([], [], []), 0
        if len(part):
            yield part

    def _of_row(self, refused: int) -> list[str]:
        """Why items of a refused item's row are refused, all of them; nothing after the first one of them."""
        numbers = (beside(row_of(refused), place) for place in range(max(len(TEXT_TYPES), len(self.questions))))
        there = [number for number in numbers if number in self.verdict.reasons]
        return [why for number in there for why in self.verdict.reasons[number]] if there[:1] == [refused] else []


@dataclass(frozen=True)
class Portion:
    """A piece of a file, ready to be stored."""

    texts: list[Text]
    votes: list[Annotation]
    quarantine: list[QuarantinedRow]
    taken_back: list[tuple[Text, list[Annotation]]] = field(default_factory=list)  # abstentions, where a vote is stored

    def __len__(self) -> int:
        return len(self.texts) + len(self.votes) + len(self.quarantine) + len(self.taken_back)


def source(path: Path, digest: str, asked: str, classifiers: Sequence[Classifier]) -> Source:
    """Open a file and find its format; ``asked`` is what ``readers.asked_for`` made of the options.

    Raises DataRefused when nothing is known of the format.
    """
    questions, several = rows.asked(classifiers)
    with blamed():
        content = readers.open_content(path, questions, several=several)
        format_ = readers.find(content, asked)
    parts = readers.Parts(format_.needs | content.questions) if content.objects else None
    return Source(digest, replace(content, parts=parts), format_)


def judge(sources: Sequence[Source], classifiers: Sequence[Classifier], known: _LABELS, now: datetime) -> list[Intake]:
    """Read and judge files; what is wrong with one of them is in its Intake and stops no other."""
    by_kind = groupby(enumerate(sources), key=lambda pair: pair[1].format.kind)
    return [one for kind, some in by_kind for one in _judge(kind, [s for _, s in some], classifiers, known, now)]


def _judge(
    kind: str, sources: Sequence[Source], classifiers: Sequence[Classifier], known: _LABELS, now: datetime
) -> list[Intake]:
    questions = _questions(classifiers) if kind == "annotations" else []
    intakes = [Intake(one, questions) for one in sources]
    verdicts = {number: intake.verdict for number, intake in enumerate(intakes)}
    bounds, seen = checks.loosest(classifiers), Seen()
    _check_columns(intakes, columns.at_first)
    for table in _tables(intakes, bounds.most_refused):
        checks.check_rows(table, kind, questions, bounds, now, verdicts)
        passed = [i not in verdicts[f].reasons for f, i in zip(table["file"], table["item"], strict=True)]
        seen.add(table[passed], votes=kind == "annotations")
        seen.add_made(table)
        if kind == "posts":
            seen.add_given(table[passed])
    _check_columns(intakes, columns.throughout)
    for number, intake in enumerate(intakes):
        intake.numbers, intake.several = seen.numbers(number), seen.several(number)
    if kind == "annotations":
        checks.check_votes(seen.votes(), verdicts)
    checks.check_ids(seen.given(), verdicts)
    summary = {n: _summary(n, one, seen, known, bounds.enough) for n, one in enumerate(intakes) if one.rows}
    failures = checks.check_files(pd.DataFrame(summary.values()), bounds, verdicts) if summary else {}
    for number, failed in failures.items():
        intakes[number].refusal = intakes[number].refusal or _refusal(intakes[number], failed[0], summary[number])
    return intakes


def _check_columns(intakes: Sequence[Intake], shapes: Callable[[int, Content, Format], list[checks.Shape]]) -> None:
    """Hold back the files that lack a column, or whose columns cannot even be read."""
    found = []
    for number, intake in enumerate(intakes):
        try:
            found += shapes(number, intake.source.content, intake.source.format)
        except DataRefused as refusal:
            intake.refusal = refusal.sentence()
    for shape, missing in checks.check_columns(found, {n: one.verdict for n, one in enumerate(intakes)}):
        source = intakes[shape.file].source
        intakes[shape.file].refusal = columns.refusal(source.content, source.format, shape, missing).sentence()


def _questions(classifiers: Sequence[Classifier]) -> list[list[Classifier]]:
    asked = sorted({one.question for one in classifiers})
    return [[one for one in classifiers if one.question == question] for question in asked]


def _read(source: Source) -> Iterator[Item]:
    with blamed():
        yield from source.format.read(source.content)


def _items(source: Source, questions: rows.Questions) -> Iterator[Item]:
    """The items of a file but for answers to what no classifier asks."""
    asked = {"", *(group[0].question for group in questions)}
    for item in source.format.read(source.content):
        if (item.values.get("question") or "") in asked:
            yield item


def _tables(intakes: Sequence[Intake], most_refused: float) -> Iterator[pd.DataFrame]:
    """The readable items of all files in pieces, as tables; what is unreadable goes into the verdicts."""
    chunk: list[dict[str, Any]] = []
    characters = 0
    for number, intake in enumerate(intakes):
        for row in _typed(intake, most_refused):
            chunk.append(row | {"file": number})
            characters += len(row["text"] or "")
            if len(chunk) >= _CHUNK or characters >= _CHARACTERS:
                yield rows.frame(chunk, intake.questions)
                chunk, characters = [], 0
    if chunk:
        yield rows.frame(chunk, intakes[0].questions)


def _typed(intake: Intake, most_refused: float) -> Iterator[dict[str, Any]]:
    """The readable items of a file, typed; a file that breaks off or holds nothing for us is refused.

    So is one with a million rows refused that are more than ``most_refused`` of those read, without the rest.
    """
    verdict, others = intake.verdict, set()
    asked = {"", *(group[0].question for group in intake.questions)}
    try:
        if intake.source.format.kind == "annotations" and not intake.questions:
            raise DataRefused("the file holds votes, and there is no classifier to take them", next="Name one.")
        for item in () if intake.refusal else _read(intake.source):
            question = item.values.get("question") or ""
            if item.number == NO_ROW or question not in asked:
                others |= {question} - asked
                continue
            if verdict.beyond(most_refused, intake.rows):
                raise _overfull(intake)
            intake.rows += 1
            if item.problem:
                verdict.refuse(item.number, item.problem, harmless=item.harmless)
                continue
            intake.answered.add(question)
            try:
                yield rows.typed(item)
            except ValueError as error:
                verdict.refuse(item.number, str(error))
        if others and not intake.answered:
            raise _another_question(others, intake.questions)
        if not intake.rows and not intake.refusal:
            nothing = "no task that anybody annotated" if intake.source.format.name == "label-studio" else "no rows"
            raise DataRefused(f"the file holds {nothing}", next="Export it again.")
    except DataRefused as refusal:
        intake.refusal = refusal.sentence()


def _overfull(intake: Intake) -> DataRefused:
    read = f"{intake.verdict.blamed} of its first {intake.rows} rows are refused"
    return DataRefused(
        f"{read}, more than checks.most_refused allows: the rest is not read", next=intake.verdict.told()
    )


def _another_question(others: set[str], questions: rows.Questions) -> DataRefused:
    wanted = ", ".join(sorted({f"{one.question!r} ({one.name}.toml)" for group in questions for one in group}))
    return DataRefused(
        f"the file answers {', '.join(map(sayable, sorted(others)[:5]))}, not {wanted}",
        next="Set question in the classifier file to the from_name of the export, exactly.",
    )


def _summary(number: int, intake: Intake, seen: Seen, known: _LABELS, enough: int) -> dict[str, Any]:
    """One row of what ``checks.check_files`` judges."""
    verdict, n = intake.verdict, max(intake.rows, 1)
    broken = verdict.blamed
    votes = seen.votes() if intake.questions else pd.DataFrame()
    mine = votes[votes["file"] == number] if intake.questions else votes
    return {
        "file": number,
        "item": 0,
        "unusable": int(len(verdict.reasons) >= n and broken > 0),
        "broken": broken / n,
        "empty": verdict.empty / n if n >= enough else None,
        "repeated": seen.repeated(number, enough),
        **{
            f"shift {one.name}": label_shift.divergence(mine, one, known.get(one.name, {}), enough)
            for group in intake.questions
            for one in group
        },
    }


def _refusal(intake: Intake, failed: str, summary: Mapping[str, Any]) -> str:
    """Why a whole file is refused: what is out of bounds, and what to do."""
    told = intake.verdict.told()
    if failed == "unusable":
        return f"none of the {intake.rows} rows can be used: {told}"
    if failed == "broken":
        broken = round(float(summary["broken"]) * intake.rows)
        return f"{broken} of {intake.rows} rows are refused, more than checks.most_refused allows: {told}"
    if failed == "empty":
        return f"{intake.verdict.empty} of {intake.rows} rows have no text, more than checks.most_empty allows"
    if failed == "repeated":
        return (
            f"{float(summary['repeated']):.0%} of the texts say what another text of the file says, "
            "more than checks.most_repeated allows. Was one column exported for all rows?"
        )
    return (
        f"its labels are distributed otherwise than those known (divergence {float(summary[failed]):.2f} nats), more "
        f"than checks.label_shift of {failed.removeprefix('shift ')} allows. Were the labels swapped? If the file is "
        "right, raise the bound."
    )
