"""Rows out of a Delta table, and into it: appended when all are new, else merged on the key. For the store alone."""

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import DeltaError
from deltalake.table import TableMerger

from aufruf import upkeep
from aufruf.arrow import selected
from aufruf.conditions import where_clause
from aufruf.schemas import TABLES


def select(found: DeltaTable, wanted: pa.Schema, where: str, *, distinct: bool = False) -> Iterator[pa.RecordBatch]:
    """Batches with the columns of ``wanted``; a column that the table has not gained yet is null.

    Raises DeltaError when a file cannot be read: it is damaged, or was removed meanwhile.
    """
    there = {field.name for field in found.schema().fields}
    listed = ", ".join(name if name in there else f"null as {name}" for name in wanted.names)
    query = f"select {'distinct ' if distinct else ''}{listed} from t {where}"  # noqa: S608 - names are ours, values are quoted
    for batch in answers(QueryBuilder().register("t", found), query):
        yield batch.cast(wanted)  # string views, with which a query answers, cannot be filtered


def answers(asked: QueryBuilder, sql: str) -> Iterator[pa.RecordBatch]:
    """The batches that a query answers with. Raises DeltaError when a file cannot be read."""
    try:
        for batch in asked.execute(sql):
            yield pa.record_batch(batch)
    except Exception as error:
        if type(error) is not Exception:  # a query that fails raises just that
            raise
        raise DeltaError(str(error)) from error


def unknown(found: DeltaTable, table: str, rows: pa.Table) -> pa.Table:
    """Those of the rows whose key the table lacks. Of the table keys are read, and nothing is held but matches."""
    key = list(TABLES[table].KEY)
    if rows.num_rows == 0:
        return rows
    values = {name: rows[name].unique() for name in key}
    same = {name: one[0].as_py() for name, one in values.items() if len(one) == 1 and pa.types.is_string(one.type)}
    widest = max(key, key=lambda name: len(values[name]))
    ends = {widest: values[widest].to_pylist()} if pa.types.is_string(values[widest].type) else {}
    known = set[tuple[Any, ...]]()
    for batch in select(found, selected(table, key), where_clause(same, ends)):
        near = batch.filter(pc.is_in(batch[widest], values[widest]))
        known.update(_keys(near, key))
    return rows.filter(pa.array([one not in known for one in _keys(rows, key)], pa.bool_()))


def append(target: DeltaTable, rows: pa.Table) -> int:
    """Write rows behind those of the table as it was opened; how many. Raises CommitFailedError when it has changed."""
    if rows.num_rows:
        alone = CommitProperties(max_commit_retries=0)  # what another writer has added may be these very rows
        if set(rows.schema.names) != _columns(target):
            write_deltalake(target, rows, mode="append", schema_mode="merge", commit_properties=alone)
        else:
            write_deltalake(target, rows, mode="append", commit_properties=alone)
        upkeep.tidy(target)
    return rows.num_rows


def merge(target: DeltaTable, rows: pa.Table, table: str, newer: str | None, *, insert: bool) -> int:
    """Overwrite rows with a known key, with ``newer`` only where that column is not older; ``insert`` others, or not.

    How many were written. Raises CommitFailedError when the table's properties have changed since it was opened.
    """
    older = f"s.{newer} is null or t.{newer} is null or s.{newer} >= t.{newer}" if newer else None
    asked = merger(target, rows, table).when_matched_update_all(predicate=older)
    result = (asked.when_not_matched_insert_all() if insert else asked).execute()
    upkeep.tidy(target)
    return int(result["num_target_rows_inserted"] + result["num_target_rows_updated"])


def merger(target: DeltaTable, rows: pa.Table, table: str) -> TableMerger:
    """A merge on the key, of which only files that can hold one are read; a column that the table lacks is gained."""
    on, gained = " and ".join(f"t.{name} = s.{name}" for name in TABLES[table].KEY), set(rows.schema.names)
    more = not gained <= _columns(target)
    return target.merge(rows, on, source_alias="s", target_alias="t", merge_schema=more, streamed_exec=False)


def _keys(rows: pa.Table | pa.RecordBatch, key: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    return zip(*(rows[name].to_pylist() for name in key), strict=True)


def _columns(target: DeltaTable) -> set[str]:
    return {field.name for field in target.schema().fields}
