"""Great Expectations run in memory: no files, no network, no analytics; of values nothing but where they stand."""

import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from aufruf.errors import AufrufError

_LARGE = 5000  # rows


@dataclass(frozen=True)
class Found:
    """What one expectation found; of one about a whole column or table that does not hold, every row is unexpected."""

    number: int  # place of the expectation in the suite
    expectation: str
    column: str
    holds: bool
    unexpected: list[tuple[int, int]]  # the rows, by file and item, that are not as expected


def run(expectations: Sequence[Any], table: pd.DataFrame) -> list[Found]:
    """Check a table; rows are told by the columns ``file`` and ``item``, which a table without rows need not have.

    Raises AufrufError when a check could not be run.
    """
    found = _run(expectations, table)
    if len(table) >= _LARGE:
        gc.collect()  # Great Expectations leaves the table in a cycle: those of a large file would pile up
    return found


def _run(expectations: Sequence[Any], table: pd.DataFrame) -> list[Found]:
    import great_expectations as gx

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # one line a file
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    for number, expectation in enumerate(expectations):
        expectation.meta = {"number": number}
    asset = context.data_sources.add_pandas("files").add_dataframe_asset("file")
    batch = asset.add_batch_definition_whole_dataframe("whole").get_batch(batch_parameters={"dataframe": table})
    shape = {
        "result_format": "COMPLETE",
        "unexpected_index_column_names": ["file", "item"],
        "return_unexpected_index_query": False,
    }
    ran = batch.validate(gx.ExpectationSuite(name="file", expectations=list(expectations)), result_format=shape)
    return [_found(result, table) for result in ran.results]


def _found(result: Any, table: pd.DataFrame) -> Found:
    config, holds = result.expectation_config, bool(result.success)
    if result.exception_info.get("raised_exception") is not False:  # else the exceptions by the metric that failed
        raise AufrufError(
            f"the check {config.type} could not be run",
            where="great_expectations",
            next="Report it as a bug.",
        )
    column = config.kwargs.get("column") or ", ".join(config.kwargs.get("column_list", ()))
    if "unexpected_count" in result.result:
        rows = result.result.get("unexpected_index_list") or []
    else:
        rows = [] if holds or table.empty else table[["file", "item"]].to_dict("records")
    unexpected = [(int(row["file"]), int(row["item"])) for row in rows]
    return Found(config.meta["number"], config.type, column, holds, unexpected)
