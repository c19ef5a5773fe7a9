"""How far the labels of a file lie from those known: an annotator who swaps or never changes the label shows here."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.schemas import ABSTAIN, CHOSEN


def divergence(votes: pd.DataFrame, classifier: Classifier, known: Mapping[str, int], enough: int) -> float | None:
    """Kullback-Leibler divergence (nats) of a file's labels from those known; None when either has too few votes.

    Of several labels at once each is compared by itself, does it apply or not, and the one farthest off counts. Votes
    on texts that our own queues chose are left out: calls and doubtful texts are many there on purpose.
    """
    asked = votes["question"].isin(["", classifier.question]) & ~votes["why"].isin(CHOSEN)
    mine: Counter[str] = Counter()
    for word, n in votes.loc[asked, "label"].value_counts().items():
        mine[classifier.label_of(str(word)) or ABSTAIN] += int(n)
    here, before = _counted(mine, classifier), _counted(known, classifier)
    if min(here[0].sum(), before[0].sum()) < enough:
        return None
    return max(_divergence(one, other) for one, other in zip(here, before, strict=True))


def _counted(values: Mapping[str, int], classifier: Classifier) -> np.ndarray:
    """Votes by answer, (questions, answers): which label it is, or of several labels for each whether it applies."""
    counts = {value: n for value, n in values.items() if classifier.is_value(value)}
    said = np.zeros(len(classifier.labels), dtype=np.int64)
    for target, n in zip(classifier.targets(counts), counts.values(), strict=True):
        said += n * np.array(target)
    return np.stack([said, sum(counts.values()) - said], axis=1) if classifier.multi_label else said[None]


def _divergence(here: np.ndarray, before: np.ndarray) -> float:
    """KL divergence of one from the other, less what samples of one distribution have on average; never below 0.

    Half a vote is added to every answer of both, so that one never seen has a probability. Of K answers samples of n
    and m votes have some (K - 1) / 2 (1 / n + 1 / m) by chance: 2nm / (n + m) times the divergence is about chi-squared
    with K - 1 degrees of freedom (Kullback, Information Theory and Statistics, 1959, chapter 6).
    """
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (here, before))
    chance = (len(here) - 1) / 2 * (1 / here.sum() + 1 / before.sum())
    return max(0.0, float((p * np.log(p / q)).sum()) - chance)
