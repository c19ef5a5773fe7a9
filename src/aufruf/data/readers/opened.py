"""A text file opened for one pass: its bytes counted for a progress bar, its lines bounded."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

Progress = Callable[[int], None]  # takes the number of bytes read since it was called last

CHUNK = 1 << 20
SHOWN = 10_000  # characters of an unreadable line that are kept


class _Tallied(io.FileIO):
    """A file that reports what is read of it, about every MiB and when it is closed."""

    def __init__(self, path: Path, progress: Progress) -> None:
        super().__init__(path)
        self._progress, self._unsaid = progress, 0

    def readinto(self, buffer: Any) -> int:
        count: int = super().readinto(buffer)
        self._unsaid += count
        if self._unsaid >= CHUNK:
            self._say()
        return count

    def close(self) -> None:
        if not self.closed and self._unsaid:
            self._say()
        super().close()

    def _say(self) -> None:
        unsaid, self._unsaid = self._unsaid, 0
        self._progress(unsaid)


def open_text(path: Path, encoding: str, newline: str, progress: Progress | None = None) -> TextIO:
    """Open a file whose bytes were proved to be ``encoding``; ``newline`` as in ``open``."""
    if progress is None:
        return path.open(encoding=encoding, newline=newline)
    return io.TextIOWrapper(io.BufferedReader(_Tallied(path, progress), CHUNK), encoding=encoding, newline=newline)


def lines(file: TextIO, longest: int) -> Iterator[tuple[str, bool]]:
    """Each line, and whether it is whole: of one with more than ``longest`` characters only the start is held."""
    while line := file.readline(longest + 1):
        if len(line) <= longest or line.endswith("\n"):
            yield line, True
            continue
        start = line[:SHOWN]
        del line
        while (rest := file.readline(CHUNK)) and not rest.endswith("\n"):
            pass
        yield start, False
