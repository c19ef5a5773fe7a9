"""From votes to one label a text, or to the reason why there is none yet."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from aufruf.data.agreement import count
from aufruf.errors import DataRefused, nearest
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE

DECIDED = ("majority", "unanimous", "elsewhere")
_CONTENT = [
    "label",
    "votes",
    "margin",
    "how",
]  # what makes a row differ from the stored one; the time does not


def decide(
    votes: pd.DataFrame,
    texts: pd.DataFrame,
    labels: Sequence[str],
    minimum: int,
    classifier: str,
    now: datetime,
) -> pd.DataFrame:
    """One row of ``labels`` per text that has a vote.

    ``votes``: text_id, annotator, label. ``texts``: text_id, group_id (its wording). The label with most
    votes wins; abstentions are no votes; a label decided elsewhere outranks all votes and needs no minimum.
    Raises DataRefused when a vote is for a label that the classifier does not have.
    """
    _known_labels(votes, labels, classifier)
    ids = np.sort(votes["text_id"].unique())
    cast = votes[votes["label"] != ABSTAIN]
    counts = _counts(cast, ids, labels)
    elsewhere = cast[cast["annotator"] == DECIDED_ELSEWHERE].set_index("text_id")["label"]
    chosen = _chosen(elsewhere, ids, labels)
    how = _how(counts, chosen >= 0, np.isin(ids, contradictions(elsewhere, texts)), minimum)
    winner = np.where(chosen >= 0, chosen, counts.argmax(axis=1))
    decided = np.isin(how, DECIDED)
    return pd.DataFrame(
        {
            "classifier": classifier,
            "text_id": ids.astype(object),
            "label": _named(labels, np.where(decided, winner, -1)),
            "votes": counts.sum(axis=1),
            "margin": np.where(decided, _margin(counts, winner), 0.0),
            "how": how,
            "decided_at": pd.Timestamp(now),
        }
    )


def _named(labels: Sequence[str], winner: np.ndarray) -> pd.Series:
    """The label at each index, None at -1."""
    names = [*labels, None]
    return pd.Series([names[at] for at in winner], dtype=object)


def contradictions(elsewhere: pd.Series, texts: pd.DataFrame) -> list[str]:
    """Ids of texts that read the same and were given different labels elsewhere (Series text_id -> label)."""
    reading = texts.drop_duplicates("text_id").set_index("text_id")["group_id"]
    frame = pd.DataFrame({"label": elsewhere, "reading": reading.reindex(elsewhere.index)}).dropna()
    differing = frame.groupby("reading")["label"].transform("nunique") > 1
    return frame.index[differing].tolist()


def changed(decided: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``decided`` that ``known`` lacks or holds otherwise, the time of decision aside."""
    before = known.set_index("text_id")[_CONTENT].reindex(decided["text_id"]).reset_index(drop=True)
    after = decided[_CONTENT].reset_index(drop=True)
    same = (before == after) | (before.isna() & after.isna())
    return decided[~same.all(axis=1).to_numpy()]


def _known_labels(votes: pd.DataFrame, labels: Sequence[str], classifier: str) -> None:
    allowed = {*labels, ABSTAIN}
    strange = sorted(set(votes["label"]) - allowed)
    if strange:
        raise DataRefused(
            f"{int(votes['label'].isin(strange).sum())} votes are for {strange[0]!r}, not a label of the classifier",
            where=f"annotations of {classifier}",
            next=f"{nearest(strange[0], allowed)} Name it under labels, or ingest the votes again.",
        )


def _counts(cast: pd.DataFrame, ids: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Votes, shape (ids, labels); a text on which everyone abstained has a row of zeros."""
    counts = np.zeros((len(ids), len(labels)), dtype=np.int64)
    if len(cast):
        counts[np.searchsorted(ids, np.sort(cast["text_id"].unique()))] = count(cast, labels)
    return counts


def _chosen(elsewhere: pd.Series, ids: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Index of the label decided elsewhere, or -1; shape (ids,)."""
    index = {label: at for at, label in enumerate(labels)}
    return elsewhere.map(index).reindex(ids).fillna(-1).to_numpy(dtype=np.int64)


def _how(counts: np.ndarray, elsewhere: np.ndarray, contradicted: np.ndarray, minimum: int) -> np.ndarray:
    votes, top = counts.sum(axis=1), counts.max(axis=1)
    tied = (counts == top[:, None]).sum(axis=1) > 1
    return np.select(
        [contradicted, elsewhere, votes < minimum, tied, top == votes],
        ["contradiction", "elsewhere", "too_few_votes", "tie", "unanimous"],
        default="majority",
    ).astype(object)


def _margin(counts: np.ndarray, winner: np.ndarray) -> np.ndarray:
    """(votes for the winner - most votes for another label) / votes, shape (texts,)."""
    rows = np.arange(len(counts))
    others = counts.copy()
    others[rows, winner] = -1
    return (counts[rows, winner] - others.max(axis=1)) / np.maximum(counts.sum(axis=1), 1)
