"""What a file must be like before anything of it is stored: a Great Expectations suite for each kind.

The first checkpoint looks at every row and names the rows to refuse; the second looks at how many are left
and decides on the file. Results keep counts, never values.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from aufruf.errors import AufrufError

LONGEST = 100_000  # characters; the longest Instagram caption has 2,200, an hour's transcript about 60,000
MOST_REFUSED = 0.5  # share of broken rows above which the file, not its rows, is at fault
_CLOCKS_APART = timedelta(days=1)  # how far ahead of ours another machine's clock may be
_UNSTORABLE = r"\x00"  # NUL; it also stands where the file has half a character
_WORDS = ("text", "text_id", "post_id", "author", "party", "platform", "annotator", "question", "label")
_DATES = ("posted_at", "collected_at", "annotated_at")


@dataclass
class Verdict:
    """Which items are refused and why, whether the whole file is, and the counts of every expectation."""

    reasons: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    harmless: set[int] = field(default_factory=set)  # refused, though nothing is wrong with the file
    passed: bool = True
    counts: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class _Rule:
    """An expectation on rows, and the sentence for a row that fails it."""

    expectation: Any
    reason: Callable[[Mapping[str, Any]], str]
    harmless: bool = False


def check_rows(
    frame: pd.DataFrame, kind: str, labels: Mapping[str, tuple[Sequence[str], str]], now: datetime
) -> Verdict:
    """Judge the rows of a file of ``kind``.

    ``frame``: one row an item, columns item, text, length and the roles. ``labels``: column that holds what
    was written for a question -> the spellings it may hold, and where they are listed.
    """
    verdict = Verdict()
    if frame.empty:
        return verdict
    rules = {str(number): rule for number, rule in enumerate(_rules(frame, kind, labels, now))}
    rows: dict[int, Any] = {row["item"]: row for row in frame.to_dict("records")}
    for result in _run({name: rule.expectation for name, rule in rules.items()}, frame, verdict):
        rule = rules[result.expectation_config.meta["rule"]]
        for found in result.result.get("unexpected_index_list") or ():
            item = int(found["item"])
            verdict.reasons[item].append(rule.reason(rows[item]))
            if rule.harmless:
                verdict.harmless.add(item)
    if kind == "annotations":
        _keep_one_of_repeats(frame, verdict)
    return verdict


def check_batch(refused: pd.DataFrame, verdict: Verdict) -> bool:
    """Decide on the file: ``refused`` has a row an item, columns good and broken, each 0 or 1."""
    from great_expectations import expectations as gxe

    results = _run(
        {
            "good": gxe.ExpectColumnSumToBeBetween(column="good", min_value=1),
            "broken": gxe.ExpectColumnMeanToBeBetween(column="broken", max_value=MOST_REFUSED),
        },
        refused,
        verdict,
    )
    verdict.passed = all(result.success for result in results)
    return verdict.passed


def _rules(
    frame: pd.DataFrame, kind: str, labels: Mapping[str, tuple[Sequence[str], str]], now: datetime
) -> list[_Rule]:
    from great_expectations import expectations as gxe

    posts = kind == "posts"
    empty = "the post has no text" if posts else "the text is empty"
    rules = [
        _Rule(gxe.ExpectColumnValuesToNotBeNull(column="text"), lambda row: empty, harmless=posts),
        _Rule(
            gxe.ExpectColumnValuesToBeBetween(column="length", max_value=LONGEST),
            lambda row: f"the text has {row['length']} characters, more than {LONGEST}",
        ),
    ]
    if frame["text"].notna().any():
        seen = gxe.ExpectColumnValuesToMatchRegex(column="text", regex=r"\S")
        rules.append(_Rule(seen, lambda row: empty, harmless=posts))
    rules += [_storable(column) for column in _WORDS if frame[column].notna().any()]
    rules += [_not_ahead(column, now) for column in _DATES if frame[column].notna().any()]
    return rules if posts else rules + _vote_rules(labels)


def _storable(column: str) -> _Rule:
    from great_expectations import expectations as gxe

    return _Rule(
        gxe.ExpectColumnValuesToNotMatchRegex(column=column, regex=_UNSTORABLE),
        lambda row: f"the {column} holds a NUL or half a character (a lone surrogate)",
    )


def _not_ahead(column: str, now: datetime) -> _Rule:
    from great_expectations import expectations as gxe

    return _Rule(
        gxe.ExpectColumnValuesToBeBetween(column=column, max_value=pd.Timestamp(now + _CLOCKS_APART)),
        lambda row: f"{column} {row[column]:%Y-%m-%d} lies in the future",
    )


def _vote_rules(labels: Mapping[str, tuple[Sequence[str], str]]) -> list[_Rule]:
    from great_expectations import expectations as gxe

    rules = [
        _Rule(gxe.ExpectColumnValuesToNotBeNull(column="label"), lambda row: "the label is missing"),
        _Rule(
            gxe.ExpectColumnValuesToBeBetween(column="texts_of_id", max_value=1),
            lambda row: f"the file has {row['texts_of_id']} different texts under this text's id",
        ),
        _Rule(
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["question", "text_id", "annotator"]),
            lambda row: _REPEAT,
        ),
    ]
    for column, (spellings, where) in labels.items():
        listed = gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(spellings))
        rules.append(_Rule(listed, partial(_unlisted, where)))
    return rules


def _unlisted(where: str, row: Mapping[str, Any]) -> str:
    return f"label {_shown(row['label'])} is not listed under [spellings] of {where}"


_REPEAT = "this annotator votes on this text more than once"


def _keep_one_of_repeats(frame: pd.DataFrame, verdict: Verdict) -> None:
    """Of one annotator's votes on one text the later counts; undated ones that differ count not at all."""
    only_repeat = [item for item, reasons in verdict.reasons.items() if reasons == [_REPEAT]]
    for reasons in verdict.reasons.values():  # a row refused for something else is no vote, so repeats none
        reasons[:] = [reason for reason in reasons if reason != _REPEAT] or [_REPEAT]
    repeated = frame[frame["item"].isin(only_repeat)]
    for _, votes in repeated.groupby(["question", "text_id", "annotator"], sort=False):
        dates = votes["annotated_at"]
        dated = dates.notna().all() and (dates == dates.max()).sum() == 1
        if not dated and votes["label"].nunique() > 1:
            items = ", ".join(str(item) for item in votes["item"][:5])
            for item in votes["item"]:
                verdict.reasons[item] = [f"{_REPEAT}, with different labels (items {items})"]
            continue
        stays = int(votes["item"].tolist()[dates.argmax() if dated else -1])
        for item in votes["item"]:
            verdict.reasons[item] = [f"{_REPEAT}; item {stays} counts"]
        del verdict.reasons[stays]


