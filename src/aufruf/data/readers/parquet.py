"""Parquet files as records of text."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from aufruf.data.readers.delimited import CELL, ROW, names
from aufruf.data.readers.item import Record
from aufruf.data.readers.opened import Progress
from aufruf.data.readers.parquet_size import RATIO, UNSUSPECTED, bomb, declared, long_cell, long_row, plans
from aufruf.data.readers.parquet_size import size as written_out
from aufruf.errors import DataRefused


def header(path: Path) -> tuple[str, ...]:
    """The column names. Raises DataRefused when the file is damaged, or names what cannot be told apart."""
    found = tuple(_open(path).schema_arrow.names)
    names(found)
    return found


def records(path: Path, progress: Progress | None = None) -> Iterator[Record]:
    """One record a row, every value as text; a time with a zone as UTC, whatever the zone is called.

    Raises DataRefused where the file is damaged, unpacks to far more than it is, or has a cell or a row too long.
    """
    number, said, size = 0, 0, path.stat().st_size
    with _whole():
        file = _open(path)
        declared(file.metadata)
        for piece in _pieces(path, file, size):
            for row in piece.to_pylist():
                number += 1
                yield Record(number, _held({name: _text(value) for name, value in row.items()}))
            read = size * number // max(file.metadata.num_rows, 1)
            if progress and read > said:
                progress(read - said)
                said = read
    if progress and size > said:
        progress(size - said)


def _pieces(path: Path, file: Any, packed: int) -> Iterator[Any]:
    """The rows as Arrow batches that stay small written out, or have one row. Raises DataRefused; ``packed``: bytes."""
    out = 0
    for group, how in enumerate(plans(path, file)):
        opened = _open(path, read_dictionary=how.packed, metadata=file.metadata) if how.packed else file
        for batch in opened.iter_batches(batch_size=how.rows, row_groups=[group], use_threads=False):
            unpacked = sum(map(written_out, batch.columns))
            out += unpacked
            if out > max(UNSUSPECTED, RATIO * packed):
                raise bomb()
            utc = _in_utc(batch)
            step = utc.num_rows if unpacked <= UNSUSPECTED else 1
            yield from (utc.slice(start, step) for start in range(0, utc.num_rows, max(step, 1)))


def _in_utc(batch: Any) -> Any:
    """The batch with its times in UTC, as they are stored: the name of a zone may be one that nobody knows."""
    import pyarrow as pa

    columns = [column if (kind := _utc(column.type)) == column.type else column.cast(kind) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _utc(kind: Any) -> Any:
    """A type of Arrow with UTC for each zone in it."""
    import pyarrow as pa

    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return pa.timestamp(kind.unit, "UTC")
    if pa.types.is_struct(kind):
        return pa.struct([_utc_field(field) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_utc_field(kind.key_field), _utc_field(kind.item_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_utc_field(kind.value_field), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return (pa.list_ if pa.types.is_list(kind) else pa.large_list)(_utc_field(kind.value_field))
    return kind


def _utc_field(field: Any) -> Any:
    return field.with_type(_utc(field.type))


def _held(row: dict[str, str | None]) -> dict[str, str | None]:
    """The row. Raises DataRefused where a value is longer than a cell of a table may be, or all of them than a row."""
    lengths = [len(value) for value in row.values() if value]
    if sum(lengths) > CELL and max(lengths) > CELL:
        raise long_cell()
    if sum(lengths) > ROW:
        raise long_row()
    return row


def _open(path: Path, **how: Any) -> Any:
    import pyarrow.parquet as pq

    with _whole():
        return pq.ParquetFile(path, **how)


@contextmanager
def _whole() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, LookupError, ArithmeticError):  # of a value too: no UTF-8, no date
        raise DataRefused("the Parquet file is damaged or cut off", next="Export it again.") from None


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:  # above, last digits of an id are lost
        return str(int(value))  # pandas writes a column of ids with gaps as floats
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # a text that its writer did not mark as one
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
