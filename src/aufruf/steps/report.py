"""The step ``report``: the page of the day."""

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.release.registry import Registry, Version
from aufruf.reports import day as pages
from aufruf.reports.index import write_index
from aufruf.reports.intervals import wilson
from aufruf.settings import Settings
from aufruf.steps import corpus, findings
from aufruf.store import Store

_SHOWN = 100  # calls on one page; the table has them all


def report(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Write today's page for the champion and the list of days; returns the page's path. Raises NothingYet."""
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version, now = registry.champion(), datetime.now(UTC)
    today = now.astimezone(ZoneInfo(classifier.schedule.timezone)).date()
    scored = findings.scored(store, classifier, version.version)
    new = findings.latest(scored)
    calls = new[corpus.calls(new["label"], classifier)].sort_values("probability", ascending=False)
    explained = _explanations(store, classifier, version.version)
    others = new[new["text_id"].isin(explained) & ~new["text_id"].isin(calls["text_id"])]
    folder = settings.reports / classifier.name
    page = pages.DayReport(
        classifier=classifier.name,
        positive=classifier.positive,
        day=today,
        generated_at=now,
        model=_card(registry, version),
        decision=_decision(store, classifier),
        scored_total=len(scored),
        scored_today=len(new),
        calls_total=int(corpus.calls(scored["label"], classifier).sum()),
        undecided=int((~scored["confident"].astype(bool)).sum()),
        ledger=_ledger(store, classifier),
        parties=_parties(scored, classifier),
        calls=[_finding(row, explained) for row in calls.head(_SHOWN).to_dict("records")],
        calls_shown_of=len(calls),
        others=[_finding(row, explained) for row in others.to_dict("records")],
        fit_floor=classifier.explain.fit_floor,
        stability_floor=classifier.explain.stability_floor,
        words_page="../words/index.html" if (folder / "words" / "index.html").is_file() else None,
    )
    path = pages.write(folder / today.isoformat(), page)
    write_index(folder, classifier.name)
    return {"path": str(path), "calls": len(calls), "scored": len(scored)}


def _card(registry: Registry, version: Version) -> pages.ModelCard:
    tags = version.tags
    return pages.ModelCard(
        version=version.version,
        run_id=version.run_id,
        run_url=registry.url(version),
        encoder=tags.get("aufruf.encoder", "unknown"),
        stand_in_for=tags.get("aufruf.stand_in_for"),
        metrics=_intervals(tags.get("aufruf.metrics")),
        baseline=_intervals(tags.get("aufruf.baseline")),
        test_rows=int(tags.get("aufruf.test_rows", 0)),
        threshold=float(tags.get("aufruf.threshold", "nan")),
        trained_at=datetime.fromtimestamp(version.created_at / 1000, UTC),
        truncated=None,
    )


def _intervals(tag: str | None) -> dict[str, pages.Interval]:
    return {name: pages.Interval(**one) for name, one in json.loads(tag or "{}").items()}


def _decision(store: Store, classifier: Classifier) -> pages.DecisionNote | None:
    rows = store.read("decisions", {"classifier": classifier.name})
    if rows.empty:
        return None
    last = rows.sort_values("at").iloc[-1]
    said, *reasons = json.loads(last["reasons"])
    return pages.DecisionNote(last["verdict"], said, reasons, last["at"].to_pydatetime())


def _explanations(store: Store, classifier: Classifier, version: str) -> dict[str, dict[str, Any]]:
    rows = store.read("explanations", {"classifier": classifier.name, "model_version": version})
    return {row["text_id"]: {str(k): v for k, v in row.items()} for row in rows.to_dict("records")}


def _ledger(store: Store, classifier: Classifier) -> dict[str, int]:
    counts = store.read("splits", {"classifier": classifier.name}, ["split"])["split"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("train", "validation", "test")}


def _parties(scored: pd.DataFrame, classifier: Classifier) -> list[pages.PartyCount]:
    counts = []
    for party, rows in scored.groupby(scored["party"].fillna(""), sort=True):
        calls = int(corpus.calls(rows["label"], classifier).sum())
        low, high = wilson(calls, len(rows))
        counts.append(pages.PartyCount(str(party) or None, len(rows), calls, low, high))
    return counts


def _explained(why: dict[str, Any] | None, words: list[tuple[str, float]]) -> pages.Explained | None:
    if why is None:
        return None
    kept = why["unreliable"]
    return pages.Explained(words, float(why["fit"]), float(why["stability"]), None if pd.isna(kept) else str(kept))


def _finding(row: dict[Any, Any], explained: dict[str, dict[str, Any]]) -> pages.Finding:
    why = explained.get(row["text_id"])
    why = why if why is not None and why["digest"] == row["digest"] else None
    words = [(str(word), float(weight)) for word, weight in json.loads(why["words"])] if why else []
    return pages.Finding(
        text_id=row["text_id"],
        text=row["text"],
        party=row["party"],
        author=row["author"],
        text_type=row["text_type"],
        posted_at=None if pd.isna(row["posted_at"]) else row["posted_at"].to_pydatetime(),
        label=row["label"],
        probability=float(row["probability"]),
        confident=bool(row["confident"]),
        chosen=why["chosen"] if why else None,
        explained=_explained(why, words),
    )
