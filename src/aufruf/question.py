"""The question that a classifier asks of every text: its labels, how exports write them, and how tables hold them.

What a table holds as the label of a text is a *value*: a label's name or, with ``multi_label``, the set of those that
apply, in the order of ``labels``, joined by ``|``; ``none`` is the empty set. Only this file writes and reads values.
"""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, model_validator

from aufruf.errors import DataRefused, nearest
from aufruf.schemas import ABSTAIN, JOINT, NONE, names_in

CHOICES = "\x1f"  # between several choices of one answer, as readers hand it on: no spelling holds this sign
_BETWEEN = (CHOICES, JOINT, ";", ",")  # how several labels may stand in one cell


class Question(BaseModel):
    """The keys of a classifier file that stand in no section. ``labels`` are in the model's order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    labels: tuple[str, ...]
    positive: str
    multi_label: bool = False  # a text may have several of the labels, or none
    question: str = "Call to Action"  # the exact Label Studio ``from_name`` that asks it
    spellings: dict[str, tuple[str, ...]]

    @model_validator(mode="after")
    def _labels_agree(self) -> "Question":
        if len(self.labels) < 2 or len(set(self.labels)) != len(self.labels):
            raise ValueError("labels must name at least two different values")
        if self.positive not in self.labels:
            raise ValueError(f"positive {self.positive!r} is not one of the labels {list(self.labels)}")
        reserved = {ABSTAIN, NONE} if self.multi_label else {ABSTAIN}
        for label in self.labels:
            if label in reserved or JOINT in label:
                raise ValueError(f"no label may be called {label!r}: {', '.join(sorted(reserved))} and | are reserved")
        allowed = {*self.answers, ABSTAIN}
        for label in self.spellings:
            if label not in allowed:
                raise ValueError(f"spellings.{label} is not a label. {nearest(label, allowed)}")
        written = [s for spellings in self.spellings.values() for s in spellings]
        for label, spellings in self.spellings.items():
            for word in spellings:
                if not word or word != word.strip():
                    raise ValueError(f"spellings.{label}: {word!r} can stand in no cell, whose blanks are cut off")
                if word != label and word in allowed:
                    raise ValueError(f"spellings.{label} has {word!r}, which is another label's own name")
        twice = {s for s in written if written.count(s) > 1}
        if twice:
            raise ValueError(f"spellings {sorted(twice)} stand for two labels")
        return self

    def label_of(self, written: str) -> str | None:
        """The value that an export's spelling stands for, or ABSTAIN; None when it is not listed.

        With ``multi_label`` several spellings may stand side by side, but not beside "none" or an abstention.
        """
        for mark in (None, *_BETWEEN) if self.multi_label else (None,):
            found = {self._spelt(part.strip()) for part in ([written] if mark is None else written.split(mark))}
            if len(found) == 1 and None not in found:
                return found.pop()
            if found <= set(self.labels):
                return self.value_of(label for label in found if label)
        return None

    def _spelt(self, word: str) -> str | None:
        for label, spellings in self.spellings.items():
            if word in spellings:
                return label
        return word if word in self.answers else None

    @property
    def answers(self) -> tuple[str, ...]:
        """What can be said of a text: a label or, where a text may have several, also that it has none."""
        return (*self.labels, NONE) if self.multi_label else self.labels

    def value_of(self, labels: Iterable[str]) -> str:
        """The value that stands for these labels of one text; names that are unknown come last."""
        return JOINT.join(sorted(set(labels), key=lambda label: ([*self.labels, label].index(label), label))) or NONE

    def labels_in(self, value: str) -> tuple[str, ...]:
        """The labels that a value names, in their order: one or, with ``multi_label``, any number."""
        return tuple(name for name in names_in(value) if name in self.labels)

    def is_value(self, value: str) -> bool:
        """Whether a text can have this value; an abstention is none."""
        found = self.labels_in(value)
        return self.value_of(found) == value and (self.multi_label or len(found) == 1)

    def is_call(self, value: str) -> bool:
        """Whether the label that counts is among those that a value names."""
        return self.positive in self.labels_in(value)

    def targets(self, values: Iterable[str]) -> list[list[int]]:
        """One row a value, one column a label: 1 where it applies. Raises DataRefused for what is no value."""
        rows = []
        for value in values:
            if not self.is_value(value):
                raise DataRefused(
                    f"{value!r} is not a label of the classifier",
                    where=self.name,
                    next="Name it under labels, or ingest the votes again and run `aufruf label`.",
                )
            rows.append([int(label in self.labels_in(value)) for label in self.labels])
        return rows

    @property
    def positive_index(self) -> int:
        return self.labels.index(self.positive)
