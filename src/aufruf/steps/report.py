"""The step ``report``: the page of the day."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.release.registry import Registry, Version
from aufruf.reports import day as pages
from aufruf.reports.clusters import Spread
from aufruf.reports.index import write_index
from aufruf.reports.page import write_whole
from aufruf.reports.prevalence import raw
from aufruf.settings import Settings
from aufruf.steps import corpus, findings, history
from aufruf.steps.beside import neighbours, track_record
from aufruf.steps.buried import anew
from aufruf.steps.champion import speaking
from aufruf.steps.chosen import mismatches
from aufruf.steps.prevalence import as_json, prevalence
from aufruf.steps.pseudonyms import named
from aufruf.steps.unlearnt import clusters, spread_of
from aufruf.store import Store


@anew
def report(settings: Settings, classifier: Classifier, scored_by: str | None = None) -> dict[str, Any]:
    """Write today's page for the champion and the list of days; returns the page's path. Raises NothingYet.

    ``scored_by``: the version that the run has scored with, of which the page then tells.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version, now = speaking(settings, classifier, registry, scored_by).version, datetime.now(UTC)
    today = now.astimezone(ZoneInfo(classifier.schedule.timezone)).date()
    said = findings.said(store, classifier, version.version)
    scored = findings.outside(store, classifier, said)
    new = findings.latest(scored, classifier.schedule.timezone)
    calls = new[corpus.calls(new["label"], classifier)].sort_values("probability", ascending=False)
    explained = findings.explanations(store, classifier, version.version)
    others = new[new["text_id"].isin(explained) & ~new["text_id"].isin(calls["text_id"])]
    surest = np.arange(len(calls)) < classifier.report.shown
    calls_shown = calls[surest | calls["text_id"].isin(explained)]
    doubted = mismatches(store, classifier, said)
    doubted = doubted[doubted["text_id"].isin(explained) & ~doubted["text_id"].isin(scored["text_id"])]
    shown = pd.concat([calls_shown, others, doubted])
    edges = len(calls_shown), len(calls_shown) + len(others)
    found = _findings(settings, store, classifier, version.version, shown, explained)
    counted = _counted(scored, classifier)
    spread = spread_of(counted)
    shares = prevalence(store, classifier, version.version) if len(scored) else None
    folder = settings.reports / classifier.name
    page = pages.DayReport(
        classifier=classifier.name,
        positive=classifier.positive,
        day=today,
        generated_at=now.astimezone(ZoneInfo(classifier.schedule.timezone)),
        model=_card(registry, classifier, version),
        decision=_decision(store, classifier),
        scored_total=len(scored),
        scored_today=len(new),
        calls_total=int(corpus.calls(scored["label"], classifier).sum()),
        undecided=int((~scored["confident"].astype(bool)).sum()),
        ledger=_ledger(store, classifier),
        parties=_parties(counted, spread),
        spread=spread,
        confidence=classifier.gate.confidence,
        calls=found[: edges[0]],
        calls_shown_of=len(calls),
        others=found[edges[0] : edges[1]],
        mismatches=found[edges[1] :],
        prevalence=shares,
        fit_floor=classifier.explain.fit_floor,
        stability_floor=classifier.explain.stability_floor,
        words_page="../words/index.html" if (folder / "words" / "index.html").is_file() else None,
    )
    path = pages.write(folder / today.isoformat(), page, classifier.report.mask, classifier.report.accounts)
    if shares is not None:
        about = {"classifier": classifier.name, "positive": classifier.positive, "model_version": version.version}
        facts = json.dumps({**about, "day": today.isoformat(), **as_json(shares)}, indent=2, ensure_ascii=False)
        write_whole(path.with_name("prevalence.json"), facts)
    history.write(settings, classifier)
    write_index(folder, classifier.name, settings.front(classifier.name))
    return {"path": str(path), "calls": len(calls), "scored": len(scored)}


def _card(registry: Registry, classifier: Classifier, version: Version) -> pages.ModelCard:
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
        max_tokens=classifier.encoder.max_tokens,
    )


def _intervals(tag: str | None) -> dict[str, pages.Interval]:
    return {name: pages.Interval(**one) for name, one in json.loads(tag or "{}").items()}


def _decision(store: Store, classifier: Classifier) -> pages.DecisionNote | None:
    rows = store.read("decisions", {"classifier": classifier.name})
    if rows.empty:
        return None
    last = rows.sort_values("at").iloc[-1]
    said, *reasons = json.loads(last["reasons"])
    return pages.DecisionNote(last["verdict"], f"{said[:1].upper()}{said[1:]}.", reasons, last["at"].to_pydatetime())


def _ledger(store: Store, classifier: Classifier) -> dict[str, int]:
    counts = store.read("splits", {"classifier": classifier.name}, ["split"])["split"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("train", "validation", "test")}


def _counted(scored: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Party, account, post and call of each text; a post's id is what its texts' ids begin with."""
    rows = scored[["party", "author", "platform"]].assign(post_id=scored["text_id"].str.rpartition(":")[0])
    return clusters(rows).assign(call=corpus.calls(scored["label"], classifier), n=1)


def _parties(counted: pd.DataFrame, whole: Spread) -> list[pages.PartyCount]:
    found = []
    for party, rows in counted.groupby(counted["party"].fillna(""), sort=True):
        calls = int(rows["call"].sum())
        share = raw(calls, len(rows), spread_of(rows, whole))
        found.append(pages.PartyCount(str(party) or None, len(rows), calls, share.low, share.high))
    return found


def _findings(
    settings: Settings,
    store: Store,
    classifier: Classifier,
    version: str,
    shown: pd.DataFrame,
    explained: dict[str, dict[str, Any]],
) -> list[pages.Finding]:
    """The texts of the page, each with its explanation, what such a probability was worth, and its neighbours."""
    record = track_record(store, classifier, version)
    near = neighbours(store, classifier, shown["text"].tolist())
    tested = set(shown.loc[shown["decided"].notna(), "text_id"])  # they are part of the record themselves
    account = named(settings, classifier)
    return [
        replace(
            findings.finding(row, explained),
            author=account(row["author"]),
            record=None if row["text_id"] in tested else record(row["probability"]),
            neighbours=beside,
        )
        for row, beside in zip(shown.to_dict("records"), near, strict=True)
    ]
