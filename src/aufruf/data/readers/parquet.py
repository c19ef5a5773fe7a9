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

_BATCH = 5000  # rows


def header(path: Path) -> tuple[str, ...]:
    """The column names. Raises DataRefused when the file is damaged, or names what cannot be told apart."""
    found = tuple(_open(path).schema_arrow.names)
    names(found)
    return found


def records(path: Path, progress: Progress | None = None) -> Iterator[Record]:
    """One record a row, every value as text."""
    number, said, size = 0, 0, path.stat().st_size
    with _whole():
        file = _open(path)
        for batch in file.iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield Record(number, {name: _text(value) for name, value in row.items()})
            read = size * number // max(file.metadata.num_rows, 1)
            if progress and read > said:
                progress(read - said)
                said = read
    if progress and size > said:
        progress(size - said)


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
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # pandas writes a column of ids with gaps as floats
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # a text that its writer did not mark as one
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
