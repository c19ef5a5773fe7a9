"""The step ``report``: the page of the day."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model import bundle
from aufruf.release.registry import Registry, Version
from aufruf.reports import day as pages
from aufruf.reports.clusters import Spread
from aufruf.reports.index import entries, write_index
from aufruf.reports.page import write_whole
from aufruf.reports.prevalence import raw
from aufruf.settings import Settings
from aufruf.steps import backlog, corpus, findings, history
from aufruf.steps.beside import neighbours, track_record
from aufruf.steps.buried import anew
from aufruf.steps.champion import speaking
from aufruf.steps.chosen import mismatches
from aufruf.steps.missing import Asked
from aufruf.steps.prevalence import Numbers, as_json, prevalence
from aufruf.steps.pseudonyms import named
from aufruf.steps.unlearnt import clusters, spread_of
from aufruf.steps.waiting import in_words, moved
from aufruf.store import Store


@anew
def report(settings: Settings, classifier: Classifier, scored_by: str | None = None) -> dict[str, Any]:
    """Write today's page for the champion and the list of days; returns the page's path. Raises NothingYet.

    ``scored_by``: the version that the run has scored with, of which the page then tells. A version that has not scored
    a post yet replaces no page of another one that has.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version, now = speaking(settings, classifier, registry, scored_by).version, datetime.now(UTC)
    zone = ZoneInfo(classifier.schedule.timezone)
    today = now.astimezone(zone).date()
    history.write(settings, classifier)
    told, folder = gather(store, classifier, version.version), settings.reports / classifier.name
    if not told.whole.texts and (kept := _of_another(folder, today, version)):
        return kept
    since = backlog.window(classifier, now)
    unscored, outside = backlog.left(store, Asked(classifier.name, version.version, since))
    shown = pd.concat([told.calls, told.others, told.doubted])
    edges = len(told.calls), len(told.calls) + len(told.others)
    found = _findings(settings, store, classifier, version.version, shown, told.explained)
    spread = spread_of(told.counted)
    shares = prevalence(store, classifier, version.version) if told.whole.texts else None
    page = pages.DayReport(
        classifier=classifier.name,
        positive=classifier.positive,
        day=today,
        generated_at=now.astimezone(zone),
        model=replace(_card(registry, version, zone), in_words=in_words(settings, classifier, version.version)),
        decision=_decision(store, classifier, zone),
        scored_total=told.whole.texts,
        scored_last=told.new.texts,
        scored_on=told.last.tz_convert(zone).date() if told.last is not None else None,
        calls_total=told.whole.calls,
        undecided=told.whole.undecided,
        ledger=_ledger(store, classifier),
        parties=_parties(told.counted, spread),
        spread=spread,
        confidence=classifier.gate.confidence,
        calls=found[: edges[0]],
        calls_shown_of=told.new.calls,
        others=found[edges[0] : edges[1]],
        mismatches=found[edges[1] :],
        prevalence=shares,
        fit_floor=classifier.explain.fit_floor,
        stability_floor=classifier.explain.stability_floor,
        words_page="../words/index.html" if (folder / "words" / "index.html").is_file() else None,
        unscored=unscored,
        outside_window=outside,
        since=since,
        moved=moved(folder, version.version),
    )
    path = pages.write(folder / today.isoformat(), page, classifier.report.mask, classifier.report.accounts)
    left = {"unscored": unscored, "outside_window": outside}
    if shares is None:
        path.with_name("prevalence.json").unlink(missing_ok=True)
    else:
        about = {"classifier": classifier.name, "positive": classifier.positive, "model_version": version.version}
        facts = {**about, "day": today.isoformat(), **left, **as_json(shares)}
        write_whole(path.with_name("prevalence.json"), json.dumps(facts, indent=2, ensure_ascii=False))
    write_index(folder, classifier.name, settings.front(classifier.name))
    return {"path": str(path), "calls": told.new.calls, "scored": told.whole.texts, **left}


def _of_another(folder: Path, today: date, version: Version) -> dict[str, Any] | None:
    """What a run returns that leaves today's page as it is: that of another version, which has scored posts."""
    for one in entries(folder):
        if one.day == today and one.version != version.version and one.scored:
            why = (
                f"version {version.version} has not scored a post yet: the page is still that of version {one.version}"
            )
            path = folder / today.isoformat() / "index.html"
            return {"path": str(path), "calls": one.calls, "scored": one.scored, "status": "nothing to do", "why": why}
    return None


