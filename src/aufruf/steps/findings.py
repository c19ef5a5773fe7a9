"""What a version has said of the posts nobody annotated: the frame that explanations, reports and status start from."""

import json
from collections.abc import Iterable, Mapping
from datetime import timedelta, tzinfo
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.reports.facts import Explained, Finding
from aufruf.store import Store

_PAUSE = pd.Timedelta(minutes=30)  # between two commits of one scoring, at most
_ABOUT = ["text_id", "digest", "text", "text_type", "post_type", "platform", "party", "author", "posted_at"]


def scored(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """Predictions of a version for texts outside the ledger, beside the text as it reads now, and its probability.

    Annotated texts are left out: people have said what they are, and a model is flattered by what it has learnt.
    """
    return outside(store, classifier, said(store, classifier, version))


def outside(store: Store, classifier: Classifier, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``said`` whose texts are not in the ledger."""
    annotated = store.read("splits", {"classifier": classifier.name}, ["text_id"])["text_id"]
    return frame[~frame["text_id"].isin(annotated)].reset_index(drop=True)


def said(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """All predictions of a version, beside the text as it reads now, and the probability of the positive label."""
    rows = store.read("predictions", {"classifier": classifier.name, "model_version": version})
    frame = rows.merge(store.read("texts", columns=_ABOUT), on=["text_id", "digest"])
    return frame.assign(probability=[one[classifier.positive] for one in frame["probabilities"]])


def latest(frame: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """The rows of the day, there, on which texts were last scored; if a scoring was over midnight, of the eve too."""
    return frame if frame.empty else frame[frame["scored_at"] >= begun(frame["scored_at"], timezone)]


def begun(moments: "pd.Series[pd.Timestamp]", timezone: str) -> pd.Timestamp:
    """The moment from which on what was scored at these counts as the last scoring's: see ``latest``."""
    return scorings(moments.unique(), timezone)[0][-1]


def scorings(moments: Iterable[pd.Timestamp], timezone: str) -> list[list[pd.Timestamp]]:
    """The moments by scoring, the newest first: those of a day there; if one was over midnight, of the eve too."""
    found: list[list[pd.Timestamp]] = []
    for at in sorted(moments, reverse=True):
        day = at.tz_convert(timezone).date()
        newest = found[-1][0].tz_convert(timezone).date() if found else None
        eve = newest is not None and day == newest - timedelta(days=1)
        if day == newest or (eve and found[-1][-1] - at <= _PAUSE):
            found[-1].append(at)
        else:
            found.append([at])
    return found


def explanations(store: Store, classifier: Classifier, version: str) -> dict[str, dict[str, Any]]:
    """The rows of the table ``explanations`` of a version, by text_id."""
    rows = store.read("explanations", {"classifier": classifier.name, "model_version": version})
    return {row["text_id"]: {str(k): v for k, v in row.items()} for row in rows.to_dict("records")}


def finding(row: Mapping[Any, Any], explained: Mapping[str, dict[str, Any]], zone: tzinfo) -> Finding:
    """A row of ``said`` as a page shows it, with its explanation where that is of the text as it reads now.

    ``zone``: the classifier's, in which the page tells when the text was posted.
    """
    why = explained.get(row["text_id"])
    why = why if why is not None and why["digest"] == row["digest"] else None
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
    kept = why["unreliable"]
    return Explained(words, float(why["fit"]), float(why["stability"]), None if pd.isna(kept) else str(kept))
