"""How far the labels of a file lie from those known: an annotator who swaps or never changes the label shows here."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.schemas import ABSTAIN, CHOSEN


def divergence(votes: pd.DataFrame, classifier: Classifier, known: Mapping[str, int], enough: int) -> float | None:
    """Kullback-Leibler divergence (nats) of a file's labels from those known; None when either are too few.

    Votes on texts that our own queues chose are left out: calls and doubtful texts are many there on purpose. Half a
    vote is added to every label of both, so that a label never seen has a probability. Of several labels at once
    each set that was seen counts as a label.
    """
    asked = votes["question"].isin(["", classifier.question]) & ~votes["why"].isin(CHOSEN)
    written = votes.loc[asked, "label"].value_counts()
    mine: Counter[str] = Counter()
    for word, n in written.items():
        mine[classifier.label_of(str(word)) or ABSTAIN] += int(n)
    others = sorted({value for value in {*mine, *known} if classifier.is_value(value)}.difference(classifier.labels))
    here, before = ([counts.get(one, 0) + 0.5 for one in [*classifier.labels, *others]] for counts in (mine, known))
    if min(sum(here), sum(before)) < enough:
        return None
    p, q = np.array(here) / sum(here), np.array(before) / sum(before)
    return float((p * np.log(p / q)).sum())
