"""The table ``decisions``: the last word on a challenger, and how a waiting one becomes a verdict."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.release import promotion
from aufruf.release.registry import Version
from aufruf.schemas import Decision
from aufruf.store import Store

PERSON, NOBODY = "person", "nobody"  # who decided, where it was not the gate
Row = dict[str, Any]
_ASKED_AGAIN = "a person decides, who is asked once more: nobody answered in time"


def last(store: Store, classifier: Classifier, challenger: str) -> Row | None:
    """The newest decision on a version, missing values as None."""
    rows = store.read("decisions", {"classifier": classifier.name, "challenger": challenger})
    if rows.empty:
        return None
    row = rows.sort_values("at").iloc[-1]
    return {str(key): None if pd.isna(value) else value for key, value in row.items()}


def looks(store: Store, classifier: Classifier, challenger: str, rows: int) -> int:
    """How many challengers were judged on today's ``rows`` test rows, this one included: ``promotion.looks``."""
    known = store.read("decisions", {"classifier": classifier.name}, ["challenger", "test_rows"])
    return promotion.looks(zip(known["challenger"], known["test_rows"], strict=True), challenger, rows)


def how(row: Row) -> str:
    """How a version that the decision promoted comes into use, as the table ``champions`` calls it."""
    by = row["decided_by"]
    return "gate" if by is None else "hand" if by == PERSON else "approval"  # only Airflow names an account


def close(store: Store, row: Row, verdict: str, by: str, reasons: Sequence[str]) -> Row:
    """Write the verdict on a waiting decision as a row of its own, with the evidence of that one; returns it."""
    found = Decision(
        **row
        | {
            "at": datetime.now(UTC),
            "verdict": "first" if verdict == "promoted" and row["champion"] is None else verdict,
            "reasons": json.dumps([*reasons, *evidence(row)], ensure_ascii=False),
            "decided_by": by,
        }
    )
    store.add("decisions", [found])
    return vars(found)


def again(store: Store, row: Row) -> Row:
    """Let a decision on which nobody answered in time wait once more, with its evidence; returns the new row."""
    said = [one for one in evidence(row) if one != unanswered(row["challenger"])]
    found = Decision(
        **row
        | {
            "at": datetime.now(UTC),
            "verdict": "waiting",
            "reasons": json.dumps([*said, _ASKED_AGAIN], ensure_ascii=False),
            "decided_by": None,
        }
    )
    store.add("decisions", [found])
    return vars(found)


def unanswered(challenger: str) -> str:
    """Why a challenger is not champion about which nobody answered."""
    return f"nobody answered in time about version {challenger}"


def accept(store: Store, classifier: Classifier, version: str) -> None:
    """A champion that waited for a person has been promoted by one, in the MLflow UI or through its API."""
    row = last(store, classifier, version)
    if row is not None and row["verdict"] == "waiting":
        close(store, row, "promoted", PERSON, [f"version {version} was made champion by hand"])


def by_hand(store: Store, classifier: Classifier, version: Version, champion: str | None, said: str) -> Row:
    """Write that a person promoted a version, with the evidence if it waited for one; returns the row."""
    judged = last(store, classifier, version.version)
    if judged is not None and judged["verdict"] == "waiting":
        return close(store, judged, "promoted", PERSON, [said])
    found = Decision(
        classifier=classifier.name,
        challenger=version.version,
        champion=champion,
        at=datetime.now(UTC),
        verdict="promoted" if champion else "first",
        reasons=json.dumps([said], ensure_ascii=False),
        challenger_metrics=version.tags.get("aufruf.metrics", "{}"),
        champion_metrics=None,
        value=None,
        low=None,
        high=None,
        test_rows=int(version.tags.get("aufruf.test_rows", 0)),
        fingerprint="",  # no rule was asked
        decided_by=PERSON,
    )
    store.add("decisions", [found])
    return vars(found)


def result(row: Row, champion: str | None) -> dict[str, Any]:
    """A decision as the step ``promote`` returns it."""
    gap = {key: None if row[key] is None or pd.isna(row[key]) else float(row[key]) for key in ("value", "low", "high")}
    return {
        "verdict": row["verdict"],
        "champion": champion,
        "challenger": row["challenger"],
        "difference": gap,
        "reasons": json.loads(row["reasons"]),
    }


def evidence(row: Row) -> list[str]:
    """What was said when it began to wait, less what is no longer so."""
    said = json.loads(row["reasons"])
    return [one.removesuffix(", waits for a person") for one in said if not one.startswith("a person decides")]
