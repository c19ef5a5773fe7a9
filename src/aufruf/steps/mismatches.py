"""Test texts on which a version and their label disagree: a table for the page, tasks for annotators."""

from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import queue
from aufruf.model.mismatches import Mismatch, mismatches, neighbours
from aufruf.reports.evaluation import Doubt, Near
from aufruf.settings import Settings
from aufruf.steps import label
from aufruf.store import Store

_SHOWN = 100  # with neighbours, on the page; the queue has them all


def ranked(classifier: Classifier, said: pd.DataFrame) -> list[Mismatch]:
    """The rows of ``said`` (label, label_said, probabilities) that disagree, the likeliest wrong label first."""
    truth, found = (np.array(classifier.targets(said[name]), dtype=np.bool_) for name in ("label", "label_said"))
    odds = np.array([[one[label] for label in classifier.labels] for one in said["probabilities"]])
    return mismatches(truth, found, odds, classifier.multi_label)


def doubts(store: Store, classifier: Classifier, said: pd.DataFrame, frame: pd.DataFrame) -> list[Doubt]:
    """The first of ``ranked`` with their votes, and the training texts that read like them.

    ``said``: rows of the test set, with text_id and text; ``frame``: all labelled texts.
    """
    found = ranked(classifier, said)[:_SHOWN]
    rows, train = said.iloc[[one.row for one in found]], frame[frame["split"] == "train"]
    near = neighbours(rows["text"].tolist(), train["text"].tolist())
    votes = _votes(store, classifier)
    return [
        Doubt(
            text_id=row["text_id"],
            text=row["text"],
            label=row["label"],
            said=row["label_said"],
            probability=float(row["probabilities"][classifier.positive]),
            confidence=one.confidence,
            margin=one.margin,
            suspect=one.suspect,
            votes=votes.get(row["text_id"], ""),
            near=[_near(train.iloc[place.row], place.similarity) for place in places],
        )
        for one, row, places in zip(found, rows.to_dict("records"), near, strict=True)
    ]


def tasks(settings: Settings, classifier: Classifier, said: pd.DataFrame) -> list[dict[str, Any]]:
    """A Label Studio task for each of ``ranked``, in its order."""
    ids = said["text_id"].iloc[[one.row for one in ranked(classifier, said)]].tolist()
    texts = Store(settings.lake).read("texts", {"text_id": ids}, ["text_id", "post_id", "text", "text_type"])
    ranks = texts.drop_duplicates("text_id").set_index("text_id").loc[ids].reset_index()
    return queue.doubted(ranks, label.counted(settings, classifier))


def _votes(store: Store, classifier: Classifier) -> dict[str, str]:
    """How each label was decided, in words."""
    rows = store.read("labels", {"classifier": classifier.name}, ["text_id", "votes", "margin", "how"])
    return {
        row["text_id"]: "decided elsewhere"
        if row["how"] == "elsewhere"
        else f"{row['votes']} votes, {row['how']}, margin {row['margin']:.2f}"
        for row in rows.to_dict("records")
    }


def _near(row: "pd.Series[Any]", similarity: float) -> Near:
    return Near(row["text_id"], row["text"], row["label"], similarity)
