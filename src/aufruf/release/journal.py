"""The file of an outbox: records of one run, locked by whoever writes or delivers them.

Its name is RUN.TOKEN.SERVER.HOST.ndjson. SERVER says for which tracking server it is: another one does not know the
run, and would refuse everything. HOST is the machine that writes it: others leave it alone until it is a day old,
because locks on a disk that they share may not reach them - but for whoever goes on with the run: its writer is gone.
"""

import fcntl
import hashlib
import json
import logging
import os
import secrets
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aufruf import hosts
from aufruf.settings import Settings, without_login

log = logging.getLogger(__name__)
GIVEN_UP = ".given-up"  # ends the name of a file that nobody tries to deliver any more
Record = dict[str, Any]  # one of: metrics, params and tags; inputs; a file; the end


def server(settings: Settings) -> str:
    """What stands for the tracking server in names of files: the embedded registry is one, with and without its server.

    The login in an address makes no other server.
    """
    told = without_login(settings.tracking_uri)
    return hashlib.sha256(b"embedded" if settings.embedded_registry else told.encode()).hexdigest()[:10]


def fresh(folder: Path, run_id: str, server: str) -> "Journal":
    """The journal of a run that was opened now."""
    return Journal(folder / f"{run_id}.{secrets.token_hex(4)}.{server}.{hosts.here()}.ndjson")


class Journal:
    """The file of an outbox, and the folder of artifacts beside it. A disk that refuses is told once."""

    def __init__(self, path: Path) -> None:
        self.path, self.files = path, path.with_suffix(".files")
        self.run_id, *rest = path.name.split(".")
        self.server = rest[1] if len(rest) > 2 else None  # None: written when names did not say it
        self.host = rest[2] if len(rest) > 3 else hosts.here()
        self._file: int | None = None
        self._ill = False

    def begin(self) -> None:
        """Let the file be there before anything is in ``files``, which nobody would ask after without it."""
        with suppress(OSError):  # ``write`` tells of it
            self._file = self._open() if self._file is None else self._file

    def write(self, record: Record) -> None:
        line = json.dumps(record).encode() + b"\n"
        try:
            self._file = file = self._open() if self._file is None else self._file
            size = os.fstat(file).st_size
            if os.write(file, line) < len(line):
                os.ftruncate(file, size)
                raise OSError("the disk is full")
        except OSError as failure:
            if not self._ill:
                log.warning("what run %s logs is not kept on disk: %s", self.run_id, failure)
            self._ill = True

    def _open(self) -> int:
        """Locked before it has its name, so that nobody takes it for one that was left."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".new")
        file = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX)
        draft.rename(self.path)
        return file

    def take_over(self, *, anywhere: bool = False) -> bool:
        """Lock a file that was left; False when its writer lives or may live, or another reader has it or had it.

        ``anywhere``: it is known that no writer lives, on whatever machine.
        """
        if not anywhere and hosts.beyond(self.host, self.path):
            return False
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except OSError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            return False
        if os.fstat(file).st_nlink == 0:
            os.close(file)
            return False
        self._file = file
        return True

    def read(self) -> list[Record]:
        """Every whole record; a line that was cut off when its writer was killed is none."""
        found = []
        for line in self.path.read_bytes().splitlines():
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found

    def leave(self, records: Sequence[Record]) -> None:
        """Let these alone be left of a file that was taken over: what was delivered is not told again, days later."""
        draft = self.path.with_suffix(".new")
        try:
            written = self.path.stat()
            draft.write_bytes(b"".join(json.dumps(record).encode() + b"\n" for record in records))
            os.utime(draft, ns=(written.st_atime_ns, written.st_mtime_ns))  # it is as old as it was
            draft.rename(self.path)
        except OSError as failure:
            draft.unlink(missing_ok=True)
            log.warning("%s could not be shortened: %s", self.path.name, failure)

    def refuse(self, record: Record, reason: str) -> None:
        """Put aside what MLflow does not take."""
        aside = self.path.with_suffix(".refused")
        log.error("MLflow refused a record of run %s: %s. It is kept in %s", self.run_id, reason, aside.name)
        try:
            with aside.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"refused": reason, **record}) + "\n")
        except OSError as failure:
            log.warning("%s could not be written: %s", aside.name, failure)

    def clear(self) -> None:
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def close(self, *, empty: bool) -> None:
        """Unlock the file; remove it when it is empty, and files that no record names unless some were refused."""
        if empty and not self.path.with_suffix(".refused").exists():
            shutil.rmtree(self.files, ignore_errors=True)
        if self._file is None:  # a disk refused it
            return
        if empty:
            self.path.unlink(missing_ok=True)
        os.close(self._file)
        self._file = None


def sweep(folder: Path) -> None:
    """Remove what writers that were killed have left beside no file: after a day, when nobody is at work on it."""
    for path in [*folder.glob("*.files"), *folder.glob("*.new")]:
        told = any(path.with_suffix(kind).exists() for kind in (".ndjson", ".refused", GIVEN_UP))
        if not told and hosts.deserted(path):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
