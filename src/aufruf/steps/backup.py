"""The step ``backup``: everything that an installation cannot make again, in one archive, while it goes on working."""

import hashlib
import io
import json
import logging
import os
import re
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import aufruf
from aufruf.errors import AufrufError, DataRefused, UsageError
from aufruf.model.leases import FileLeases
from aufruf.settings import Settings
from aufruf.steps import lake_copy
from aufruf.steps.lake_copy import LOG, REGISTRY

log = logging.getLogger(__name__)
MANIFEST = "manifest.json"
DATABASES = (REGISTRY, "airflow/airflow.db")
# What is made again: copies of models, checkpoints, logs, and what says which processes run now.
_LEFT_OUT = {"bundles", "runs", "logs", "stack.json", "stack.lock", "airflow/logs", "airflow/airflow.cfg"}
_ATTEMPTS = 5  # at a whole copy of the tables
_LATER = {f"{name}-{kind}" for name in DATABASES for kind in ("wal", "shm", "journal")}  # its copy holds what they hold
_BENCH = re.compile(r"raw/\.[^/]+\.(new|part)")  # of a process that takes files in: see ``inbox.workbench``


def backup(settings: Settings, archive: Path) -> dict[str, Any]:
    """Write ``archive``, a tar file that only its owner may read, and say what is in it, and what is not.

    The inbox comes first, then tables and MLflow's database (``lake_copy``), then Airflow's, each as of one moment,
    then the other files: what one of them names, or has taken, is in what is read after it. Raises UsageError where
    the archive exists, lies under the home or in no folder, AufrufError where the tables never stay as they are for
    long enough.
    """
    archive = archive.expanduser().resolve()
    if archive.exists():
        raise UsageError("there is a file already", where=str(archive), next="Choose another name.")
    if archive.is_relative_to(settings.home):
        raise UsageError("an archive does not lie in what it holds", where=str(archive), next="Write it elsewhere.")
    if not archive.parent.is_dir():
        raise UsageError("there is no such folder", where=str(archive.parent), next="Make it first.")
    if not settings.home.is_dir():
        raise UsageError("there is nothing to keep", where=str(settings.home), next="Name another --home.")
    with alone(archive, "another backup writes this archive"):
        return _written(settings, archive)


@contextmanager
def alone(place: Path, told: str) -> Iterator[None]:
    """Nobody else makes this file or folder meanwhile. Raises UsageError where somebody does."""
    release = FileLeases(place.parent).take(f".{place.name}.lock")
    if release is None:
        raise UsageError(told, where=str(place), next="Wait for its end, or choose another name.")
    try:
        yield
    finally:
        release()


def _written(settings: Settings, archive: Path) -> dict[str, Any]:
    part = archive.with_name(f".{archive.name}.part")
    part.unlink(missing_ok=True)  # another's would keep its mode
    opened = os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "wb") as file:
            kept, tables = _begun(settings, file)
            for path in _rest(settings, kept.files):
                kept.add(path, path.relative_to(settings.home).as_posix())
            about = {
                "version": aufruf.__version__,
                "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "home": str(settings.home),
                "outside": _outside(settings),
                "tables": tables,
                "files": kept.files,
            }
            kept.write(MANIFEST, json.dumps(about, indent=1).encode())
            kept.tar.close()
            file.flush()
        part.replace(archive)
    finally:
        part.unlink(missing_ok=True)
    return {
        "archive": str(archive),
        "files": len(kept.files),
        "bytes": archive.stat().st_size,
        "outside": about["outside"],
        "tables": about["tables"],
    }


def _begun(settings: Settings, file: BinaryIO) -> tuple["_Kept", dict[str, int]]:
    """An archive with the inbox and the tables, and their versions; begun anew where they did not stay whole."""
    for attempt in range(1, _ATTEMPTS + 1):
        file.seek(0)
        file.truncate()
        kept = _Kept(tarfile.open(fileobj=file, mode="w"))  # noqa: SIM115 - goes on to be written, or is cut off
        for path in _walk(settings.home / "inbox", settings.home):
            kept.add(path, path.relative_to(settings.home).as_posix())
        try:
            with tempfile.TemporaryDirectory(prefix="aufruf-") as folder:
                return kept, lake_copy.copy(settings, kept, Path(folder))
        except DataRefused as torn:
            log.warning("%s", torn.sentence())
            why = torn.what
        time.sleep(attempt)
    raise AufrufError(
        f"no whole copy of the tables could be made in {_ATTEMPTS} attempts: {why}",
        where=settings.lake,
        next="There is no archive. Run it again when neither `aufruf forget` nor `aufruf prune` is at work.",
    )


