"""What stands beside a text on its page: what such a probability was worth so far, and training texts like it."""

from collections.abc import Callable

import numpy as np

from aufruf.classifier import Classifier
from aufruf.model.neighbours import nearest
from aufruf.reports.day import Neighbour, Record
from aufruf.reports.intervals import wilson
from aufruf.steps import corpus
from aufruf.store import Store

_NEAREST = 50  # test texts that are compared at most; more would reach further from the probability
_FEWEST = 20  # below, the interval spans nearly everything
_WITHIN = 0.1  # of the probability: texts farther off were another question


def track_record(store: Store, classifier: Classifier, version: str) -> Callable[[float], Record | None]:
    """Probability of the positive class -> what became of the test texts that this version gave the nearest ones.

    The texts are those of the frozen test set with a label, as they were scored, at most 50 within 0.1 of the
    probability, and of one group (a post, near-duplicates) the nearest only. None with fewer than 20 of them.
    """
    rows = corpus.answered(store, classifier, version).sort_values("text_id")
    scores = np.array([one[classifier.positive] for one in rows["probabilities"]], dtype=float)
    truth, groups = corpus.calls(rows["label"], classifier), rows["group_id"].to_numpy(dtype=str)

    def record(probability: float) -> Record | None:
        near = np.argsort(np.abs(scores - probability), kind="stable")
        near = near[np.sort(np.unique(groups[near], return_index=True)[1])][:_NEAREST]
        near = near[np.abs(scores[near] - probability) <= _WITHIN]
        if len(near) < _FEWEST:
            return None
        calls = int(truth[near].sum())
        return Record(len(near), calls, float(scores[near].min()), float(scores[near].max()), *wilson(calls, len(near)))

    return record


def neighbours(store: Store, classifier: Classifier, texts: list[str]) -> list[list[Neighbour]]:
    """The labelled training texts most like each of these, the most similar first."""
    mine, most = {"classifier": classifier.name}, classifier.report.neighbours
    if not (texts and most):
        return [[] for _ in texts]
    train = store.read("splits", {**mine, "split": "train"}, ["text_id"])
    labels = store.read("labels", mine, ["text_id", "label"]).dropna()
    known = store.read("texts", {"text_id": train["text_id"].tolist()}, ["text_id", "text"])
    known = known.merge(labels, on="text_id").sort_values("text_id", ignore_index=True)
    ids, words, said = (known[column].tolist() for column in ("text_id", "text", "label"))
    found = nearest(words, texts, most)
    return [[Neighbour(ids[at], words[at], said[at], similarity) for at, similarity in one] for one in found]
