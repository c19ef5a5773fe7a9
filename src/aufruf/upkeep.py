"""What keeps tables small: old versions deleted, small files written into large ones. For the store alone."""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlparse

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

from aufruf.errors import DataRefused

# Who opens a table reads its newest checkpoint and each commit since: each tenth has one (by default each hundredth).
# A checkpoint forgets what is older: by Delta's defaults log entries of 30 days ago, and with them the versions that
# runs name, and after 7 days which files were removed, so that nobody would ever delete them.
KEPT = {
    "delta.checkpointInterval": "10",
    "delta.logRetentionDuration": "interval 3650 days",
    "delta.deletedFileRetentionDuration": "interval 3650 days",
}
LAYOUT = "aufruf.layout"  # property of a table: how its rows are to be understood
_LAYOUT = 1  # of tables that this program writes; a larger one when an older program would misread them
WHOLE = "aufruf.oldestWholeVersion"  # property of a table of which old files were deleted
_MARKED = "aufruf.marked"  # property that is another one after each ``mark``
_ORPHANED = 24  # hours after which a file that no version has named is of a writer that died
_SMALL, _LARGE = 32 << 20, 128 << 20  # bytes of a small file and of a large one
_MANY = 20  # small files
_OFTEN, _MODEST = 100, 8 << 20  # versions from one tidying to the next, which leaves files of so many bytes alone
_TAKEN = 1000  # versions before a purge whose numbers nobody gets again
_HALF = re.compile(r"#\d+$")
_ENTRY = re.compile(r"(\d{20})\.(.+)")
_EMPTY = '{"commitInfo":{"timestamp":NOW,"operation":"PURGE"}}\n'


def made() -> dict[str, str]:
    """The properties of a new table."""
    return {**KEPT, LAYOUT: str(_LAYOUT)}


def known(found: DeltaTable) -> DeltaTable:
    """The table. Raises DataRefused for one whose layout is newer than this program; those of before it have none."""
    if (layout := _layout(found)) > _LAYOUT:
        raise DataRefused(
            f"the table was written by a newer aufruf (layout {layout}; this one knows {_LAYOUT})",
            where=found.table_uri,
            next="Install that version again, or restore an archive of before it.",
        )
    return found


def raised(found: DeltaTable) -> DeltaTable:
    """The table before rows are written to it, of this program's layout at least. Raises CommitFailedError."""
    if _layout(found) >= _LAYOUT:
        return found
    found.alter.set_table_properties({LAYOUT: str(_LAYOUT)}, raise_if_not_exists=False)
    return DeltaTable(found.table_uri)


def raised_at(uri: str, version: int) -> DeltaTable:
    """Like ``raised``: the table at this version, or at the next with the same rows.

    Raises CommitFailedError when another writer came first.
    """
    found = raised(known(DeltaTable(uri, version=version)))
    if found.version() > version + 1:
        raise CommitFailedError("another writer came first")
    return found


def _layout(found: DeltaTable) -> int:
    return int(found.metadata().configuration.get(LAYOUT) or 0)


def purge(uri: str) -> None:
    """Make an end of all versions but the newest, and of log entries, which name values.

    The numbers of the last versions stay taken, by entries that hold nothing: a writer that has read one of them would
    else write the next, which nobody would ever read. The change of properties makes any other writer look again: what
    it had written down till then, and no version names, goes too.
    """
    found = DeltaTable(uri)
    strays, halves = _strays(found), _begun(found, 0, 0)
    found.alter.set_table_properties({**KEPT, WHOLE: str(found.version() + 1)}, raise_if_not_exists=False)
    found = DeltaTable(uri)
    disk = _disk(found)
    for name in strays & _strays(found):  # of those seen before the change nobody can name one any more
        with suppress(FileNotFoundError):
            disk.delete_file(name)
    for half in halves:
        half.unlink(missing_ok=True)
    found.create_checkpoint()
    empty = _EMPTY.replace("NOW", str(round(time.time() * 1000))).encode()
    bare = disk.handler._handler  # pyarrow's stream hands on buffers, and this one takes bytes only
    for file in disk.get_file_info(fs.FileSelector("_delta_log")):
        named = _ENTRY.match(file.base_name)
        if named is None or int(named[1]) >= found.version():
            continue
        if named[2] == "json" and int(named[1]) >= found.version() - _TAKEN:
            entry = bare.open_output_stream(file.path, {})
            entry.write(empty)
            entry.close()
        else:
            disk.delete_file(file.path)


