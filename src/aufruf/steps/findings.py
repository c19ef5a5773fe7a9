"""What a version has said of the posts nobody annotated: the frame that explanations, reports and status start from."""

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.store import Store

_ABOUT = ["text_id", "digest", "text", "text_type", "post_type", "platform", "party", "author", "posted_at"]


def scored(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """Predictions of a version for texts outside the ledger, beside the text as it reads now, and its probability.

    Annotated texts are left out: people have said what they are, and a model is flattered by what it has learnt.
    """
    annotated = store.read("splits", {"classifier": classifier.name}, ["text_id"])["text_id"]
    frame = said(store, classifier, version)
    return frame[~frame["text_id"].isin(annotated)].reset_index(drop=True)


def said(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """All predictions of a version, beside the text as it reads now, and the probability of the positive label."""
    rows = store.read("predictions", {"classifier": classifier.name, "model_version": version})
    frame = rows.merge(store.read("texts", columns=_ABOUT), on=["text_id", "digest"])
    return frame.assign(probability=[one[classifier.positive] for one in frame["probabilities"]])


def latest(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the day (UTC) on which texts were last scored."""
    if frame.empty:
        return frame
    days = frame["scored_at"].dt.date
    return frame[days == days.max()]
