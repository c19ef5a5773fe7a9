"""Where studies live: a file each on one machine, PostgreSQL in a cluster."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna

from aufruf.errors import AufrufError
from aufruf.model.leases import Leases, Release, among

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Studies:
    """The studies of an installation: files under ``folder``, or tables behind the PostgreSQL ``url``."""

    folder: Path
    url: str | None = None

    def open(self, name: str) -> optuna.Study:
        """The study of this name, made when there is none yet."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with self.alone(name):
            return optuna.create_study(
                storage=self._storage(name), study_name=name, direction="maximize", load_if_exists=True
            )

    def find(self, name: str) -> optuna.Study | None:
        """The study of this name; None, and nothing is made, when there is none."""
        if self.url is None and not self._file(name).exists():
            return None
        try:
            return optuna.load_study(study_name=name, storage=self._storage(name))
        except KeyError:
            return None

    def earlier(self, name: str) -> Iterator[optuna.Study]:
        """The studies whose names differ from ``name`` only behind the last dash, the youngest first.

        One that cannot be read is told and passed over.
        """
        search = name.rpartition("-")[0]
        for other in self._youngest_first():
            if other == name or other.rpartition("-")[0] != search:
                continue
            try:
                study = self.find(other)
            except AufrufError as error:
                log.warning("%s", error)
                continue
            if study:
                yield study

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """Two processes never count a study's trials, or ask it for one, at the same time."""
        release = self.leases.take(name, wait=True)
        try:
            yield
        finally:
            if release:
                release()

    @cached_property
    def leases(self) -> Leases:
        return among(self.folder, self.url)

    def _youngest_first(self) -> list[str]:
        if self.url:
            return [study.study_name for study in reversed(self._database.get_all_studies())]
        files = sorted(self.folder.glob("*.log"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
        return [file.stem for file in files]

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _storage(self, name: str) -> Any:
        if self.url:
            return self._database
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.folder.mkdir(parents=True, exist_ok=True)
        file = self._file(name)
        lock: Any = _JournalLock(self.leases, file)
        lock.acquire()  # mends it
        lock.release()
        try:
            return JournalStorage(JournalFileBackend(str(file), lock_obj=lock))
        except ValueError as error:
            raise AufrufError(
                f"the study cannot be read: {error}",
                where=str(file),
                next="Move the file away, or take it from a backup: without it a sweep begins anew.",
            ) from error

    @cached_property
    def _database(self) -> Any:
        with self.alone("tables"):  # two processes that make the tables at once would fail
            return optuna.storages.RDBStorage(self.url, engine_kwargs={"pool_pre_ping": True})


class _JournalLock:
    """The lock of Optuna's journal as a lease: its own has to grow old before a killed writer's is broken.

    Who holds it finds a file of whole lines: on a full disk another writer may have left half of one.
    """

    def __init__(self, leases: Leases, file: Path) -> None:
        self.leases, self.file = leases, file
        self.held: Release | None = None

    def acquire(self) -> bool:
        self.held = self.leases.take(self.file.name, wait=True)
        try:
            _mend(self.file)
        except BaseException:
            self.release()
            raise
        return True

    def release(self) -> None:
        if self.held:
            self.held()


def _mend(path: Path) -> None:
    """Cut off a last line that was not written to its end: with it the file could not be read any more.

    No reader has got behind it: Optuna's looks at whole lines only.
    """
    if not path.exists():
        return
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        if file.read(1) not in (b"", b"\n"):
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)
