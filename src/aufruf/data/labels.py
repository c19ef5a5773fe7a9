"""From votes to one label a text, or to the reason why there is none yet.

The rule: the label with most votes wins when at least ``votes.minimum`` annotators voted and no other label has
as many votes. An abstention is no vote. A label that was decided elsewhere outranks all votes. Where a text may have
``several`` labels, each applies or not by the majority of the votes, and a tie on one leaves the text undecided.
"""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pandas as pd

from aufruf.data.agreement import count
from aufruf.data.batches import COUNTS, EXCLUDED, HELD_OUT, OUTDATED
from aufruf.errors import DataRefused, nearest
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, JOINT, NONE, names_in

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
    standing: pd.Series | None = None,
    *,
    several: bool = False,
) -> pd.DataFrame:
    """One row of ``labels`` per text that has a vote.

    ``votes``: text_id, annotator, label. ``texts``: text_id, group_id (its wording). ``standing``: which votes
    count (see ``batches``); without it all do. A text whose only votes are held out is ``held_back``; one whose only
    votes were for another wording of it is ``edited``.
    Raises DataRefused when a vote is for a label that the classifier does not have.
    """
    known_labels(votes, labels, classifier, several=several)
    ids = np.sort(votes["text_id"].unique())
    standing = pd.Series(COUNTS, index=votes.index) if standing is None else standing
    cast = votes[(votes["label"] != ABSTAIN) & (standing == COUNTS)]
    own = votes["label"] != ABSTAIN
    aside, outdated = (votes.loc[own & (standing == kind), "text_id"] for kind in (HELD_OUT, OUTDATED))
    counts = _counts(cast, ids, labels, several)
    elsewhere = cast[cast["annotator"] == DECIDED_ELSEWHERE].set_index("text_id")["label"]
    chosen = _chosen(elsewhere, ids, labels, several)
    number = counts[0].sum(axis=1)
    without = (number == 0) & np.isin(ids, aside), (number == 0) & np.isin(ids, outdated)
    how = _how(counts, chosen[0] >= 0, np.isin(ids, contradictions(elsewhere, texts)), without, minimum)
    winner = np.where(chosen >= 0, chosen, counts.argmax(axis=2))
    decided = np.isin(how, DECIDED)
    return pd.DataFrame(
        {
            "classifier": classifier,
            "text_id": ids.astype(object),
            "label": _named(labels, winner, several).where(decided, None),
            "votes": number,
            "margin": np.where(decided, _margin(counts, winner), 0.0),
            "how": how,
            "decided_at": pd.Timestamp(now),
        }
    )


def _named(labels: Sequence[str], winner: np.ndarray, several: bool) -> pd.Series:
    """The value for each text of the winning answers, shape (questions, texts)."""
    if not several:
        return pd.Series([labels[at] for at in winner[0]], dtype=object)
    sets = [[label for label, applies in zip(labels, row, strict=True) if applies] for row in winner.T]
    return pd.Series([JOINT.join(names) or NONE for names in sets], dtype=object)


def contradictions(elsewhere: pd.Series, texts: pd.DataFrame) -> list[str]:
    """Ids of texts that read the same and were given different labels elsewhere (Series text_id -> label)."""
    reading = texts.drop_duplicates("text_id").set_index("text_id")["group_id"]
    frame = pd.DataFrame({"label": elsewhere, "reading": reading.reindex(elsewhere.index)}).dropna()
    differing = frame.groupby("reading")["label"].transform("nunique") > 1
    return frame.index[differing].tolist()


