"""The ledger on 6,840 real posts: what a random split would leak, and ours does not."""

from collections.abc import Mapping
from itertools import combinations

import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from tests.corpus.conftest import NOW, added, frame, prove, text, vote, wordings

from aufruf.data.duplicates import Alike
from aufruf.data.labels import decide
from aufruf.data.splits import LEDGER
from aufruf.schemas import DECIDED_ELSEWHERE


@pytest.fixture(scope="module")
def texts(germeval: list[dict[str, str]]) -> pd.DataFrame:
    return frame([text(row["id"], row["description"]) for row in germeval])


@pytest.fixture(scope="module")
def labels(germeval: list[dict[str, str]], texts: pd.DataFrame) -> pd.DataFrame:
    said = {"TRUE": "call", "FALSE": "no_call"}
    votes = frame([vote(row["id"], DECIDED_ELSEWHERE, said[row["C2A"]]) for row in germeval])
    return decide(votes, texts, ("no_call", "call"), 2, "c", NOW)


@pytest.fixture(scope="module")
def near(texts: pd.DataFrame) -> Alike:
    return wordings(texts)


@pytest.fixture(scope="module")
def ledger(texts: pd.DataFrame, labels: pd.DataFrame, near: Alike) -> pd.DataFrame:
    return frame(added([], labels, texts, near=near))


@pytest.fixture(scope="module")
def alike(texts: pd.DataFrame, near: Alike) -> list[tuple[str, str]]:
    """All pairs of text ids with one wording, or with near-duplicate wordings."""
    ids = {str(name): part.tolist() for name, part in texts.groupby("group_id")["text_id"]}
    same = [pair for group in ids.values() for pair in combinations(group, 2)]
    return same + [(a, b) for one, other in near.pairs(list(ids)) for a in ids[one] for b in ids[other]]


def crossing(pairs: list[tuple[str, str]], side: Mapping[str, str]) -> int:
    return sum(side[one] != side[other] for one, other in pairs if one in side and other in side)


def test_a_random_split_leaks_and_the_ledger_does_not(
    texts: pd.DataFrame, labels: pd.DataFrame, ledger: pd.DataFrame, alike: list[tuple[str, str]]
) -> None:
    """A correct stratified 60/20/20 puts scores of alike pairs on two sides; the ledger none."""
    decided = labels[labels["label"].notna()]
    ids, said = decided["text_id"].tolist(), decided["label"].tolist()
    train, rest, _, rest_said = train_test_split(ids, said, test_size=0.4, stratify=said, random_state=5460)
    validation, test = train_test_split(rest, test_size=0.5, stratify=rest_said, random_state=5460)
    drawn = {**dict.fromkeys(train, "train"), **dict.fromkeys(validation, "validation"), **dict.fromkeys(test, "test")}
    assert crossing(alike, drawn) > 50
    assert crossing(alike, dict(zip(ledger["text_id"], ledger["split"], strict=True))) == 0
    prove(ledger, texts)


def test_every_decided_post_is_in_and_no_other(labels: pd.DataFrame, ledger: pd.DataFrame) -> None:
    """6,835 posts are in, once; the five that contradict each other are not."""
    assert sorted(ledger["text_id"]) == sorted(labels.loc[labels["label"].notna(), "text_id"])
    assert len(ledger) == 6835


def test_shares_of_all_and_of_calls(labels: pd.DataFrame, ledger: pd.DataFrame) -> None:
    """60/20/20 of all posts and of the calls to action among them, to within three standard errors of a draw."""
    within_binomial_error(ledger, labels)


def within_binomial_error(ledger: pd.DataFrame, labels: pd.DataFrame) -> None:
    both = ledger.merge(labels[["text_id", "label"]], on="text_id")
    for rows in (both, both[both["label"] == "call"]):
        for side, share in (("train", 0.6), ("validation", 0.2), ("test", 0.2)):
            bound = 3 * (share * (1 - share) / len(rows)) ** 0.5
            assert (rows["split"] == side).mean() == pytest.approx(share, abs=bound)


def test_arrival_in_ten_batches_leaks_nothing_and_keeps_the_shares(
    texts: pd.DataFrame, labels: pd.DataFrame, alike: list[tuple[str, str]], near: Alike
) -> None:
    """The ledger grown night after night holds the same posts, leaks as little, and keeps 60/20/20."""
    grown = pd.DataFrame(columns=list(LEDGER))
    shuffled = labels.sample(frac=1, random_state=1)
    for night in range(10):
        seen = shuffled.iloc[: (night + 1) * len(shuffled) // 10]
        rows = frame(added(grown, seen, texts, near=near))
        grown = pd.concat([grown, rows], ignore_index=True) if len(grown) else rows
    assert len(grown) == 6835
    assert crossing(alike, dict(zip(grown["text_id"], grown["split"], strict=True))) == 0
    within_binomial_error(grown, labels)
