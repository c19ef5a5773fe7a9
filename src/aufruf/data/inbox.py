"""Files on their way in: those that wait, the read-only copy that is kept, and where the refused ones go."""

import fcntl
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from aufruf import hosts

_SETTLED = 2.0  # seconds without a change after which a file counts as complete
_UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", "~")  # how copiers and browsers name a file on its way
_LONGEST = 200  # bytes of the name of a file that is set aside
_LOCK = "lock"  # held by the process that works in the folder
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_CHUNK = 1 << 20


def waiting(folders: list[Path], *, settled: bool = True) -> list[Path]:
    """The files that lie in these folders, in the order of their names; links and unfinished ones are passed over.

    ``settled``: only those that nobody has changed for two seconds.
    """
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return [path for path in found if _counts(path) and (_quiet(path) or not settled)]


def no_files(folders: list[Path]) -> list[Path]:
    """What lies in these folders and is never taken in: folders, links and the like, in the order of their names."""
    found = [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]
    return [path for path in found if _meant(path) and (path.is_symlink() or (path.exists() and not path.is_file()))]


def _counts(path: Path) -> bool:
    return _meant(path) and not path.is_symlink() and path.is_file()


def _meant(path: Path) -> bool:
    return not path.name.startswith(".") and not path.name.lower().endswith(_UNFINISHED)


def _quiet(path: Path) -> bool:
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:  # another run was faster
        return False
    return not 0 <= age < _SETTLED  # a time ahead of ours comes from another clock


@contextmanager
def workbench(raw: Path) -> Iterator[Path]:
    """A private folder beside the originals, gone afterwards; what a process that died left is cleared first."""
    raw.mkdir(parents=True, exist_ok=True)
    _sweep(raw)
    made = Path(tempfile.mkdtemp(dir=raw, prefix=f".{hosts.here()}-", suffix=".new"))
    with (made / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = made.rename(made.with_suffix(".part"))  # locked before anybody can find it
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def copy(source: IO[bytes], folder: Path) -> tuple[Path, str]:
    """Copy an open file into ``folder``, so that what is read is what is kept; returns the copy and its SHA-256."""
    handle, passing = tempfile.mkstemp(dir=folder)
    digest = hashlib.sha256()
    with os.fdopen(handle, "wb") as target:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
    return Path(passing), digest.hexdigest()


def keep(path: Path, digest: str, name: str, raw: Path) -> Path:
    """Keep a file of the workbench at ``raw/<sha256>.<ext>`` for ever, read-only; once per content.

    The file itself stays readable where it is.
    """
    known = next(raw.glob(f"{digest}.*"), None)
    if known is not None:
        return known
    suffix = Path(name).suffix.lower()
    place = raw / f"{digest}{suffix if _SUFFIX.fullmatch(suffix) else '.bin'}"
    with path.open("rb") as file:
        os.fsync(file.fileno())
    path.chmod(0o444)
    with suppress(FileExistsError):  # another run keeps the same bytes
        os.link(path, place)
    _sync_folder(raw)
    return place


def identity(path: Path) -> tuple[int, int, int] | None:
    """What tells this file from another one put in its place; None when there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def refuse(source: Path, folder: Path, reason: str) -> Path:
    """Move a refused file to ``folder``, with its reason in a text file beside it; returns where it lies."""
    folder.mkdir(parents=True, exist_ok=True)
    place = _free(folder, source.name)
    (folder / f"{place.name}.reason.txt").write_text(f"{reason}\n", encoding="utf-8", errors="replace")
    shutil.move(source, place)  # the inbox may be a mount of its own
    return place


def _free(folder: Path, name: str) -> Path:
    """A name in ``folder`` that is not taken yet: ``votes.json``, ``votes-2.json``, ..."""
    stem, suffix = Path(name).stem, Path(name).suffix
    if len(os.fsencode(name)) > _LONGEST:  # room for a number and for .reason.txt
        suffix = suffix if len(os.fsencode(suffix)) <= 20 else ""
        stem = os.fsencode(stem)[: _LONGEST - 20].decode("utf-8", "ignore") or "unnamed"
        name = f"{stem}{suffix}"
    number, place = 1, folder / name
    while place.exists():
        number += 1
        place = folder / f"{stem}-{number}{suffix}"
    return place


def _sweep(raw: Path) -> None:
    """Remove the workbenches of processes that died: nobody holds their lock. Those of other machines, whose locks may
    not be seen here, after a day."""
    for orphan in raw.glob(".*.part"):
        if hosts.beyond(orphan.name[1:].partition("-")[0], orphan):
            continue
        try:
            # to read is enough for a lock, and an archive of before may have brought a file that is read-only
            with os.fdopen(os.open(orphan / _LOCK, os.O_RDONLY | os.O_CREAT, 0o600)) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(orphan, ignore_errors=True)
        except (FileNotFoundError, BlockingIOError):  # being made, being removed, or in use
            continue


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
