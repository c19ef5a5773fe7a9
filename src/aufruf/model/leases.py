"""Who is at work on what: locks that the kernel or the database gives back by itself when their holder dies.

So nobody has to guess from clocks or process numbers whether a worker is still alive.
"""

import fcntl
import hashlib
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from aufruf.errors import AufrufError, LeaseLost, UsageError

log = logging.getLogger(__name__)
_HOURS = 12.0  # no training lasts so long: its holder is frozen
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0  # seconds between two looks
_TOLD = 600.0  # seconds between two lines in the log
_SESSION = "SELECT pg_backend_pid()"  # one that was opened anew does not have the locks of the one before
# a machine that was switched off is noticed after a minute, not after the two hours that TCP waits by itself
_KEEPALIVE = ("tcp_keepalives_idle = 30", "tcp_keepalives_interval = 10", "tcp_keepalives_count = 3")

_HELD = """
SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database AND datname = current_database()
WHERE locktype = 'advisory' AND objsubid = 1 AND (CAST(classid AS bigint) << 32 | CAST(objid AS bigint)) = :number
"""


@dataclass(frozen=True)
class Release:
    """Gives a lease back when it is called. ``lives()``: whether it is still held; a database may drop it."""

    give_back: Callable[[], None]
    lives: Callable[[], bool] = lambda: True

    def __call__(self) -> None:
        self.give_back()


class Leases(Protocol):
    """Holds ``key`` until what is returned is called or the process dies; None when another holds it."""

    def take(self, key: str, *, wait: bool = False) -> Release | None: ...

    def busy(self, key: str) -> bool:
        """Whether another holds ``key``; a file's lease is refused to who takes it in that moment."""
        ...

    def holder(self, key: str) -> str:
        """Who holds ``key``, for people; empty where nobody does or that is not known."""
        ...


class Held:
    """A lease that is held for long."""

    def __init__(self, leases: Leases, key: str, release: Release) -> None:
        self.leases, self.key, self.release = leases, key, release

    def keep(self, *, certain: bool = False) -> None:
        """Take it anew if the database has dropped it. Raises LeaseLost where another has it by now.

        While this process does not reach the database another may, and may have taken it. That is asked again the next
        time; where it must be ``certain``, LeaseLost is raised then, too.
        """
        if self.release.lives():
            return
        self.release()
        try:
            found = self.leases.take(self.key)
        except AufrufError as error:
            if certain:
                raise LeaseLost(
                    f"whether {self.key} is still held cannot be asked: {error.what}",
                    where=error.where,
                    next="Run the command again once the database can be reached: it goes on from what is there.",
                ) from error
            log.warning("whether %s is still held cannot be asked: %s", self.key, error)
            return
        if found is None:
            raise LeaseLost(
                f"the database has dropped {self.key}, and it is held by another by now",
                next="Run the command again: it waits for the other one, and takes what that has made.",
            )
        self.release = found


@contextmanager
def held(leases: Leases, key: str, waiting: str, hours: float = _HOURS) -> Iterator[Held]:
    """Holds ``key`` meanwhile; where another holds it, logs ``waiting`` and waits for its end.

    Raises AufrufError after so many ``hours``: what a frozen process holds is not given back.
    """
    mine = Held(leases, key, leases.take(key) or _waited(leases, key, waiting, hours * 3600))
    try:
        yield mine
    finally:
        mine.release()


def still(leases: Leases, key: str, release: Release) -> Release | None:
    """``release`` while it lives, else ``key`` taken anew; None where another has it by now, or nobody can say."""
    if release.lives():
        return release
    release()
    try:
        return leases.take(key)
    except AufrufError:
        return None


def _waited(leases: Leases, key: str, waiting: str, seconds: float) -> Release:
    begun, told, pause = time.monotonic(), -_TOLD, _FIRST_PAUSE
    while (release := leases.take(key)) is None:
        gone = time.monotonic() - begun
        by = f" by {holder}" if (holder := leases.holder(key)) else ""
        if gone > seconds:
            raise AufrufError(
                f"{key} has been held{by} for more than {seconds / 3600:g} hours",
                next="End that process if it does nothing any more, and run the command again.",
            )
        if gone - told >= _TOLD:
            log.warning("%s (held%s)", waiting, by)
            told = gone
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return release


def among(folder: Path, url: str | None) -> "Leases":
    """The leases of an installation: beside its studies, or in their database."""
    return DatabaseLeases(url) if url else FileLeases(folder / ".leases")


@dataclass(frozen=True)
class FileLeases:
    """Leases among the processes of one machine: one locked file each, gone when it is given back."""

    folder: Path

    def take(self, key: str, *, wait: bool = False) -> Release | None:
        path = self.folder / key
        self.folder.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                os.close(descriptor)
                return None
            if _lies_at(path, descriptor):
                break
            os.close(descriptor)  # its last holder has removed this file meanwhile: another one counts
        with suppress(OSError):  # only a note: a full disk has no room for it, and the lock needs none
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)

        def release() -> None:
            try:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

        return Release(release)

    def busy(self, key: str) -> bool:
        try:
            descriptor = os.open(self.folder / key, os.O_RDONLY)  # not there: nobody holds it
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holder(self, key: str) -> str:
        try:
            return (self.folder / key).read_text("utf-8", "replace")
        except FileNotFoundError:
            return ""


@dataclass(frozen=True)
class DatabaseLeases:
    """Leases among machines: PostgreSQL's advisory locks, each with a connection of its own.

    A pooler between here and the database must pool by session, not by transaction.
    """

    url: str

    def take(self, key: str, *, wait: bool = False) -> Release | None:
        function = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
        with self._asked(), ExitStack() as kept:
            connection = kept.enter_context(self._connect())
            for setting in _KEEPALIVE:
                connection.execute(text(f"SET {setting}"))
            if connection.execute(text(f"SELECT {function}({_number(key)})")).scalar() is False:
                return None
            session = connection.execute(text(_SESSION)).scalar()
            kept.pop_all()

        def lives() -> bool:
            try:
                return bool(connection.execute(text(_SESSION)).scalar() == session)
            except SQLAlchemyError:
                return False

        return Release(connection.close, lives)

    def busy(self, key: str) -> bool:
        with self._asked(), self._connect() as connection:
            return bool(connection.execute(text(_HELD), {"number": _number(key)}).scalar())

    def holder(self, key: str) -> str:
        return ""

    def _connect(self) -> Connection:
        return create_engine(self.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """What the database refuses, or does not answer, as a failure that says where it is."""
        try:
            yield
        except ModuleNotFoundError:
            raise UsageError(
                "there is no driver for PostgreSQL", where="AUFRUF_STUDIES", next="Install aufruf[postgres]."
            ) from None
        except DBAPIError as error:
            why = str(error.orig).splitlines() or [type(error.orig).__name__]
            raise AufrufError(
                f"the studies cannot be reached: {why[0]}",
                where=make_url(self.url).render_as_string(hide_password=True),
                next="Start PostgreSQL, or mend AUFRUF_STUDIES.",
            ) from None


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(f"aufruf {key}".encode()).digest()[:8], "big", signed=True)


def _lies_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
