"""Parquet files as records of text."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from aufruf.data.readers.delimited import names
from aufruf.data.readers.item import Record
from aufruf.data.readers.opened import Progress
from aufruf.errors import DataRefused

_BATCH = 100  # rows: each may hold the longest cell
_UNSUSPECTED = 64 << 20  # bytes that may come out at any ratio
_RATIO = 1000  # bytes that come out for one of the file, above that; exports stay far below


def header(path: Path) -> tuple[str, ...]:
    """The column names. Raises DataRefused when the file is damaged, or names what cannot be told apart."""
    found = tuple(_open(path).schema_arrow.names)
    names(found)
    return found


def records(path: Path, progress: Progress | None = None) -> Iterator[Record]:
    """One record a row, every value as text."""
    number, said, size, out = 0, 0, path.stat().st_size, 0
    with _whole():
        file = _open(path)
        _declared(file.metadata)
        for batch in file.iter_batches(batch_size=_BATCH, use_threads=False):
            out += sum(map(_bytes, batch.columns))
            if out > max(_UNSUSPECTED, _RATIO * size):
                raise _bomb()
            for row in batch.to_pylist():
                number += 1
                yield Record(number, {name: _text(value) for name, value in row.items()})
            read = size * number // max(file.metadata.num_rows, 1)
            if progress and read > said:
                progress(read - said)
                said = read
    if progress and size > said:
        progress(size - said)


def _declared(metadata: Any) -> None:
    """Raises DataRefused where a column's pages say that they unpack to far more than they take."""
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            if column.total_uncompressed_size > max(_UNSUSPECTED, _RATIO * column.total_compressed_size):
                raise _bomb()


def _bytes(column: Any) -> int:
    """What a column's values take once each is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if not (
        pa.types.is_dictionary(kind) and (pa.types.is_string(kind.value_type) or pa.types.is_binary(kind.value_type))
    ):
        return int(column.nbytes)
    return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)


def _bomb() -> DataRefused:
    return DataRefused(f"it unpacks to more than {_RATIO} times its size", next="Export it as CSV or NDJSON.")


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    with _whole():
        return pq.ParquetFile(path)


@contextmanager
def _whole() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError):  # of a value too: no UTF-8, no date
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
