"""What the checks have found of one file."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

UNLISTED = "is not listed under [spellings]"  # how the reason for an answer that nobody knows ends


@dataclass
class Verdict:
    """What is known of one file: its refused items with their reasons, and the counts of every expectation."""

    reasons: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    harmless: set[int] = field(default_factory=set)  # refused, though nothing is wrong with the file
    empty: int = 0  # rows without a text
    counts: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)  # by expectation and column

    @property
    def cure(self) -> str:
        """What helps against the reasons for refused rows."""
        strange = any(UNLISTED in reason for reasons in self.reasons.values() for reason in reasons)
        return f"{'Add the spellings to [spellings] or mend' if strange else 'Mend'} the rows"

    def refuse(self, item: int, reason: str, *, harmless: bool = False) -> None:
        self.reasons[item].append(reason)
        if harmless:
            self.harmless.add(item)

    def count(self, expectation: str, column: str, evaluated: int, unexpected: int) -> None:
        """Add to the counts of an expectation, which may look at a file piece by piece."""
        before = self.counts.get((expectation, column), {"evaluated": 0, "unexpected": 0})
        total = {"evaluated": before["evaluated"] + evaluated, "unexpected": before["unexpected"] + unexpected}
        success = total["unexpected"] == 0
        self.counts[(expectation, column)] = {"expectation": expectation, "column": column, "success": success} | total
