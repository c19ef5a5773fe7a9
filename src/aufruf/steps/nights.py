"""What happened, night by night, read off the lake: judged, promoted, scored, taken in, held back and why."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.reports.desk import Event, Learnt, Link
from aufruf.reports.inert import counted
from aufruf.reports.intervals import Interval
from aufruf.schemas import PROMOTED
from aufruf.steps import findings, history
from aufruf.store import Store

_ROW_OF = {"annotations": "annotation", "posts": "post"}
_ONCE = timedelta(hours=1)  # between a person's decision and the row of the version that it made champion
_JUDGED = 12  # versions of the learning curve
_BY_PERSON = {"hand": "A person made version {} champion.", "rollback": "A person rolled back to version {}."}


def events(store: Store, classifier: Classifier, decisions: pd.DataFrame, reports: Path) -> list[Event]:
    """What the lake tells of the classifier, in no order; times in UTC. ``decisions``: its rows. ``reports``: the
    folder of its pages."""
    return [
        *map(_judged, decisions.to_dict("records")),
        *_moved(store, classifier, decisions),
        *_scored(store, classifier),
        *_held(store, classifier, reports),
    ]


def learnt(store: Store, classifier: Classifier, decisions: pd.DataFrame) -> list[Learnt]:
    """The versions that were judged, the newest first, by the gate's metric."""
    ledger = store.read("splits", {"classifier": classifier.name}, ["split", "assigned_at"])
    assigned = ledger[ledger["split"] != "none"]["assigned_at"]
    zone = ZoneInfo(classifier.schedule.timezone)
    ordered = decisions.sort_values("at")
    first, last = ordered.drop_duplicates("challenger"), ordered.tail(1)
    waiting = set(last[last["verdict"] == "waiting"]["challenger"])
    won = set(decisions[decisions["verdict"].isin(PROMOTED)]["challenger"])
    found = []
    for row in first.to_dict("records"):
        value = intervals(row["challenger_metrics"]).get(classifier.gate.metric)
        if value is not None:
            version, at = row["challenger"], row["at"].to_pydatetime().astimezone(zone)
            labels = int((assigned <= at).sum())
            found.append(Learnt(version, at, value, version in won, labels, waits=version in waiting))
    return found[::-1][:_JUDGED]


def intervals(told: Any) -> dict[str, Interval]:
    """The metrics that a row of ``decisions`` holds as JSON."""
    return {name: Interval(**one) for name, one in json.loads(told if isinstance(told, str) else "{}").items()}


def _judged(row: dict[Any, Any]) -> Event:
    said = json.loads(row["reasons"])
    why = f": {'; '.join(said)}" if said else ""
    what = f"Version {row['challenger']} was trained and judged{why}."
    if isinstance(row["decided_by"], str):  # the reasons say who, but for whose account that is
        what = f"{said[0][:1].upper()}{said[0][1:]}." if said else f"A person decided on version {row['challenger']}."
    return Event(row["at"].to_pydatetime(), row["verdict"], what)


def _moved(store: Store, classifier: Classifier, decisions: pd.DataFrame) -> Iterator[Event]:
    past = history.rows(store, classifier)
    told = _decided_too(past, decisions)
    for row in (row for row in past if row["since"] not in told):
        at, version = row["since"].to_pydatetime(), row["version"]
        if not version:
            yield Event(at, "held", "A person took the alias champion away: nothing is scored.")
        elif row["refused"]:
            yield Event(at, "failed", f"Version {version} may not speak: {row['refused']}.")
        elif row["how"] in _BY_PERSON:
            yield Event(at, "promoted", _BY_PERSON[row["how"]].format(version))


