"""Files on their way to the step ``ingest``: copied before they are looked at, unpacked, a group at a time."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aufruf.data import inbox, unpack
from aufruf.errors import UsageError

_FILES, _BYTES = 500, 256 << 20  # a group ends with the file that reaches either


@dataclass
class Arrival:
    """A file to take in: a copy of what was given, or a member of an archive that was given."""

    origin: Path  # the file that was given
    seen: tuple[int, int, int] | None  # what tells the origin from a file put in its place later
    path: Path  # the private copy
    digest: str
    name: str  # without its folder, printable
    entry: dict[str, Any] = field(default_factory=dict)  # what is to be said of it
    refusal: str = ""  # why it cannot even be read
    last: bool = True  # of its origin

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0


def given(files: Iterable[Path]) -> list[Path]:
    """The files, each once. Raises UsageError for what cannot be meant."""
    for path in files:
        if path.is_dir():
            raise UsageError("this is a folder", where=printable(str(path)), next="Name the files in it.")
        if not path.exists():
            raise UsageError("there is no such file", where=printable(str(path)), next="Check the path.")
        if not path.is_file():
            raise UsageError("this is not a regular file", where=printable(str(path)), next="Save it to a file first.")
    return list(dict.fromkeys(files))


def groups(paths: Iterable[Path], folder: Path, *, from_inbox: bool) -> Iterator[list[Arrival]]:
    """Copies of the files in ``folder``, unpacked, in groups that are small enough to be worked on together.

    The copies of a group are removed when the next group is asked for.
    """
    group: list[Arrival] = []
    size = 0
    for path in paths:
        for arrival in _members(path, folder, from_inbox=from_inbox):
            group.append(arrival)
            size += arrival.size
            if len(group) >= _FILES or size >= _BYTES:
                yield group
                _clear(group)
                group, size = [], 0
    if group:
        yield group
        _clear(group)


def _clear(group: Iterable[Arrival]) -> None:
    for arrival in group:
        arrival.path.unlink(missing_ok=True)


def _members(path: Path, folder: Path, *, from_inbox: bool) -> Iterator[Arrival]:
    """The arrivals that a file is, the last one marked; none when another run was faster."""
    shown = printable(path.name if from_inbox else str(path))
    seen = inbox.identity(path)
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return
    except PermissionError:
        refusal = "the file may not be read. Change its permissions."
        yield Arrival(path, seen, folder / "none", "", printable(path.name), {"file": shown}, refusal)
        return
    with source:
        copy, digest = inbox.copy(source, folder)
    ignored, before = 0, None
    for member in unpack.members(copy, printable(path.name), folder, digest):
        if member.ignored:
            ignored += 1
            continue
        if before is not None:
            yield before
        inner = member.name.removeprefix(f"{printable(path.name)}/")
        entry = {"file": shown if inner == member.name else f"{shown}/{inner}"}
        known = member.digest or (digest if inner == member.name else "")  # of the packed file, if it is no archive
        before = Arrival(path, seen, member.path, known, member.name, entry, member.refusal, last=False)
    if before is None:
        refusal = f"the archive holds nothing to read: {ignored} files in it are no tables"
        before = Arrival(path, seen, copy, digest, printable(path.name), {"file": shown}, refusal)
    before.last = True
    before.entry |= {"ignored": ignored} if ignored else {}
    if before.path != copy:
        copy.unlink()
    yield before


def printable(name: str) -> str:
    """A file name as it may be stored and shown: no control characters, and no bytes that are no UTF-8."""
    return unpack.visible(name.encode("utf-8", "replace").decode("utf-8"))
