"""The family of failures. Each says what went wrong, where, and what to do next.

AufrufError             exit 1
├── UsageError          exit 2   the command, a setting or a classifier file is wrong
├── DataRefused         exit 3   a file or a batch did not pass; nothing of it was stored as good
│   └── LeakFound       exit 3   two splits share a text, a post or a near-duplicate group
├── NothingYet          exit 1   an earlier step has not been run
├── BundleRefused       exit 1   a model folder is not what was registered
├── Drifted             exit 1   texts or answers have moved further than the classifier file allows
├── TrainingFailed      exit 1   a run or a sweep ended without a usable model
├── LeaseLost           exit 1   another holds by now what this process was at work on, or may hold it
├── MemoryFull          exit 1   a device has no room for what must fit; another process may hold it
└── StackError          exit 1   the embedded stack did not start, or is not there
"""

import difflib
import errno
from collections.abc import Iterable, Mapping
from typing import Any

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})  # numbers of the system's errors


class AufrufError(Exception):
    """A failure a person can act on: ``what`` happened, ``where``, and what to do ``next``."""

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", next: str = "") -> None:  # noqa: A002 - the word users read
        self.what, self.where, self.next = what, where, next
        self.done: Mapping[str, Any] = {}  # what a command of several steps had done before
        super().__init__(self.sentence())

    def sentence(self) -> str:
        """One line: where, what, what next."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}. {self.next}" if self.next else head

    def as_json(self) -> dict[str, str]:
        """The ``error`` object that ``--json`` prints."""
        return {"type": type(self).__name__, "what": self.what, "where": self.where, "next": self.next}


class UsageError(AufrufError):
    """The command line, a setting or a classifier file is wrong."""

    exit_code = 2


class DataRefused(AufrufError):
    """Data did not pass the checks."""

    exit_code = 3


class LeakFound(DataRefused):
    """Two splits share something they must not share."""


class NothingYet(AufrufError):
    """An earlier step has to run first."""


class BundleRefused(AufrufError):
    """A model bundle fails its verification."""


class Drifted(AufrufError):
    """Texts or answers have moved: a check has failed, and nothing is broken."""


class TrainingFailed(AufrufError):
    """A training or a sweep ended without a usable model."""


class LeaseLost(AufrufError):
    """Another holds by now what this process was at work on, or may hold it: what both know of is left to that one."""


class MemoryFull(AufrufError):
    """The memory of a device has no room for what must fit: another process may hold it, so later there may be."""


class StackError(AufrufError):
    """The embedded stack did not start, did not stop, or is not there."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A phrase that names the known word nearest to ``word``, or all known words when none is near."""
    words = sorted(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known: {', '.join(words) or 'none'}."