def _shown(label: str) -> str:
    """A label as it may stand in a reason: a long one is a text in the wrong column, and texts stay out."""
    return repr(label) if len(label) <= 40 else f"of {len(label)} characters"


def _run(expectations: Mapping[str, Any], frame: pd.DataFrame, verdict: Verdict) -> list[Any]:
    """Run a checkpoint in memory: no files, no network, no analytics, no progress bars."""
    import great_expectations as gx

    logging.getLogger("great_expectations.data_context.types.base").setLevel(logging.WARNING)  # one line a file
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = {"globally": False}
    for name, expectation in expectations.items():
        expectation.meta = {"rule": name}
    asset = context.data_sources.add_pandas("files").add_dataframe_asset("file")
    definition = gx.ValidationDefinition(
        name="file",
        data=asset.add_batch_definition_whole_dataframe("whole"),
        suite=context.suites.add(gx.ExpectationSuite(name="file", expectations=list(expectations.values()))),
    )
    context.validation_definitions.add(definition)
    checkpoint = gx.Checkpoint(
        name="file",
        validation_definitions=[definition],
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["item"],
            "return_unexpected_index_query": False,
        },
    )
    ran = context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    results = [result for run in ran.run_results.values() for result in run.results]
    for result in results:
        verdict.counts.append(_counts(result))
    return results


def _counts(result: Any) -> dict[str, Any]:
    """An expectation's outcome in numbers. Raises AufrufError when it could not be evaluated at all."""
    config = result.expectation_config
    if "unexpected_count" not in result.result and "observed_value" not in result.result:
        raise AufrufError(
            f"the check {config.type} could not be run",
            where="great_expectations",
            next="Report it as a bug.",
        )
    return {
        "expectation": config.type,
        "column": config.kwargs.get("column") or config.kwargs.get("column_list"),
        "success": bool(result.success),
        "evaluated": result.result.get("element_count"),
        "unexpected": result.result.get("unexpected_count"),
    }
