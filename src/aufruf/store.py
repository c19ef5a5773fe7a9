"""The lake: versioned tables by name. The only code that touches the disk for data."""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from aufruf import delta, upkeep
from aufruf.arrow import as_arrow, as_frame, schema_of, selected
from aufruf.conditions import split_lists, where_clause
from aufruf.errors import AufrufError, DataRefused
from aufruf.schemas import TABLES

_ATTEMPTS = 12  # a merge that lost a race is tried again; twelve writers at once still all get through
Allowed = Callable[[Any], Any]
Result = TypeVar("Result")


class Store:
    """Delta Lake tables under one folder or URI. Opening it creates nothing."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    def version(self, table: str) -> int | None:
        """The Delta version of a table; None before its first row."""
        found = self._open(table)
        return None if found is None else found.version()

    def files(self, table: str, version: int | None = None) -> tuple[int, frozenset[str]] | None:
        """A version (default: the newest) and its data files, by their names in the table's folder; None where absent.

        Raises DataRefused where the log cannot be read.
        """
        try:
            found = self._open(table, version)
            names = [] if found is None else pa.table(found.get_add_actions(flatten=True))["path"].to_pylist()
        except (DeltaError, OSError) as error:
            raise DataRefused(f"the log of the table {table} cannot be read: {_why(error)}", where=self.uri) from error
        return None if found is None else (found.version(), frozenset(map(str, names)))

    def read(
        self,
        table: str,
        where: Mapping[str, Any] | None = None,
        columns: Sequence[str] | None = None,
        version: int | None = None,
    ) -> pd.DataFrame:
        """Rows of a table as a frame; ``where``: column -> text, or list of texts, it must equal.

        An absent table reads as no rows, with the right columns.
        """
        with self._reading(table):
            found = self._open(table, version)
        names = list(columns or schema_of(table).names)
        if found is None:
            return as_frame(selected(table, names).empty_table())
        short, long = split_lists(where)
        wanted = selected(table, dict.fromkeys([*names, *long]))
        lists = {column: pa.array(dict.fromkeys(values), pa.string()) for column, values in long.items()}
        batches = []
        with self._reading(table):
            for batch in delta.select(found, wanted, where_clause(short, long)):
                for column, values in lists.items():
                    batch = batch.filter(pc.is_in(batch[column], values))
                if batch.num_rows:
                    batches.append(batch.select(names))
        return as_frame(pa.Table.from_batches(batches, selected(table, names)))

    def past(self, table: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """What only old versions hold, or a stopped writer has left: frames of rows, some of which are known anew."""
        if found := self._open(table):
            with self._reading(table):
                yield from map(as_frame, upkeep.past(found, selected(table, columns)))

    def distinct(self, table: str, columns: Sequence[str]) -> pd.DataFrame:
        """The different combinations of these columns that occur, in no particular order."""
        wanted = selected(table, columns)
        with self._reading(table):
            found = self._open(table)
            batches = [] if found is None else list(delta.select(found, wanted, "", distinct=True))
        return as_frame(pa.Table.from_batches(batches, wanted))

    def count(self, table: str, where: Mapping[str, str] | None = None) -> int:
        """How many rows match."""
        query = f"select count(*) as n from {table} {where_clause(where or {})}"  # noqa: S608 - values are quoted
        return int(next(self.query(query, table))["n"][0].as_py())

    def query(self, sql: str, *tables: str) -> Iterator[pa.RecordBatch]:
        """The batches that a SELECT over these tables answers with, one at a time; an absent table has no rows.

        Values in ``sql`` are written with ``quoted``.
        """
        with ExitStack() as made:
            asked = QueryBuilder()
            for table in tables:
                with self._reading(table):
                    found = self._open(table)
                nowhere = "" if found else made.enter_context(tempfile.TemporaryDirectory(prefix="aufruf-"))
                asked.register(table, found or DeltaTable.create(nowhere, schema=schema_of(table)))
            with self._reading(*tables):
                yield from delta.answers(asked, sql)

    def add(self, table: str, rows: pd.DataFrame | Sequence[Any], allowed: Allowed | None = None) -> int:
        """Insert the rows whose key is not there yet, and say how many; known rows stay. ``allowed``: see ``put``."""

        def added() -> int:
            target = upkeep.raised(self._open(table) or self._create(table))
            arrow = as_arrow(table, allowed(rows) if allowed else rows)
            return delta.append(target, delta.unknown(target, table, arrow))

        return self._tried(table, added) if len(rows) else 0

    def add_at(self, table: str, rows: pd.DataFrame | Sequence[Any], version: int | None) -> int | None:
        """Like ``add``, but only while the table is at ``version`` (None: it does not exist yet).

        Returns the version that has the rows, or None, without writing any, when another writer came first.
        """
        seen = version or 0
        try:
            with self._writing(table):
                if version is None:
                    self._create(table)
                target = upkeep.raised_at(self._uri(table), seen)
                seen = target.version()
                if delta.append(target, delta.unknown(target, table, as_arrow(table, rows))):
                    return seen + 1
        except (CommitFailedError, AufrufError):
            if self.version(table) == seen:
                raise
            return None
        return seen if self.version(table) == seen else None

    def put(
        self, table: str, rows: pd.DataFrame | Sequence[Any], newer: str | None = None, allowed: Allowed | None = None
    ) -> int:
        """Insert new keys and overwrite known ones; with ``newer`` only where that column is not older.

        ``allowed``: says of the rows which to write. It is asked after the table was opened, and again once somebody
        has called ``mark``: what it answered before a mark is not written after it. Returns how many rows were written.
        """

        def written() -> int:
            target = upkeep.raised(self._open(table) or self._create(table))
            arrow = as_arrow(table, allowed(rows) if allowed else rows, newer)
            if delta.unknown(target, table, arrow).num_rows == arrow.num_rows:
                return delta.append(target, arrow)
            return delta.merge(target, arrow, table, newer, insert=True)

        return self._tried(table, written) if len(rows) else 0

    def change(self, table: str, rows: pd.DataFrame | Sequence[Any], newer: str | None = None) -> int:
        """Overwrite known keys like ``put``; a row that was deleted meanwhile does not come back."""
        arrow = as_arrow(table, rows, newer)

        def changed() -> int:
            target = self._open(table)
            return delta.merge(upkeep.raised(target), arrow, table, newer, insert=False) if target else 0

        return self._tried(table, changed) if arrow.num_rows else 0

    def mark(self, table: str) -> None:
        """A version with the same rows, which makes writers look again who have opened the table before it."""
        if self._open(table) is not None:
            self._tried(table, lambda: upkeep.mark(self._uri(table)))

    def delete(self, table: str, rows: pd.DataFrame) -> int:
        """Remove the rows that equal one of these in all of the frame's columns, but for old versions; how many."""
        wanted = selected(table, rows.columns)
        arrow = pa.Table.from_pandas(rows.drop_duplicates(), wanted, preserve_index=False)
        on = " and ".join(f"t.{name} = s.{name}" for name in wanted.names)
        if arrow.num_rows == 0 or self._open(table) is None:
            return 0

        def delete() -> int:
            target = DeltaTable(self._uri(table))
            merge = target.merge(arrow, on, source_alias="s", target_alias="t").when_matched_delete()
            return int(merge.execute()["num_target_rows_deleted"])

        return self._tried(table, delete)

    def purge(self, table: str) -> None:
        """Make an end of all versions of a table but the newest: what it held before can be read no more.

        Not only old data files go: log entries name the smallest and the largest value of each column. Whoever reads
        an old version meanwhile fails; a writer at work looks again.
        """
        if self._open(table) is not None:
            self._tried(table, lambda: upkeep.purge(self._uri(table)))

    def vacuum(self, table: str, days: float, *, dry_run: bool = False) -> int:
        """Delete the data files that no version of the last ``days`` names; their bytes. Older versions are gone then.

        The newest version stays whole, however old it is. ``dry_run``: only say how many bytes.
        """
        found, hours = self._open(table), round(days * 24)
        size = upkeep.spare(found, hours) if found else 0
        if size and not dry_run:
            self._tried(table, lambda: upkeep.vacuum(self._uri(table), hours))
        return size

    def compact(self, table: str, *, dry_run: bool = False) -> int:
        """Write the small files of a table into large ones, once they are many; how many. ``dry_run``: only say that.

        A version of its own with the same rows. The small files stay for the versions that name them, until ``vacuum``.
        """
        found = self._open(table)
        small = upkeep.small_files(found) if found else 0
        if small and not dry_run:
            self._tried(table, lambda: upkeep.compact(self._uri(table)))
        return small

    def _uri(self, table: str) -> str:
        if table not in TABLES:
            raise AufrufError(f"there is no table {table!r}", next=f"Tables: {', '.join(TABLES)}.")
        return f"{self.uri}/{table}"

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        try:
            found = upkeep.known(DeltaTable(self._uri(table)))
            if version is None:
                return found
            if version >= int(found.metadata().configuration.get(upkeep.WHOLE, 0)):
                return DeltaTable(self._uri(table), version=version)
        except TableNotFoundError:
            if version is None or self.version(table) is None:
                return None
        raise self._no_longer(table, version)

    def _no_longer(self, table: str, version: int) -> DataRefused:
        return DataRefused(
            f"version {version} of the table {table} is kept no longer",
            where=self.uri,
            next="`aufruf forget` and `aufruf prune` make an end of old versions; what they were cannot be rebuilt.",
        )

    def _tried(self, table: str, write: Callable[[], Result]) -> Result:
        """What ``write`` returns, once it has won the race against other writers."""
        disturbed = False
        for attempt in range(_ATTEMPTS):
            try:
                with self._writing(table):
                    return write()
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))
            except AufrufError:  # a purge may have taken the files away that were being read
                if disturbed or attempt == _ATTEMPTS - 1:
                    raise
                disturbed = True
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def _reading(self, *tables: str) -> Iterator[None]:
        """A file that is damaged, gone or not ours to read, as a failure that names the tables."""
        try:
            yield
        except (DeltaError, OSError) as error:
            raise AufrufError(
                f"the lake cannot be read ({', '.join(tables)}): {_why(error)}",
                where=self.uri,
                next="Run the command again; if a file stays unreadable, `aufruf restore` an archive of before.",
            ) from error

    @contextmanager
    def _writing(self, table: str) -> Iterator[None]:
        """What the disk or the object store refuses, as a failure that names the table."""
        try:
            yield
        except CommitFailedError:
            raise
        except (DeltaError, OSError) as error:
            raise AufrufError(
                f"the table {table} could not be written: {_why(error)}",
                where=self.uri,
                next="Free space or make the folder writable, and run the command again; the table is as it was.",
            ) from error

    def _create(self, table: str) -> DeltaTable:
        try:
            uri, schema, about = self._uri(table), schema_of(table), upkeep.made()
            return DeltaTable.create(uri, schema, mode="ignore", configuration=about, raise_if_key_not_exists=False)
        except DeltaError:
            found = self._open(table)  # another writer created it in the meantime
            if found is None:
                raise
            return found


def _why(error: Exception) -> str:
    return str(error).strip().splitlines()[-1][:300]