def _outside(settings: Settings) -> list[str]:
    """What this installation keeps elsewhere, links of the home included, whose own means must keep it."""
    elsewhere = []
    if not Path(settings.lake).is_relative_to(settings.home):
        elsewhere.append(f"lake: {settings.lake}")
    if not settings.embedded_registry:
        kind = "SQLite file" if settings.registry_file else "MLflow server"
        elsewhere.append(f"models and runs: the {kind} that MLFLOW_TRACKING_URI names")
    if settings.studies_url:
        elsewhere.append("studies: the database that AUFRUF_STUDIES names")
    if settings.airflow.is_dir() and not (settings.airflow / "airflow.db").is_file():  # its logs alone are here
        elsewhere.append("Airflow: the database of its scheduler, which has runs, users' accounts and connections")
        elsewhere.append("secrets: docker/secrets, or where AUFRUF_SECRETS says, without which neither can be opened")
    return [*elsewhere, *_links(settings), f"classifier files: {settings.classifiers}"]


def _links(settings: Settings) -> Iterator[str]:
    """Folders and files of the home that are links, and where they lead: an archive has none, nor what lies there.

    But the inbox, which is read all the same, and the lake, of which more is said.
    """
    for path in _all(settings.home, settings.home):
        place = os.path.realpath(path)
        if path.is_symlink() and path != settings.home / "inbox" and place != settings.lake:
            yield f"{path.relative_to(settings.home)}: a link to {place}"


def _rest(settings: Settings, kept: Collection[str]) -> list[Path]:
    """What is not in the archive by now, databases first; of tables nothing more."""
    home = settings.home
    rest = [one for one in _walk(home, home) if one.relative_to(home).as_posix() not in kept]
    return sorted((one for one in rest if LOG not in one.parts), key=lambda path: (path.suffix != ".db", path))


def _walk(top: Path, home: Path) -> Iterator[Path]:
    return (path for path in _all(top, home) if path.is_file() and not path.is_symlink())


def _all(top: Path, home: Path) -> Iterator[Path]:
    """Folders, files and links below ``top`` of which a backup knows something; no link to a folder is followed."""
    for folder, folders, names in os.walk(top):
        here = Path(folder)
        folders[:] = [name for name in folders if not _left_out(here / name, home)]
        yield from (here / name for name in (*folders, *names) if not _left_out(here / name, home))


def _left_out(path: Path, home: Path) -> bool:
    name = path.relative_to(home).as_posix()
    return name in _LEFT_OUT | _LATER or _BENCH.fullmatch(name) is not None


class _Kept:
    """What an archive holds so far: name -> length and SHA-256 of each file."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar, self.files = tar, dict[str, dict[str, Any]]()

    def add(self, path: Path, name: str, place: Path | None = None) -> None:
        """A file as it is now; a database as of one moment; a file that has gone meanwhile is not missed.

        ``place``: where a copy stays.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = place or Path(folder) / "copy"
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                (_copy_database if name in DATABASES else shutil.copyfile)(path, copy)
                changed = path.stat().st_mtime
            except FileNotFoundError:
                return
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = copy.stat().st_size, 0o600, int(changed)
            with copy.open("rb") as file:
                self.files[name] = {"bytes": entry.size, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
                file.seek(0)
                self.tar.addfile(entry, file)

    def write(self, name: str, content: bytes) -> None:
        """A file that is only in the archive; it is not one of ``files``."""
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o600
        self.tar.addfile(entry, io.BytesIO(content))


def _copy_database(path: Path, place: Path) -> None:
    """A SQLite database as of one moment, whoever writes to it."""
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(place)) as copy:
        source.backup(copy)
