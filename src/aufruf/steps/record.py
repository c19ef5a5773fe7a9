"""What a probability was worth so far: how often test texts with a similar one turned out to be calls."""

from collections.abc import Callable

import numpy as np

from aufruf.classifier import Classifier
from aufruf.reports.day import Record
from aufruf.reports.intervals import wilson
from aufruf.steps import corpus
from aufruf.store import Store

_NEAREST = 50  # test texts that are compared; more would reach further from the probability, fewer say less
_FEWEST = 20  # below, the interval spans nearly everything


def track_record(store: Store, classifier: Classifier, version: str) -> Callable[[float], Record | None]:
    """Probability of the positive class -> what became of the test texts that this version gave the nearest ones.

    The texts are those of the frozen test set with a label, as they were scored. None with fewer than 20 of them.
    """
    mine = {"classifier": classifier.name}
    test = store.read("splits", {**mine, "split": "test"}, ["text_id"])
    said = store.read("predictions", {**mine, "model_version": version}, ["text_id", "digest", "probabilities"])
    labels = store.read("labels", mine, ["text_id", "label"]).dropna()
    now = store.read("texts", {"text_id": test["text_id"].tolist()}, ["text_id", "digest"])
    rows = test.merge(now, on="text_id").merge(said, on=["text_id", "digest"]).merge(labels, on="text_id")
    scores = np.array([one[classifier.positive] for one in rows["probabilities"]], dtype=float)
    truth = corpus.calls(rows["label"], classifier)

    def record(probability: float) -> Record | None:
        if len(scores) < _FEWEST:
            return None
        near = np.argsort(np.abs(scores - probability), kind="stable")[:_NEAREST]
        calls = int(truth[near].sum())
        return Record(len(near), calls, float(scores[near].min()), float(scores[near].max()), *wilson(calls, len(near)))

    return record
