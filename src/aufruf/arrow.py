"""Rows as Arrow: the schema of each table, read off its class, and the way from rows to tables and back."""

import types
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import pandas as pd
import pyarrow as pa

from aufruf.schemas import TABLES

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
    bytes: pa.binary(),
    datetime: pa.timestamp("us", tz="UTC"),
}


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


def as_frame(arrow: pa.Table) -> pd.DataFrame:
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


def as_arrow(table: str, rows: Any, newer: str | None = None) -> pa.Table:
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


def plain(batch: pa.RecordBatch, names: Iterable[str]) -> pa.RecordBatch:
    """These columns, text as strings: the string views with which a query answers cannot be filtered."""
    found = batch.select(list(names))
    views = {field.name: pa.string() for field in found.schema if pa.types.is_string_view(field.type)}
    return found.cast(pa.schema([(field.name, views.get(field.name, field.type)) for field in found.schema]))


def selected(table: str, names: Iterable[str]) -> pa.Schema:
    """The part of a table's schema that these columns make."""
    return pa.schema([schema_of(table).field(name) for name in names])
