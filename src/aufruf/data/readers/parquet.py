"""Parquet files as records of text."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from aufruf.data.readers.item import Record
from aufruf.errors import DataRefused

_BATCH = 5000  # rows


def header(path: Path) -> tuple[str, ...]:
    """The column names. Raises DataRefused when the file is damaged."""
    return tuple(_open(path).schema_arrow.names)


def records(path: Path) -> Iterator[Record]:
    """One record a row, every value as text."""
    number = 0
    with _whole():
        for batch in _open(path).iter_batches(batch_size=_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield Record(number, {name: _text(value) for name, value in row.items()})


def _open(path: Path) -> Any:
    import pyarrow.parquet as pq

    with _whole():
        return pq.ParquetFile(path)


@contextmanager
def _whole() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError):
        raise DataRefused("the Parquet file is damaged or cut off", next="Export it again.") from None


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # pandas writes a column of ids with gaps as floats
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
