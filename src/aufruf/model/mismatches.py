"""Texts on which model and label disagree, the likeliest wrong *label* first, and what was trained on beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aufruf.model.metrics import Flags, Floats

_NEAR = 3  # neighbours of a text


@dataclass(frozen=True)
class Mismatch:
    """A row whose given label is not what the model says."""

    row: int
    confidence: float  # the probability that the model gives the given label
    margin: float  # that, minus the probability of the likeliest other answer: -1 to 1
    suspect: bool  # another label is as likely as it is, on average, for the texts that have it


@dataclass(frozen=True)
class Neighbour:
    """A training text that reads like a row: its position, and the cosine of their TF-IDF vectors, 0 to 1."""

    row: int
    similarity: float


def mismatches(truth: Flags, said: Flags, probabilities: Floats, several: bool) -> list[Mismatch]:
    """The rows where ``said`` is not ``truth``, all (texts, labels), by normalised margin, the least first.

    Confident learning (Northcutt, Jiang and Chuang 2021, JAIR 70): the self-confidence of a label is the model's
    probability of it; the normalised margin is p(given) - max p(another); a label is suspect where some other label j
    has p(j) >= t(j), the mean self-confidence of the texts with label j. Where a text may have ``several`` labels,
    each is a question of its own, and the worst answer counts (Thyagarajan et al. 2022). The rows must not have been
    trained on.
    """
    if several:
        given = np.where(truth, probabilities, 1 - probabilities)
        confidence, margin = given.min(axis=1), 2 * given.min(axis=1) - 1
        suspect = ((1 - given) >= _expected(given, truth)).any(axis=1)
    else:
        confidence = probabilities[truth]
        others = np.where(truth, -np.inf, probabilities)
        margin = confidence - others.max(axis=1)
        usual = np.array([_mean(probabilities[truth[:, at], at]) for at in range(truth.shape[1])])
        suspect = (others >= usual).any(axis=1)
    wrong = np.flatnonzero((truth != said).any(axis=1))
    order = wrong[np.argsort(margin[wrong], kind="stable")]
    columns = (part[order].tolist() for part in (np.arange(len(truth)), confidence, margin, np.asarray(suspect)))
    return [Mismatch(*row) for row in zip(*columns, strict=True)]


def neighbours(texts: Sequence[str], train: Sequence[str]) -> list[list[Neighbour]]:
    """The training texts nearest to each text, the nearest first: cosine of TF-IDF of character 3- to 5-grams."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    if not texts or not train:
        return [[] for _ in texts]
    features = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    known = features.fit_transform(list(train))
    cosines = (features.transform(list(texts)) @ known.T).toarray()
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :_NEAR]
    return [
        [Neighbour(int(at), float(row[at])) for at in places if row[at] > 0]
        for row, places in zip(cosines, nearest, strict=True)
    ]


def _expected(given: Floats, truth: Flags) -> Floats:
    """For each row and label, the mean self-confidence of the opposite answer among the rows that have that."""
    yes = np.array([_mean(given[truth[:, at], at]) for at in range(truth.shape[1])])
    no = np.array([_mean(given[~truth[:, at], at]) for at in range(truth.shape[1])])
    return np.where(truth, no, yes)


def _mean(values: Floats) -> float:
    return float(values.mean()) if len(values) else float("inf")  # what nobody has is nobody's likely answer