def mark(uri: str) -> None:
    """A version with the same rows and other properties: whoever opened the table before it can write no more."""
    DeltaTable(uri).alter.set_table_properties({_MARKED: secrets.token_hex(8)}, raise_if_not_exists=False)


def spare(found: DeltaTable, hours: int) -> int:
    """Bytes of the files that no version of the last hours names, also of those that a killed writer left."""
    listed = sorted(_unnamed(found, hours))  # also those that went before
    sizes = [file.size or 0 for file in _disk(found).get_file_info(listed) if file.is_file]
    return sum(sizes) + sum(path.stat().st_size for path in _begun(found, hours))


def vacuum(uri: str, hours: int) -> None:
    """Delete these files, having written down which version is the oldest that stays whole."""
    target, cut = DeltaTable(uri), (time.time() - hours * 3600) * 1000
    whole = max((one["version"] for one in target.history() if one["timestamp"] < cut), default=0)
    target.alter.set_table_properties({**KEPT, WHOLE: str(whole)}, raise_if_not_exists=False)
    _unnamed(target, hours, dry_run=False)
    for path in _begun(target, hours):
        path.unlink(missing_ok=True)


def _unnamed(found: DeltaTable, hours: int, *, dry_run: bool = True) -> set[str]:
    """Files that went from the table so long ago, and those that never were in it: of a writer that died.

    One at work has not named its files yet: what no version has ever named is left alone for a day at least.
    """
    orphaned = max(hours, _ORPHANED)
    gone = found.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False) if hours < orphaned else []
    return {*gone, *found.vacuum(orphaned, dry_run=dry_run, enforce_retention_duration=False, full=True)}


def _strays(found: DeltaTable) -> set[str]:
    """All data files that this version does not name."""
    return set(found.vacuum(0, dry_run=True, enforce_retention_duration=False, full=True))


def past(found: DeltaTable, wanted: pa.Schema) -> Iterator[pa.Table]:
    """The rows of these files, one file at a time; one that goes meanwhile, or is none, is passed over."""
    for name in sorted(_strays(found)):
        try:
            with _disk(found).open_input_file(name) as file, pq.ParquetFile(file) as held:
                rows = held.read([one for one in wanted.names if one in held.schema_arrow.names])
        except (FileNotFoundError, pa.ArrowInvalid):
            continue
        yield pa.concat_tables([wanted.empty_table(), rows], promote_options="permissive")


def _begun(found: DeltaTable, hours: int, least: int = _ORPHANED) -> list[Path]:
    """What a killed writer left half written on a disk: ``NAME#1``, which Delta's own vacuum does not see.

    An object store shows no file that is half there.
    """
    place = urlparse(found.table_uri)
    if place.scheme != "file":
        return []
    before = time.time() - max(hours, least) * 3600
    halves = (path for path in Path(unquote(place.path)).rglob("*#*") if _HALF.search(path.name))
    return [path for path in halves if path.stat().st_mtime < before]


def small_files(found: DeltaTable) -> int:
    """How many small files there are; 0 while they are few."""
    sizes = pa.table(found.get_add_actions(flatten=True))["size_bytes"].to_pylist()
    small = sum(size < _SMALL for size in sizes)
    return small if small >= _MANY else 0


def compact(uri: str) -> None:
    """Write small files into large ones: a version of its own with the same rows. Raises CommitFailedError."""
    target = DeltaTable(uri)
    if not target.metadata().configuration.items() >= KEPT.items():  # made before tables were told what to keep
        target.alter.set_table_properties(KEPT)
    target.optimize.compact(target_size=_LARGE, max_concurrent_tasks=1)
    DeltaTable(uri).create_checkpoint()


def tidy(found: DeltaTable) -> None:
    """Put the smallest files of a table together with each hundredth version, so that reading it stays quick.

    For who has just written it: a version of its own with the same rows. Whatever is in the way - another writer, a
    full disk - the next time will do.
    """
    if found.version() % _OFTEN == 0 and found.metadata().configuration.items() >= KEPT.items():
        with suppress(DeltaError, OSError):
            found.optimize.compact(target_size=_MODEST, max_concurrent_tasks=1)


def _disk(found: DeltaTable) -> fs.PyFileSystem:
    """The folder of the table, wherever it is."""
    return fs.PyFileSystem(DeltaStorageHandler.from_table(found._table))
