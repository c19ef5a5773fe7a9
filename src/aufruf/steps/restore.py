"""The step ``restore``: an installation as an archive of ``backup`` holds it, where it was or elsewhere."""

import hashlib
import os
import secrets
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from aufruf.errors import DataRefused, UsageError
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.stack.processes import marked
from aufruf.steps.backup import DATABASES, MANIFEST, alone
from aufruf.steps.lake_copy import LOG, whole
from aufruf.store import Store

_CLASHES = (FileExistsError, FileNotFoundError, IsADirectoryError, NotADirectoryError)  # names that cannot be together


class _Entry(BaseModel):
    bytes: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _About(BaseModel):
    """Of a manifest what is relied on. Its files are those of the archive, so no name of it is ever made a path."""

    model_config = ConfigDict(strict=True)

    made_at: str
    home: Annotated[str, Field(pattern="^/.")]  # absolute
    outside: list[str]
    files: dict[str, _Entry]


def restore(settings: Settings, archive: Path) -> dict[str, Any]:
    """Put everything into the home, which must be empty, and say what there is and what has to come from elsewhere.

    All of it is unpacked beside the home and verified - each file by its digest, each table by the files that its log
    names - and takes its place at once: there is no half restored home.
    Raises UsageError where the home holds something, has a stack that runs or is a disk of its own, and where there is
    no archive; DataRefused where the archive is not whole. Whatever fails, the home is as it was.
    """
    archive = archive.expanduser().resolve()
    home = settings.home
    if home.exists() and any(home.iterdir()):
        raise UsageError("the home is not empty", where=str(home), next="Name another --home, or move it away.")
    if marked(home):
        raise UsageError("a stack of this home is running", where=str(home), next="End it first: aufruf down.")
    if home.is_mount():
        raise UsageError(
            "the home is a disk of its own, which nothing can take the place of",
            where=str(home),
            next="Name a folder on it: --home DIR.",
        )
    if not archive.is_file():
        raise UsageError("there is no such archive", where=str(archive), next="Name a file that `aufruf backup` wrote.")
    home.parent.mkdir(parents=True, exist_ok=True)
    with alone(home, "another restore fills this home"):
        return _restored(settings, archive)


def _restored(settings: Settings, archive: Path) -> dict[str, Any]:
    home = settings.home
    beside = home.with_name(f".{home.name}.restoring")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        beside.mkdir(mode=0o700)
        about = _unpack(archive, beside)
        _open_tables(archive, beside, about)
        for database in DATABASES:
            if (beside / database).is_file():
                _move(archive, beside / database, about.home, str(home))
        for path in (beside / settings.raw.relative_to(home)).rglob("*"):
            if path.is_file():
                path.chmod(0o444)  # an original is read-only
        beside.rename(home)  # at once, also where an empty folder is in its place
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    store = Store(settings.lake)
    tables = {name: store.version(name) for name in TABLES}
    return {
        "home": str(home),
        "made_at": about.made_at,
        "files": len(about.files),
        "tables": {name: version for name, version in tables.items() if version is not None},
        "outside": about.outside,
    }


def _unpack(archive: Path, folder: Path) -> _About:
    """Unpack and verify: exactly the files of the manifest, with their lengths and digests."""
    try:
        with tarfile.open(archive, mode="r:") as tar:
            _put(tar, folder)
        about = _About.model_validate_json((folder / MANIFEST).read_bytes())
    except (tarfile.TarError, *_CLASHES, ValueError) as error:
        raise _refused(archive, f"it is not a whole archive of `aufruf backup` ({type(error).__name__})") from error
    (folder / MANIFEST).unlink()
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    if odd := sorted(found.keys() ^ about.files.keys()):
        raise _refused(archive, f"{len(odd)} files are missing or too many, {odd[0]} among them")
    for name, path in found.items():
        if _digest(path) != about.files[name].sha256:
            raise _refused(archive, f"{name} has been changed")
    return about


def _open_tables(archive: Path, folder: Path, about: _About) -> None:
    """Raise DataRefused unless the files of each table are in the archive, wherever the old home had its lake."""
    logs = [path for path in folder.rglob(LOG) if path.parent.name in TABLES]
    for lake in sorted({path.parent.parent for path in logs}):
        try:
            whole(Store(str(lake)), lake.relative_to(folder).as_posix(), about.files)
        except DataRefused as torn:
            raise _refused(archive, torn.what) from torn


def _put(tar: tarfile.TarFile, folder: Path) -> None:
    """Write files and folders inside of ``folder``, as old as they were. Raises TarError for anything else, links too.

    By hand: the filters of ``tarfile`` came with Python 3.11.4, and Debian 12 has 3.11.2.
    """
    folders = []
    for member in tar:
        path, source = folder / member.name, tar.extractfile(member) if member.isreg() else None
        inside = ".." not in path.parts and path.is_relative_to(folder)  # an absolute name would take its place
        if not inside or (source is None and not member.isdir()):
            raise tarfile.ExtractError(f"{member.name!r} is no file or folder of a home")
        if source is None:
            path.mkdir(parents=True, exist_ok=True)
            folders.append((path, member.mtime))
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        with source, path.open("xb") as file:
            shutil.copyfileobj(source, file)
        path.chmod(0o600)
        os.utime(path, (member.mtime, member.mtime))
    for path, time in reversed(folders):
        os.utime(path, (time, time))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refused(archive: Path, what: str) -> DataRefused:
    return DataRefused(what, where=str(archive), next="Nothing was restored; take another archive.")


def _move(archive: Path, database: Path, old: str, new: str) -> None:
    try:
        move(database, old, new)
    except sqlite3.DatabaseError as error:
        raise _refused(archive, f"{database.name} is no database that can be read") from error


def move(database: Path, old: str, new: str) -> None:
    """MLflow writes absolute paths and addresses: let those below the old home point below the new one.

    Either home may lie in the other, and what has been moved must not be moved once more: so marks that stand nowhere
    take the old one's place first, and the new one takes theirs.
    """
    if old == new:
        return
    ways = {Path(old).as_uri(): Path(new).as_uri(), old: new}  # addresses first: mostly the path stands in them
    marks = {was: secrets.token_hex(16) for was in ways}
    steps = [(f"{was}/", mark) for was, mark in marks.items()] + [(marks[was], f"{ways[was]}/") for was in ways]
    with closing(sqlite3.connect(database)) as db, db:
        columns = db.execute(
            "select m.name, p.name from sqlite_master m, pragma_table_info(m.name) p where m.type = 'table'"
        ).fetchall()
        for was, will in steps:
            for table, column in columns:
                change = f'update "{table}" set "{column}" = replace("{column}", ?, ?) where instr("{column}", ?) > 0'  # noqa: S608
                db.execute(change, (was, will, was))
