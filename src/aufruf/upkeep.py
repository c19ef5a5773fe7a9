"""What keeps tables small: old versions deleted, small files written into large ones. For the store alone."""

import time

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs

# A checkpoint, each hundredth commit, forgets what is older: by Delta's defaults log entries of 30 days ago, and with
# them the versions that runs name, and after 7 days which files were removed, so that nobody would ever delete them.
KEPT = {"delta.logRetentionDuration": "interval 3650 days", "delta.deletedFileRetentionDuration": "interval 3650 days"}
WHOLE = "aufruf.oldestWholeVersion"  # property of a table of which old files were deleted
_ORPHANED = 24  # hours after which a file that no version names is of a writer that died
_SMALL, _LARGE = 32 << 20, 128 << 20  # bytes of a small file and of a large one
_MANY = 20  # small files


def purge(uri: str) -> None:
    """Make an end of all versions but the newest, and of log entries, which name values."""
    found = DeltaTable(uri)
    found.vacuum(0, dry_run=False, enforce_retention_duration=False)
    found.vacuum(_ORPHANED, dry_run=False, enforce_retention_duration=False, full=True)
    found.alter.set_table_properties(dict.fromkeys(KEPT, "interval 0 days"))
    found = DeltaTable(uri)
    found.create_checkpoint()
    found.cleanup_metadata()
    found.alter.set_table_properties(KEPT)


def spare(found: DeltaTable, hours: int) -> int:
    """Bytes of the files that no version of the last hours names."""
    named = found.vacuum(hours, dry_run=True, enforce_retention_duration=False)  # also those that went before
    disk = fs.PyFileSystem(DeltaStorageHandler.from_table(found._table))
    return sum(file.size or 0 for file in disk.get_file_info(named) if file.is_file)


def vacuum(uri: str, hours: int) -> None:
    """Delete these files, having written down which version is the oldest that stays whole."""
    target, cut = DeltaTable(uri), (time.time() - hours * 3600) * 1000
    whole = max((one["version"] for one in target.history() if one["timestamp"] < cut), default=0)
    target.alter.set_table_properties({**KEPT, WHOLE: str(whole)}, raise_if_not_exists=False)
    target.vacuum(hours, dry_run=False, enforce_retention_duration=False)


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