def keep(
    decided: pd.DataFrame,
    known: pd.DataFrame,
    votes: pd.DataFrame,
    standing: pd.Series,
    arrived: pd.Series,
    minimum: int,
) -> pd.DataFrame:
    """The rows of ``decided``, with the stored row where held-out votes only replaced the votes that decided it.

    An annotator's second vote on a text takes the place of the first. When the second one is held out, neither
    counts: fewer votes than the label was decided by. That label stays, if it was decided before any of the
    held-out votes arrived, and if no vote on the text was for another wording. Where the votes that are left decide
    something, they do so only with one among them that arrived after the label was decided: they would not have, had
    nobody voted again. ``known``: stored labels. ``arrived``: file digest -> time it was ingested.
    """
    held = votes[standing == HELD_OUT]
    if held.empty or known.empty:
        return decided
    at = pd.to_datetime(held["file"].map(arrived), utc=True)  # NaT: its file is not entered yet
    since = at.groupby(held["text_id"]).min()
    counting = votes[standing == COUNTS]
    came = pd.to_datetime(counting["file"].map(arrived), utc=True)
    then = pd.to_datetime(counting["text_id"].map(known.set_index("text_id")["decided_at"]), utc=True)
    anew = counting.loc[~(came < then), "text_id"]  # voted on since
    before = known.set_index("text_id").reindex(decided["text_id"]).reset_index()
    replaced = (
        before["label"].notna().to_numpy()
        & decided["how"].isin(("tie", "too_few_votes", "held_back", "majority", "unanimous")).to_numpy()
        & ~(decided["label"].notna() & decided["text_id"].isin(anew)).to_numpy()
        & decided["text_id"].isin(held["text_id"]).to_numpy()
        & ~decided["text_id"].isin(votes.loc[standing.isin((EXCLUDED, OUTDATED)), "text_id"]).to_numpy()
        & (before["votes"] > decided["votes"].to_numpy()).to_numpy()
        & (before["votes"] >= minimum).to_numpy()
        & ~(before["decided_at"] >= before["text_id"].map(since)).to_numpy()
    )
    return decided.assign(
        **{column: decided[column].where(~replaced, before[column].to_numpy()) for column in [*_CONTENT, "decided_at"]}
    ).astype({"votes": np.int64})


def changed(decided: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``decided`` that ``known`` lacks or holds otherwise, the time of decision aside."""
    before = known.set_index("text_id")[_CONTENT].reindex(decided["text_id"]).reset_index(drop=True)
    after = decided[_CONTENT].reset_index(drop=True)
    same = (before == after) | (before.isna() & after.isna())
    return decided[~same.all(axis=1).to_numpy()]


def known_labels(votes: pd.DataFrame, labels: Sequence[str], classifier: str, *, several: bool = False) -> None:
    """Raise DataRefused, naming the label, when a vote is for one that the classifier does not have."""
    allowed = {*labels, ABSTAIN, NONE} if several else {*labels, ABSTAIN}
    split = names_in if several else lambda value: (value,)
    strange = sorted(value for value in set(votes["label"]) if not allowed.issuperset(split(value)))
    if strange:
        raise DataRefused(
            f"{int(votes['label'].isin(strange).sum())} votes are for {strange[0]!r}, not a label of the classifier",
            where=f"annotations of {classifier}",
            next=f"{nearest(strange[0], allowed)} Name it under labels, or ingest the votes again.",
        )


def _counts(cast: pd.DataFrame, ids: np.ndarray, labels: Sequence[str], several: bool) -> np.ndarray:
    """Votes, shape (questions, ids, answers), see ``agreement.count``; zeros where everyone abstained."""
    found = count(cast, labels, several=several)
    counts = np.zeros((len(found), len(ids), found.shape[2]), dtype=np.int64)
    counts[:, np.searchsorted(ids, np.sort(cast["text_id"].unique()))] = found
    return counts


def _chosen(elsewhere: pd.Series, ids: np.ndarray, labels: Sequence[str], several: bool) -> np.ndarray:
    """The answers that were given elsewhere, or -1; shape (questions, ids)."""
    names = elsewhere.map(names_in).reindex(ids)
    said = [[label in one for label in labels] if isinstance(one, tuple) else None for one in names]
    questions = len(labels) if several else 1
    return (
        np.array(
            [[-1] * questions if row is None else row if several else [row.index(True)] for row in said], dtype=np.int64
        )
        .reshape(len(ids), questions)
        .T
    )


def _how(
    counts: np.ndarray,
    elsewhere: np.ndarray,
    contradicted: np.ndarray,
    without: tuple[np.ndarray, np.ndarray],  # no vote that counts: all are held back, or for another wording
    minimum: int,
) -> np.ndarray:
    votes, top = counts[0].sum(axis=1), counts.max(axis=2)
    tied = ((counts == top[:, :, None]).sum(axis=2) > 1).any(axis=0)
    alike = (top == votes).all(axis=0)
    return np.select(
        [contradicted, elsewhere, *without, votes < minimum, tied, alike],
        ["contradiction", "elsewhere", "held_back", "edited", "too_few_votes", "tie", "unanimous"],
        default="majority",
    ).astype(object)


def _margin(counts: np.ndarray, winner: np.ndarray) -> np.ndarray:
    """The smallest over the questions of (votes for the winner - most for another answer) / votes, shape (texts,)."""
    won = np.take_along_axis(counts, winner[:, :, None], axis=2)[:, :, 0]
    others = counts.copy()
    np.put_along_axis(others, winner[:, :, None], -1, axis=2)
    return ((won - others.max(axis=2)) / np.maximum(counts[0].sum(axis=1), 1)).min(axis=0)
