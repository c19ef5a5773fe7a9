"""The lake: versioned tables by name. The only code that touches the disk for data."""

import random
import time
import types
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from aufruf.errors import AufrufError
from aufruf.schemas import TABLES

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    datetime: pa.timestamp("us", tz="UTC"),
}
_LONG_LIST = 500  # values in one SQL list
_ATTEMPTS = 12  # a merge that lost a race is tried again; twelve writers at once still all get through


@cache
def schema_of(table: str) -> pa.Schema:
    """The Arrow schema of a table, read off its class in ``schemas``."""
    fields = []
    for name, hint in get_type_hints(TABLES[table]).items():
        if name == "KEY":
            continue
        options = get_args(hint) if get_origin(hint) in (types.UnionType,) else (hint,)
        kind = next(option for option in options if option is not type(None))
        arrow = pa.map_(pa.string(), pa.float64()) if get_origin(kind) is dict else _TYPES[kind]
        fields.append(pa.field(name, arrow, nullable=type(None) in options))
    return pa.schema(fields)


class Store:
    """Delta Lake tables under one folder or URI. Opening it creates nothing."""

    def __init__(self, uri: str) -> None:
        self.uri = uri.rstrip("/")

    def version(self, table: str) -> int | None:
        """The Delta version of a table; None before its first row."""
        found = self._open(table)
        return None if found is None else found.version()

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
        schema = schema_of(table)
        schema = pa.schema([schema.field(name) for name in columns]) if columns else schema
        found = self._open(table, version)
        if found is None:
            arrow = schema.empty_table()
        else:
            short, long = _split_lists(where)
            wanted = dict.fromkeys([*schema.names, *long])
            arrow = self._query(found, f"select {', '.join(wanted)} from t {_where(short)}")  # noqa: S608 - names are ours, values are quoted
            # string views, which the query answers with, cannot be filtered
            arrow = arrow.cast(pa.schema([schema_of(table).field(name) for name in wanted]))
            for column, values in long.items():
                arrow = arrow.filter(pc.is_in(arrow[column], pa.array(values, pa.string())))
            arrow = arrow.select(schema.names)
        return _as_frame(arrow)

    def count(self, table: str, where: Mapping[str, str] | None = None) -> int:
        """How many rows match."""
        found = self._open(table)
        if found is None:
            return 0
        return int(self._query(found, f"select count(*) as n from t {_where(where or {})}")["n"][0].as_py())  # noqa: S608

    def shards(self, frame: pd.DataFrame, size: int) -> Iterator[pd.DataFrame]:
        """Consecutive pieces of at most ``size`` rows."""
        for start in range(0, len(frame), size):
            yield frame.iloc[start : start + size]

    def add(self, table: str, rows: pd.DataFrame | Sequence[Any]) -> int:
        """Insert the rows whose key is not there yet; known rows stay as they are. Returns how many."""
        return self._merge(table, rows, update=False)["num_target_rows_inserted"]

    def add_at(self, table: str, rows: pd.DataFrame | Sequence[Any], version: int | None) -> int | None:
        """Like ``add``, but only while the table is at ``version`` (None: it does not exist yet).

        Returns None, and writes nothing, when another writer came first.
        """
        if version is None:
            self._create(table)
        target, arrow = DeltaTable(self._uri(table), version=version or 0), _as_arrow(table, rows)
        try:
            merge = target.merge(arrow, _on_key(table), source_alias="s", target_alias="t")
            return int(merge.when_not_matched_insert_all().execute()["num_target_rows_inserted"])
        except CommitFailedError:
            return None

    def put(self, table: str, rows: pd.DataFrame | Sequence[Any], newer: str | None = None) -> int:
        """Insert new keys and overwrite known ones; with ``newer`` only where that column is not older.

        Returns how many rows were inserted or overwritten.
        """
        result = self._merge(table, rows, update=True, newer=newer)
        return result["num_target_rows_inserted"] + result["num_target_rows_updated"]

    def _uri(self, table: str) -> str:
        if table not in TABLES:
            raise AufrufError(f"there is no table {table!r}", next=f"Tables: {', '.join(TABLES)}.")
        return f"{self.uri}/{table}"

    def _open(self, table: str, version: int | None = None) -> DeltaTable | None:
        try:
            return DeltaTable(self._uri(table), version=version)
        except TableNotFoundError:
            return None

    @staticmethod
    def _query(found: DeltaTable, sql: str) -> pa.Table:
        return pa.table(QueryBuilder().register("t", found).execute(sql))

    def _merge(self, table: str, rows: Any, *, update: bool, newer: str | None = None) -> dict[str, int]:
        arrow = _as_arrow(table, rows, newer)
        none = {"num_target_rows_inserted": 0, "num_target_rows_updated": 0}
        if arrow.num_rows == 0:
            return none
        predicate = _on_key(table)
        for attempt in range(_ATTEMPTS):
            try:
                target = self._open(table) or self._create(table)
                merge = target.merge(arrow, predicate, source_alias="s", target_alias="t")
                if update:
                    condition = f"s.{newer} is null or t.{newer} is null or s.{newer} >= t.{newer}" if newer else None
                    merge = merge.when_matched_update_all(predicate=condition)
                return merge.when_not_matched_insert_all().execute()
            except CommitFailedError:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(random.uniform(0.02, 0.1) * (attempt + 1))
        return none

    def _create(self, table: str) -> DeltaTable:
        try:
            return DeltaTable.create(self._uri(table), schema=schema_of(table), mode="ignore")
        except DeltaError:
            found = self._open(table)  # another writer created it in the meantime
            if found is None:
                raise
            return found


