"""What a version has said of the posts nobody annotated: the questions that explanations, reports and status ask."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.reports.facts import Explained, Finding
from aufruf.store import Store

TABLES = ("predictions", "texts", "splits", "explanations")
SUREST = "probability desc, text_id"  # an order for ``first``
_BOTH = "from predictions p join texts t on p.text_id = t.text_id and p.digest = t.digest"
_ABOUT = ["text_id", "digest", "text", "text_type", "post_type", "platform", "party", "author", "posted_at"]


def of(store: Store, classifier: Classifier, version: str, ids: Sequence[str]) -> pd.DataFrame:
    """Predictions of a version for these texts, beside the text as it reads now, and the probability of the positive.

    Annotated texts are not left out. Memory is that of these texts, however many the lake holds.
    """
    asked = {"classifier": classifier.name, "model_version": version, "text_id": ids}
    rows = store.read("predictions", asked)
    frame = rows.merge(store.read("texts", {"text_id": ids}, _ABOUT), on=["text_id", "digest"])
    return frame.assign(probability=[one[classifier.positive] for one in frame["probabilities"]])


def spoken(classifier: Classifier, version: str) -> str:
    """FROM and WHERE of ``ask``: what a version has said (p) of the texts (t) as they read now."""
    return f"{_BOTH} where {_by(classifier, version)}"


def posts(classifier: Classifier, version: str, since: pd.Timestamp | None = None, unexplained: bool = False) -> str:
    """Like ``spoken``, of texts outside the ledger; ``since``: only what was scored from then on.

    ``unexplained``: only what this version has not explained, as it reads now. Annotated texts are left out: people
    have said what they are, and a model is flattered by what it has learnt.
    """
    mine = f"s.classifier = {quoted(classifier.name)}"
    outside = f"{_BOTH} left anti join splits s on s.text_id = t.text_id and {mine}"
    if unexplained:
        told = f"e.classifier = {quoted(classifier.name)} and e.model_version = {quoted(version)}"
        outside += f" left anti join explanations e on e.text_id = p.text_id and e.digest = p.digest and {told}"
    outside += f" where {_by(classifier, version)}"
    return outside + (f" and p.scored_at >= timestamp '{since:%Y-%m-%d %H:%M:%S.%f}'" if since is not None else "")


def other_than(labels: Sequence[str]) -> str:
    """What is added to ``posts`` for those that were given none of these labels."""
    return f" and p.label not in ({', '.join(map(quoted, labels))})" if labels else ""


def odds(classifier: Classifier) -> str:
    """The probability of the positive label, for ``ask``."""
    return f"p.probabilities[{quoted(classifier.positive)}]"


def ask(store: Store, sql: str) -> Iterator[dict[str, Any]]:
    """The rows that a SELECT answers with whose FROM and WHERE are ``spoken`` or ``posts``."""
    return (row for batch in store.query(sql, *TABLES) for row in batch.to_pylist())


def _by(classifier: Classifier, version: str) -> str:
    return f"p.classifier = {quoted(classifier.name)} and p.model_version = {quoted(version)}"


@dataclass(frozen=True)
class Counts:
    """Texts by the label that was said of them."""

    texts: int = 0
    calls: int = 0
    undecided: int = 0  # not confident
    labels: tuple[str, ...] = ()  # of the calls


def counts(store: Store, classifier: Classifier, those: str) -> Counts:
    """How many texts ``posts`` finds, and how many calls."""
    rows = list(ask(store, f"select p.label, p.confident, count(*) as n {those} group by 1, 2"))
    calls = [row for row in rows if classifier.is_call(row["label"])]
    return Counts(
        texts=sum(row["n"] for row in rows),
        calls=sum(row["n"] for row in calls),
        undecided=sum(row["n"] for row in rows if not row["confident"]),
        labels=tuple(sorted({row["label"] for row in calls})),
    )


def surest(store: Store, classifier: Classifier, those: str, of: Counts, most: int | None) -> dict[str, float]:
    """The surest calls among the texts of ``posts``, counted before; all of them for None. And their probabilities."""
    labels = ", ".join(map(quoted, of.labels))
    return first(store, classifier, f"{those} and p.label in ({labels})", SUREST, most) if labels else {}


def first(store: Store, classifier: Classifier, those: str, order: str, most: int | None) -> dict[str, float]:
    """The first texts of ``posts`` by an order, and their probabilities."""
    sql = f"select p.text_id as text_id, {odds(classifier)} as probability {those} order by {order}"
    rows = ask(store, sql + ("" if most is None else f" limit {most}"))
    return {row["text_id"]: row["probability"] for row in rows}


def last(store: Store, classifier: Classifier, version: str) -> tuple[pd.Timestamp, pd.Timestamp] | None:
    """The first and the last moment of what counts as the last scoring of posts: see ``scorings``. None before one."""
    rows = ask(store, f"select distinct p.scored_at as at, t.file as file {posts(classifier, version)}")
    found = scorings(arrivals(store, rows), classifier.schedule.timezone)
    return (found[0][-1], found[0][0]) if found else None


def arrivals(store: Store, rows: Iterable[Mapping[Any, Any]]) -> dict[pd.Timestamp, pd.Timestamp]:
    """For each moment ``at`` at which texts of these files were scored, when the first of the files was taken in."""
    files = store.read("files", columns=["digest", "ingested_at"])
    taken, found = dict(files.itertuples(index=False, name=None)), dict[pd.Timestamp, pd.Timestamp]()
    for row in rows:
        at = pd.to_datetime(row["at"], utc=True)
        found[at] = min(found.get(at, at), taken.get(row["file"], at))
    return found


def scorings(arrived: Mapping[pd.Timestamp, pd.Timestamp], timezone: str) -> list[list[pd.Timestamp]]:
    """The moments by scoring, the newest first: those of a day there; if one was over midnight, of the eve too.

    A scoring takes all that waits. So what was scored after midnight, and was in the lake (``arrived``) before
    something was scored on the eve, is of one scoring with that, however long a shard takes.
    """
    found: list[list[pd.Timestamp]] = []
    for at in sorted(arrived, reverse=True):
        day = at.tz_convert(timezone).date()
        newest = found[-1][0].tz_convert(timezone).date() if found else None
        eve = newest is not None and day == newest - timedelta(days=1)
        if day == newest or (eve and min(map(arrived.__getitem__, found[-1])) <= at):
            found[-1].append(at)
        else:
            found.append([at])
    return found


def explanations(store: Store, classifier: Classifier, version: str) -> dict[str, dict[str, Any]]:
    """The rows of the table ``explanations`` of a version, by text_id, then by digest, with ``fold_case``."""
    rows = store.read("explanations", {"classifier": classifier.name, "model_version": version})
    found: dict[str, dict[str, Any]] = {}
    for row in rows.assign(fold_case=classifier.explain.fold_case).to_dict("records"):
        found.setdefault(row["text_id"], {})[row["digest"]] = row
    return found


def finding(row: Mapping[Any, Any], explained: Mapping[str, dict[str, Any]], zone: tzinfo) -> Finding:
    """A row of ``of`` as a page shows it, with its explanation where that is of the text as it reads now.

    ``zone``: the classifier's, in which the page tells when the text was posted.
    """
    why = explained.get(row["text_id"], {}).get(row["digest"])
    decided = row["decided"] if isinstance(row.get("decided"), str) else None
    words = [(str(word), float(weight)) for word, weight in json.loads(why["words"])] if why else []
    return Finding(
        text_id=row["text_id"],
        text=row["text"],
        party=row["party"],
        author=row["author"],
        text_type=row["text_type"],
        posted_at=None if pd.isna(row["posted_at"]) else row["posted_at"].to_pydatetime().astimezone(zone),
        label=row["label"],
        probability=float(row["probability"]),
        confident=bool(row["confident"]),
        chosen="mismatch" if decided else why["chosen"] if why else None,
        decided=decided,
        explained=_explained(why, words),
    )


def _explained(why: dict[str, Any] | None, words: list[tuple[str, float]]) -> Explained | None:
    if why is None:
        return None
    faithful, kept = why["faithfulness"], why["unreliable"]
    return Explained(
        words,
        fit=float(why["fit"]),
        stability=float(why["stability"]),
        faithfulness=None if pd.isna(faithful) else float(faithful),
        unreliable=None if pd.isna(kept) else str(kept),
        fold_case=why["fold_case"],
    )