def _decided_too(past: list[history.Row], decisions: pd.DataFrame) -> set[Any]:
    """Since when versions are champion by hand whose promotion stands among the decisions as well: it happened once."""
    found, by_hand = set(), [row for row in past if row["how"] == "hand"]
    for one in decisions[decisions["verdict"].isin(PROMOTED)].to_dict("records"):
        if isinstance(one["decided_by"], str):
            apart = {
                abs(row["since"] - one["at"]): row["since"] for row in by_hand if row["version"] == one["challenger"]
            }
            found |= {apart[min(apart)]} if apart and min(apart) < _ONCE else set()
    return found


def _scored(store: Store, classifier: Classifier) -> Iterator[Event]:
    """By version and scoring, as the report cuts them; texts of the ledger, scored to be measured, are named apart."""
    mine = f"classifier = {quoted(classifier.name)}"
    sql = (
        "select p.model_version as version, p.scored_at as at, t.file as file, "  # noqa: S608 - quoted
        "count(*) as n, count(s.text_id) as annotated from predictions p left join texts t on t.text_id = p.text_id "
        f"left join (select text_id from splits where {mine}) s on s.text_id = p.text_id "
        f"where p.{mine} group by 1, 2, 3"
    )
    rows = [row for batch in store.query(sql, "predictions", "texts", "splits") for row in batch.to_pylist()]
    counts = pd.DataFrame(rows, columns=["version", "at", "file", "n", "annotated"])
    for version, some in counts.groupby("version"):
        told = some.groupby(pd.to_datetime(some["at"], utc=True))[["n", "annotated"]].sum()
        arrived = findings.arrivals(store, some.to_dict("records"))
        for moments in findings.scorings(arrived, classifier.schedule.timezone):
            n, annotated = told.loc[moments].sum()
            yield Event(moments[0].to_pydatetime(), "scored", f"Version {version} scored {_scored_of(n, annotated)}.")


def _scored_of(n: int, annotated: int) -> str:
    if n == annotated:
        return counted(n, "annotated text")
    more = f" and {counted(annotated, 'annotated one')}" if annotated else ""
    return f"{counted(n - annotated, 'text')}{more}"


def taken(store: Store, checks: Path) -> Iterator[Event]:
    """What was taken in or held back, for whatever classifier. ``checks``: the folder of pages on it."""
    columns = ["digest", "kind", "kept", "refused", "status", "reasons", "ingested_at"]
    files = store.read("files", columns=columns)
    for row in files[files["status"] == "refused"].to_dict("records"):
        why = row["reasons"].rstrip(".") or "it did not pass the checks"
        short = row["digest"][:12]  # no name: it may be a person's
        page = f"{short}.html"
        links = [Link("Its checks", f"checks/{page}")] if (checks / page).is_file() else []
        yield Event(row["ingested_at"].to_pydatetime(), "held", f"The file {short} was held back: {why}.", links)
    good = files[files["status"] != "refused"]
    for at, rows in good.groupby(good["ingested_at"].dt.floor("min")):
        parts = [counted(kept, _ROW_OF[str(kind)]) for kind, kept in rows.groupby("kind")["kept"].sum().items()]
        refused = int(rows["refused"].sum())
        aside = f"; {counted(refused, 'row')} went to quarantine" if refused else ""
        told = (
            f"{counted(len(rows), 'file')} {'was' if len(rows) == 1 else 'were'} taken in: {', '.join(parts)}{aside}."
        )
        yield Event(pd.Timestamp(at).to_pydatetime(), "taken", told)


def _held(store: Store, classifier: Classifier, reports: Path) -> Iterator[Event]:
    links = [Link("Agreement", "reports/agreement.html")] if (reports / "agreement.html").is_file() else []
    rows = store.read("labels", {"classifier": classifier.name, "how": "held_back"}, ["decided_at"])
    days = rows["decided_at"].dt.tz_convert(classifier.schedule.timezone).dt.date
    for _, some in rows.groupby(days):
        last = pd.Timestamp(some["decided_at"].max()).to_pydatetime()
        told = f"The votes on {counted(len(some), 'text')} were held back: annotators agree too little."
        yield Event(last, "held", told, links)
