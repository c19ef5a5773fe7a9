"""What waits for the next command: votes, labels, texts and a page, each found by a count. It changes nothing."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.settings import Settings
from aufruf.steps import backlog
from aufruf.steps.missing import Asked
from aufruf.steps.score import quarantined_as, unscored
from aufruf.store import Store


def due(settings: Settings, classifier: Classifier, champion: str | None, page: Path | None) -> dict[str, Any]:
    """How many texts wait for ``label``, ``split`` and ``score``, and whether a ``report`` is missing or out of date.

    ``champion``: the version that scores, None where nobody does: then nothing is to be scored or reported. ``page``:
    the newest page of a day. Texts that the champion could not score wait for nobody.
    """
    store = Store(settings.lake)
    texts = _unscored(store, classifier, champion) if champion else 0
    return {
        "label": _unread(store, classifier, settings.reports / classifier.name / "agreement.html"),
        "split": _undealt(store, classifier),
        "score": texts,
        "report": champion is not None and _untold(store, classifier, champion, page),
    }


def _unread(store: Store, classifier: Classifier, page: Path) -> int:
    """Texts with votes that ``label`` has not read: it knows nothing of the text, or the file came after its page."""
    mine = f"classifier = {quoted(classifier.name)}"
    sql = (
        f"select distinct a.text_id as text_id from annotations a left anti join labels l "  # noqa: S608 - quoted
        f"on l.text_id = a.text_id and l.{mine} where a.{mine}"
    )
    found = {row["text_id"] for batch in store.query(sql, "annotations", "labels") for row in batch.to_pylist()}
    if page.is_file():
        at = pd.Timestamp(page.stat().st_mtime, unit="s", tz="UTC")
        files = store.read("files", {"kind": "annotations"}, ["digest", "ingested_at"])
        later = files.loc[files["ingested_at"] > at, "digest"].tolist()
        votes = {"classifier": classifier.name, "file": later}
        found |= set(store.read("annotations", votes, ["text_id"])["text_id"]) if later else set()
    return len(found)


def _undealt(store: Store, classifier: Classifier) -> int:
    """Texts with a decided label, still stored, that the ledger lacks."""
    mine = f"classifier = {quoted(classifier.name)}"
    sql = (
        f"select count(distinct l.text_id) as n from labels l join texts t on t.text_id = l.text_id "  # noqa: S608
        f"left anti join splits s on s.text_id = l.text_id and s.{mine} where l.{mine} and l.label is not null"
    )
    return _number(store, sql, "labels", "texts", "splits")


def _unscored(store: Store, classifier: Classifier, version: str) -> int:
    """What ``score`` would score, without what it could not when it tried, as it reads now, and has not since."""
    waiting = backlog.count(store, Asked(classifier.name, version, backlog.window(classifier, datetime.now(UTC))))
    rows = store.read("quarantine", {"file": quarantined_as(classifier.name, version)}, ["row"]) if waiting else None
    if rows is None or rows.empty:
        return waiting
    tried = pd.DataFrame(map(json.loads, rows["row"]), columns=["text_id", "digest"], dtype=object)
    texts = store.read("texts", {"text_id": tried["text_id"].tolist()}, ["text_id", "digest"])
    return max(0, waiting - len(unscored(store, classifier, version, texts.merge(tried))))


def _untold(store: Store, classifier: Classifier, version: str, page: Path | None) -> bool:
    """True when this version has scored something since the newest page of a day was written."""
    mine = f"classifier = {quoted(classifier.name)} and model_version = {quoted(version)}"
    sql = f"select max(scored_at) as at from predictions where {mine}"  # noqa: S608 - quoted
    [last] = [row["at"] for batch in store.query(sql, "predictions") for row in batch.to_pylist()]
    if last is None:
        return False
    return page is None or pd.to_datetime(last, utc=True) > pd.Timestamp(page.stat().st_mtime, unit="s", tz="UTC")


def _number(store: Store, sql: str, *tables: str) -> int:
    return int(next(store.query(sql, *tables))["n"][0].as_py())
