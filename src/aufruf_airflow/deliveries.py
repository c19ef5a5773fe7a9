"""When a delivery in the inbox is complete: decided from looking at the folders again and again."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

UNFINISHED = (
    ".part",
    ".partial",
    ".tmp",
    ".crdownload",
    "~",
)  # how copiers and browsers name a file on its way

Seen = dict[str, tuple[int, int]]  # path -> size in bytes, time of change in ns

log = logging.getLogger(__name__)


def look(folders: Iterable[str]) -> Seen:
    """Size and time of change of every file in the folders; hidden and unfinished names are left out."""
    seen: Seen = {}
    for folder in folders:
        try:
            with os.scandir(Path(folder)) as entries:
                for entry in entries:
                    if _counts(entry):
                        stat = entry.stat(follow_symlinks=False)
                        seen[entry.path] = (stat.st_size, stat.st_mtime_ns)
        except FileNotFoundError:
            continue  # nobody has dropped anything yet, or a file left between listing and stat
        except OSError as error:
            log.warning("The inbox folder %s cannot be read: %s", folder, error)
    return seen


def _counts(entry: os.DirEntry[str]) -> bool:
    hidden = entry.name.startswith(".") or entry.name.lower().endswith(UNFINISHED)
    return not hidden and entry.is_file(follow_symlinks=False)


class Deliveries:
    """Decides from one look after another when a delivery is complete.

    A file is complete when two looks in a row see it alike. The delivery is announced once the whole inbox is
    quiet, so that the files of several annotators are decided on together, or after ``patience`` looks.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.announced: Seen = {}
        self.before: Seen = {}
        self.waited = 0

    def complete(self, now: Seen) -> list[str]:
        """The files to announce after this look; none while nothing is new or something still moves."""
        fresh = {path for path, state in now.items() if self.announced.get(path) != state}
        settled = sorted(path for path in fresh if self.before.get(path) == now[path])
        quiet = now == self.before
        self.before = now
        self.announced = {path: state for path, state in self.announced.items() if path in now}
        self.waited = self.waited + 1 if fresh else 0
        if not settled or not (quiet or self.waited > self.patience):
            return []
        self.announced.update((path, now[path]) for path in settled)
        self.waited = 0
        return settled
