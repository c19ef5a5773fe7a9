"""Files on their way in: those that wait, the read-only copy that is kept, and where the refused ones go."""

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SETTLED = 2.0  # seconds without a change after which a file counts as complete
_UNFINISHED = (".part", ".tmp", ".crdownload")
_ORPHAN = 3600.0  # seconds after which a copy in progress belongs to a process that died
_SUFFIX = re.compile(r"\.[a-z0-9]{1,8}")
_CHUNK = 1 << 20


def waiting(folders: list[Path]) -> list[Path]:
    """The complete files that lie in these folders, in the order of their names; links are not followed."""
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir()) if _complete(path)]


def _complete(path: Path) -> bool:
    if path.name.startswith(".") or path.suffix.lower() in _UNFINISHED:
        return False
    if path.is_symlink() or not path.is_file():
        return False
    age = time.time() - path.stat().st_mtime
    return not 0 <= age < _SETTLED  # a time ahead of ours comes from another clock


class Copy:
    """A private copy of a file, with the digest of its bytes; kept only when ``keep`` is called."""

    def __init__(self, path: Path, digest: str, suffix: str, raw: Path) -> None:
        self.path, self.digest = path, digest
        self._place = raw / f"{digest}{suffix}"

    def keep(self) -> Path:
        """Put the copy at ``raw/<sha256>.<ext>`` for ever, read-only; once per content."""
        known = next(self._place.parent.glob(f"{self.digest}.*"), None)
        if known is not None:
            return known
        self.path.chmod(0o444)
        self.path.rename(self._place)
        _sync_folder(self._place.parent)
        return self._place


@contextmanager
def copied(source: IO[bytes], name: str, raw: Path) -> Iterator[Copy]:
    """Copy an open file into ``raw`` under a passing name, so that what is read is what is kept."""
    raw.mkdir(parents=True, exist_ok=True)
    _sweep(raw)
    handle, passing = tempfile.mkstemp(dir=raw, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as target:
            digest = _copy(source, target)
        suffix = Path(name).suffix.lower()
        yield Copy(Path(passing), digest, suffix if _SUFFIX.fullmatch(suffix) else ".bin", raw)
    finally:
        Path(passing).unlink(missing_ok=True)


def _copy(source: IO[bytes], target: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        target.write(chunk)
    target.flush()
    os.fsync(target.fileno())
    return digest.hexdigest()


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
    number, place = 1, folder / name
    while place.exists():
        number += 1
        place = folder / f"{stem}-{number}{suffix}"
    return place


def _sweep(raw: Path) -> None:
    for orphan in raw.glob(".*.part"):
        try:
            if time.time() - orphan.stat().st_mtime > _ORPHAN:
                orphan.unlink()
        except FileNotFoundError:  # its owner was faster
            continue


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power failure."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
