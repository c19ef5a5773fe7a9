"""Which columns the objects of a file have, a hundred at a time: keys can change in the middle of a file."""

from collections.abc import Iterator
from dataclasses import dataclass

from aufruf.data.readers.item import Record

PART = 100  # records


@dataclass
class Seen:
    """Parts that are alike: how many, and the first and the last record of the first one."""

    times: int
    first: int
    last: int


class Parts:
    """What is not there of ``columns``; filled while the records pass, and anew in each pass.

    A remainder of fewer than PART records says nothing for itself: it counts for the whole file only.
    """

    def __init__(self, columns: frozenset[str]) -> None:
        self.columns = columns
        self._begin()

    def _begin(self) -> None:
        self.lacking: dict[frozenset[str], Seen] = {}  # by what none of their records has
        self.absent = set(self.columns)  # from all records
        self.whole = False  # True once the file was read to its end

    def watch(self, records: Iterator[Record]) -> Iterator[Record]:
        """The same records, looked at on their way; those that could not be parsed have no columns."""
        self._begin()
        missing, count, first = set(self.columns), 0, 1
        for record in records:
            if not record.problem:
                if missing:
                    missing.difference_update(record.row)
                count += 1
            if count == PART:
                self.absent &= missing
                self.lacking.setdefault(frozenset(missing), Seen(0, first, record.number)).times += 1
                missing, count, first = set(self.columns), 0, record.number + 1
            yield record
        self.absent &= missing
        self.whole = True
