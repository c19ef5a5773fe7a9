"""How far annotators agree: Krippendorff's alpha with an interval, and Cohen's kappa for each pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import krippendorff
import numpy as np
import pandas as pd

from aufruf.errors import DataRefused
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE

_RESAMPLES = 1000  # the ends of a 95 % interval move by less than .01 beyond this
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Agreement:
    """What can be said of a set of votes; a value is None where it cannot be computed."""

    alpha: float | None
    low: float | None  # 95 % interval of alpha, texts resampled
    high: float | None
    texts: int  # texts with two votes or more: the only ones that say anything
    annotators: int
    kappas: dict[tuple[str, str], float | None]  # every pair that shares a text


def measure(votes: pd.DataFrame, labels: Sequence[str], seed: int = 5460) -> Agreement:
    """Agreement of ``votes`` (columns text_id, annotator, label); abstentions are missing values.

    Labels that were decided elsewhere are nobody's vote and are left out.
    """
    own = votes[(votes["annotator"] != DECIDED_ELSEWHERE) & (votes["label"] != ABSTAIN)]
    counts = count(own, labels)
    double = counts[counts.sum(axis=1) >= 2]
    low, high = interval(double, seed)
    kappas = pairwise_kappa(own)
    return Agreement(alpha(double), low, high, len(double), own["annotator"].nunique(), kappas)


def count(votes: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Votes per text and label, shape (texts, labels), texts in ascending order of their id."""
    table = pd.crosstab(votes["text_id"], votes["label"]).reindex(columns=list(labels), fill_value=0)
    return table.to_numpy(dtype=np.int64)


def alpha(counts: np.ndarray) -> float | None:
    """Krippendorff's nominal alpha of counts of shape (texts, labels); None where it is not defined.

    That is without a text that has two votes, and when all votes are for one label.

    Krippendorff, Content Analysis, 4th edition, section 12.3: one minus observed over expected disagreement.
    """
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) == 0 or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def interval(counts: np.ndarray, seed: int, resamples: int = _RESAMPLES) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval (95 %) of alpha over texts; (None, None) where alpha is None.

    A resample in which all votes are the same has no alpha and is left out.
    """
    if alpha(counts) is None:
        return None, None
    counts = counts[counts.sum(axis=1) >= 2]
    random = np.random.default_rng(seed)
    values = np.full(resamples, np.nan)
    per_text = counts.sum(axis=1)
    differing = (per_text**2 - (counts**2).sum(axis=1)) / (per_text - 1)  # ordered pairs that differ, per text
    for at in range(resamples):
        drawn = np.bincount(random.integers(len(counts), size=len(counts)), minlength=len(counts))
        totals = drawn @ counts
        n = totals.sum()
        expected = (n**2 - (totals**2).sum()) / (n - 1)
        if expected > 0:
            values[at] = 1 - (drawn @ differing) / expected
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def pairwise_kappa(votes: pd.DataFrame) -> dict[tuple[str, str], float | None]:
    """Cohen's kappa of every pair of annotators that shares a text, keyed by the two names in order."""
    by_annotator = {
        str(name): rows.set_index("text_id")["label"]
        for name, rows in votes.drop_duplicates(["text_id", "annotator"], keep="last").groupby("annotator")
    }
    kappas = {}
    for one, other in combinations(sorted(by_annotator), 2):
        both = pd.concat([by_annotator[one], by_annotator[other]], axis=1, join="inner")
        if len(both):
            kappas[(one, other)] = kappa(both.iloc[:, 0].tolist(), both.iloc[:, 1].tolist())
    return kappas


def kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Cohen's kappa of two equally long lists of labels (Cohen 1960); None when chance alone agrees fully."""
    pairs = pd.crosstab(pd.Series(list(one)), pd.Series(list(other)))
    names = pairs.index.union(pairs.columns)
    table = pairs.reindex(index=names, columns=names, fill_value=0).to_numpy() / len(one)
    chance = float(table.sum(axis=1) @ table.sum(axis=0))
    return None if chance == 1 else float((np.trace(table) - chance) / (1 - chance))


def guard(agreement: Agreement, floor: float, where: str) -> None:
    """Raise DataRefused when alpha is known and below ``floor``."""
    if agreement.alpha is None or agreement.alpha >= floor:
        return
    raise DataRefused(
        f"annotators agree too little: Krippendorff's alpha {agreement.alpha:.3f} "
        f"[{agreement.low:.3f}, {agreement.high:.3f}] on {agreement.texts} texts "
        f"is below the floor {floor:g}",
        where=where,
        next=f"No label was changed. {_suspect(agreement)}Annotate again after mending the guideline, "
        "or lower votes.alpha_floor in the classifier file.",
    )


def _suspect(agreement: Agreement) -> str:
    """The annotator who agrees least with the others, where there are enough to tell."""
    of: dict[str, list[float]] = {}
    for pair, value in agreement.kappas.items():
        for name in pair:
            of.setdefault(name, []).append(1.0 if value is None else value)
    if len(of) < 3:
        return ""
    name = min(sorted(of), key=lambda who: sum(of[who]) / len(of[who]))
    mean = sum(of[name]) / len(of[name])
    return f"Annotator {name!r} agrees least with the others (mean Cohen's kappa {mean:.2f}). "