def _as_frame(arrow: pa.Table) -> pd.DataFrame:
    """Text columns as plain objects: a missing text is None, a map is a dict."""
    frame = pd.DataFrame(index=range(arrow.num_rows))
    for field in arrow.schema:
        column = arrow[field.name]
        if pa.types.is_string(field.type):
            frame[field.name] = pd.Series(column.to_pylist(), dtype=object)
        elif pa.types.is_map(field.type):
            frame[field.name] = pd.Series([dict(pairs) for pairs in column.to_pylist()], dtype=object)
        else:
            frame[field.name] = (
                column.to_pandas().to_numpy() if not pa.types.is_timestamp(field.type) else column.to_pandas()
            )
    return frame


def _as_arrow(table: str, rows: Any, newer: str | None = None) -> pa.Table:
    """Rows (dataclass instances or a frame) as Arrow; of several with one key the last, or the newest, stays."""
    schema, key = schema_of(table), list(TABLES[table].KEY)
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame([vars(row) for row in rows], columns=schema.names)
    if newer:
        when = pd.to_datetime(frame[newer], utc=True)
        frame = frame.loc[when.sort_values(kind="stable", na_position="first").index]
    frame = frame.drop_duplicates(subset=key, keep="last")
    columns = []
    for field in schema:
        values = frame[field.name].tolist()
        if pa.types.is_map(field.type):
            values = [list(value.items()) if isinstance(value, dict) else value for value in values]
        elif field.nullable:
            values = [None if value is None or value is pd.NaT or value != value else value for value in values]
        columns.append(pa.array(values, type=field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _on_key(table: str) -> str:
    return " and ".join(f"t.{name} = s.{name}" for name in TABLES[table].KEY)


def _split_lists(where: Mapping[str, Any] | None) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Conditions for SQL, and lists too long for it, which are matched afterwards."""
    short: dict[str, Any] = {}
    long: dict[str, list[str]] = {}
    for column, value in (where or {}).items():
        values = [value] if isinstance(value, str) else list(value)
        if len(values) > _LONG_LIST:
            long[column] = values
        else:
            short[column] = values
    return short, long


def _where(conditions: Mapping[str, Any]) -> str:
    parts = []
    for column, value in conditions.items():
        values = [value] if isinstance(value, str) else value
        quoted = ", ".join("'" + str(item).replace("'", "''") + "'" for item in values)
        parts.append(f"{column} in ({quoted})" if quoted else "false")
    return f"where {' and '.join(parts)}" if parts else ""