@dataclass(frozen=True)
class Told:
    """What a version has said of posts: all of them counted, and the texts to show."""

    whole: findings.Counts
    new: findings.Counts  # of the last scoring
    last: pd.Timestamp | None  # the end of that
    counted: pd.DataFrame  # of ``whole``
    explained: dict[str, dict[str, Any]]
    calls: pd.DataFrame  # of the last scoring, the surest and the explained ones
    others: pd.DataFrame  # of the last scoring, explained
    doubted: pd.DataFrame  # test texts that people have labelled otherwise, explained


def gather(store: Store, classifier: Classifier, version: str) -> Told:
    """The lake counts; memory holds the texts to show, and how many are alike."""
    posts, last = findings.posts(classifier, version), findings.last(store, classifier, version)
    latest = findings.posts(classifier, version, last[0] if last else None)
    explained = findings.explanations(store, classifier, version)
    new = findings.counts(store, classifier, latest)
    surest = findings.surest(store, classifier, latest, new, classifier.report.shown)
    rows = findings.of(store, classifier, version, sorted({*surest, *explained}))
    mine = {"classifier": classifier.name, "text_id": rows["text_id"].tolist()}
    rows = rows[~rows["text_id"].isin(store.read("splits", mine, ["text_id"])["text_id"])]
    rows = rows[rows["scored_at"] >= last[0]] if last else rows
    calls, doubted = corpus.calls(rows["label"], classifier), mismatches(store, classifier, version)
    return Told(
        whole=findings.counts(store, classifier, posts),
        new=new,
        last=last[1] if last else None,
        counted=_counted(store, classifier, posts),
        explained=explained,
        calls=rows[calls].sort_values(["probability", "text_id"], ascending=[False, True]),
        others=rows[~calls],
        doubted=doubted[doubted["text_id"].isin(explained)],
    )


def _card(registry: Registry, version: Version, zone: ZoneInfo) -> pages.ModelCard:
    tags = version.tags
    longest = tags.get("aufruf.max_tokens") or bundle.verify(registry.fetch(version), version.manifest).max_tokens
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
        trained_at=datetime.fromtimestamp(version.created_at / 1000, zone),
        max_tokens=int(longest),
    )


def _intervals(tag: str | None) -> dict[str, pages.Interval]:
    return {name: pages.Interval(**one) for name, one in json.loads(tag or "{}").items()}


def _decision(store: Store, classifier: Classifier, zone: ZoneInfo) -> pages.DecisionNote | None:
    rows = store.read("decisions", {"classifier": classifier.name})
    if rows.empty:
        return None
    last = rows.sort_values("at").iloc[-1]
    said, *reasons = json.loads(last["reasons"])
    at = last["at"].to_pydatetime().astimezone(zone)
    return pages.DecisionNote(last["verdict"], f"{said[:1].upper()}{said[1:]}.", reasons, at)


def _ledger(store: Store, classifier: Classifier) -> dict[str, int]:
    counts = store.read("splits", {"classifier": classifier.name}, ["split"])["split"].value_counts()
    return {name: int(counts.get(name, 0)) for name in ("train", "validation", "test")}


def _counted(store: Store, classifier: Classifier, posts: str) -> pd.DataFrame:
    """Texts by party, account, post and call (column ``n``); a text of no post is one of its own."""
    sql = f"select t.party, t.author, t.platform, coalesce(t.post_id, t.text_id) as post_id, p.label {posts}"
    parties, by = Numbers(), ["party", "account", "post", "call"]
    parts = [pd.DataFrame(columns=[*by, "n"], dtype=np.int64)]
    for batch in store.query(sql, *findings.TABLES):
        rows = clusters(batch.to_pandas())
        rows = rows.assign(call=corpus.calls(rows["label"], classifier), party=parties.each(rows["party"].fillna("")))
        parts.append(rows.groupby(by, sort=False).size().rename("n").reset_index())
    frame = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    return frame.assign(party=parties.named(frame["party"], str))


def _parties(counted: pd.DataFrame, whole: Spread) -> list[pages.PartyCount]:
    found = []
    for party in sorted(counted["party"].cat.categories):
        rows = counted[counted["party"] == party]
        calls, texts = int(rows.loc[rows["call"].astype(bool), "n"].sum()), int(rows["n"].sum())
        share = raw(calls, texts, spread_of(rows, whole))
        found.append(pages.PartyCount(party or None, texts, calls, share.low, share.high))
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
    account, zone = named(settings, classifier), ZoneInfo(classifier.schedule.timezone)
    return [
        replace(
            findings.finding(row, explained, zone),
            author=account(row["author"]),
            record=None if row["text_id"] in tested else record(row["probability"]),
            neighbours=beside,
        )
        for row, beside in zip(shown.to_dict("records"), near, strict=True)
    ]
