"""What a Parquet file unpacks to, learnt before it does: a dictionary of one long word makes gigabytes of a kilobyte.

Sizes that the file declares of itself are believed only where no better is to be had.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aufruf.data.readers.delimited import CELL, ROW
from aufruf.errors import DataRefused

UNSUSPECTED = 64 << 20  # bytes that may come out at any ratio, and those of a batch
RATIO = 1000  # bytes that come out for one of the file, above that; exports stay far below
_BATCH = 100  # rows
_WIDEST = 4  # bytes of a character
_DELTAS = {"DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"}  # encodings that cannot be left as dictionaries


@dataclass(frozen=True)
class Plan:
    """How the rows of a row group are read: ``rows`` at a time, the columns ``packed`` (paths) left as dictionaries."""

    rows: int
    packed: tuple[str, ...]


def declared(metadata: Any) -> None:
    """Raises DataRefused where a column's pages say that they unpack to far more than they take."""
    for group in range(metadata.num_row_groups):
        for place in range(metadata.num_columns):
            column = metadata.row_group(group).column(place)
            if column.total_uncompressed_size > max(UNSUSPECTED, RATIO * column.total_compressed_size):
                raise bomb()


def plans(path: Path, file: Any) -> Iterator[Plan]:
    """How to read each row group of an open file so that a batch of it stays small, whatever is in it.

    A group's first row, with columns of words left as dictionaries, brings these whole; what a value may take is known
    then. To read all rows like this would copy the dictionaries with each batch. Raises DataRefused for a value longer
    than a cell may be, and for columns whose longest values together are longer than a row may be.
    """
    import pyarrow.parquet as pq

    leaves, metadata = [file.schema.column(place) for place in range(len(file.schema))], file.metadata
    spoken = [_spoken(leaf) and not _delta(metadata, place) for place, leaf in enumerate(leaves)]
    paths = [leaf.path for leaf, one in zip(leaves, spoken, strict=True) if one]
    with pq.ParquetFile(path, read_dictionary=paths, metadata=metadata) as peeked:
        for group in range(metadata.num_row_groups):
            row = next(peeked.iter_batches(batch_size=1, row_groups=[group], use_threads=False), None)
            told = [length for column in (row.columns if row else ()) for length in _longest(column)]
            _bounded([length for length in told if length])
            width, packed = 0, []
            for place, length in enumerate(told):
                leaf, chunk = leaves[place], metadata.row_group(group).column(place)
                width += _per_value(leaf, chunk, length)
                many = leaf.max_repetition_level  # a row may repeat a value as often as it likes
                if many and spoken[place] and (not length or length * chunk.num_values > UNSUSPECTED):
                    packed.append(leaf.path)
            yield Plan(max(1, min(_BATCH, UNSUSPECTED // max(width, 1))), tuple(packed))


def _bounded(lengths: Sequence[int]) -> None:
    """Raises DataRefused where the longest value of a column, or those of all columns, cannot be a cell or a row."""
    if max(lengths, default=0) > _WIDEST * CELL:
        raise long_cell()
    if sum(lengths) > _WIDEST * ROW:
        raise long_row()


def size(column: Any) -> int:
    """What an Arrow array takes in bytes once each of its values is written out."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        return size(column.storage)
    if _words(kind):
        return int(pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(map(size, column.flatten()))
    if pa.types.is_fixed_size_list(kind):
        return size(column.flatten())
    if pa.types.is_nested(kind):
        first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
        return 8 * len(column) + size(column.values.slice(first, last - first))
    return int(column.nbytes)


def bomb() -> DataRefused:
    return DataRefused(f"it unpacks to more than {RATIO} times its size", next="Export it as CSV or NDJSON.")


def long_cell() -> DataRefused:
    return DataRefused(f"it has a cell of more than {CELL} characters", next="Is it a table of texts?")


def long_row() -> DataRefused:
    return DataRefused(f"it has a row of more than {ROW} characters", next="Is it a table of texts?")


def _spoken(leaf: Any) -> bool:
    return bool(leaf.physical_type == "BYTE_ARRAY")


def _delta(metadata: Any, place: int) -> bool:
    groups = (metadata.row_group(group).column(place).encodings for group in range(metadata.num_row_groups))
    return not all(_DELTAS.isdisjoint(encodings) for encodings in groups)


def _per_value(leaf: Any, chunk: Any, length: int | None) -> int:
    """The bytes that a value of a column may take beyond what stands for it alone in the file."""
    if not _spoken(leaf):
        return int(leaf.length)  # of a kind whose values are all as long, else 0
    return int(chunk.total_uncompressed_size) if length is None else length


def _words(kind: Any) -> bool:
    import pyarrow as pa

    return bool(
        pa.types.is_dictionary(kind)
        and any(of(kind.value_type) for of in (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary))
    )


def _longest(column: Any) -> Iterator[int | None]:
    """The bytes of the longest value in the dictionary of each leaf of an array; None of one that has none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if isinstance(column, pa.ExtensionArray):
        yield from _longest(column.storage)
    elif _words(kind):
        yield pc.max(pc.binary_length(column.dictionary)).as_py() or 0
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _longest(column.field(place))
    elif pa.types.is_nested(kind):
        yield from _longest(column.values)
    else:
        yield None
