"""What the checks have found of one file."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aufruf.data.readers.item import row_of

UNLISTED = "is not listed under [spellings]"  # how the reason for an answer that nobody knows ends
_TOLD = 3  # reasons that a sentence names
MOST_REFUSED = 1_000_000  # rows of a file with a fault of their own; each is held, and costs up to 250 bytes


@dataclass
class Verdict:
    """What is known of one file: its refused items with their reasons, and the counts of every expectation."""

    reasons: dict[int, list[str]] = field(default_factory=dict)  # items may share a list: not to be changed
    harmless: set[int] = field(default_factory=set)  # refused, though nothing is wrong with the file
    empty: int = 0  # rows without a text
    counts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # by expectation and column
    _alone: dict[str, list[str]] = field(default_factory=dict)  # a reason, as the list of an item with no other

    @property
    def cure(self) -> str:
        """What helps against the reasons for refused rows."""
        strange = any(UNLISTED in reason for reasons in self.reasons.values() for reason in reasons)
        return f"{'Add the spellings to [spellings] or mend' if strange else 'Mend'} the rows"

    @property
    def blamed(self) -> int:
        """How many items are refused for a fault of theirs."""
        return len(self.reasons) - len(self.harmless)

    def refuse(self, item: int, reason: str, *, harmless: bool = False) -> None:
        before = self.reasons.get(item)
        self.reasons[item] = [*before, reason] if before else self._alone.setdefault(reason, [reason])
        if harmless:
            self.harmless.add(item)

    def beyond(self, most_refused: float, rows: int) -> bool:
        """True where so many of these rows are refused that to go on would only fill the memory."""
        return self.blamed > MOST_REFUSED and self.blamed > most_refused * rows

    def count(self, expectation: str, column: str, evaluated: int, unexpected: int) -> None:
        """Add to the counts of an expectation, which may look at a file piece by piece."""
        before = self.counts.get((expectation, column), {"evaluated": 0, "unexpected": 0})
        total = {"evaluated": before["evaluated"] + evaluated, "unexpected": before["unexpected"] + unexpected}
        success = total["unexpected"] == 0
        self.counts[(expectation, column)] = {"expectation": expectation, "column": column, "success": success} | total

    def common_reasons(self, most: int = _TOLD) -> list[tuple[str, int, int]]:
        """The commonest reasons for refused rows: the reason, how many rows, the first of them."""
        counts: Counter[str] = Counter()
        first: dict[str, int] = {}
        for item in sorted(self.reasons, key=row_of):
            for reason in dict.fromkeys(self.reasons[item]):
                counts[reason] += 1
                first.setdefault(reason, row_of(item))
        return [(reason, n, first[reason]) for reason, n in counts.most_common(most)]

    def _kinds(self) -> int:
        """How many different reasons there are."""
        return len({reason for reasons in self.reasons.values() for reason in reasons})

    def told(self) -> str:
        """The commonest reasons as a sentence, and what to do."""
        told = "; ".join(f"{why} (rows: {n}, the first is {first})" for why, n, first in self.common_reasons())
        told += f" and {more} more" if (more := self._kinds() - _TOLD) > 0 else ""
        return f"{told}. {self.cure}, then ingest the file again."
