"""The ledger on 6,840 real posts: what a random split would leak, and ours does not."""

from collections.abc import Mapping
from itertools import combinations

import pandas as pd
import pytest
from sklearn.model_selection import train_test_split
from tests.corpus.conftest import NOW, frame, text, vote

from aufruf.classifier import SplitShares
from aufruf.data.duplicates import near_pairs
from aufruf.data.identity import fold
from aufruf.data.labels import decide
from aufruf.data.splits import assert_disjoint, assign
from aufruf.schemas import DECIDED_ELSEWHERE

SHARES = SplitShares()
LEDGER = ["classifier", "text_id", "digest", "group_id", "split", "reason", "assigned_at"]


@pytest.fixture(scope="module")
def texts(germeval: list[dict[str, str]]) -> pd.DataFrame:
    return frame([text(row["id"], row["description"]) for row in germeval])


@pytest.fixture(scope="module")
def labels(germeval: list[dict[str, str]], texts: pd.DataFrame) -> pd.DataFrame:
    said = {"TRUE": "call", "FALSE": "no_call"}
    votes = frame([vote(row["id"], DECIDED_ELSEWHERE, said[row["C2A"]]) for row in germeval])
    return decide(votes, texts, ("no_call", "call"), 2, "c", NOW)


@pytest.fixture(scope="module")
def ledger(texts: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    return frame(assign("c", SHARES, "call", pd.DataFrame(columns=LEDGER), labels, texts, NOW))


def alike(texts: pd.DataFrame) -> list[tuple[str, str]]:
    """All pairs of text ids with one wording, or with near-duplicate wordings."""
    ids: dict[str, list[str]] = {}
    for text_id, words in zip(texts["text_id"], texts["text"], strict=True):
        ids.setdefault(fold(words), []).append(text_id)
    same = [pair for group in ids.values() for pair in combinations(group, 2)]
    near = [(a, b) for one, other in near_pairs(list(ids), 0.8) for a in ids[one] for b in ids[other]]
    return same + near


def crossing(pairs: list[tuple[str, str]], side: Mapping[str, str]) -> int:
    return sum(side[one] != side[other] for one, other in pairs if one in side and other in side)


def test_a_random_split_leaks_and_the_ledger_does_not(
    texts: pd.DataFrame, labels: pd.DataFrame, ledger: pd.DataFrame
) -> None:
    """A correct stratified 60/20/20 puts scores of alike pairs on two sides; the ledger none."""
    pairs = alike(texts)
    decided = labels[labels["label"].notna()]
    ids, said = decided["text_id"].tolist(), decided["label"].tolist()
    train, rest, _, rest_said = train_test_split(ids, said, test_size=0.4, stratify=said, random_state=5460)
    validation, test = train_test_split(rest, test_size=0.5, stratify=rest_said, random_state=5460)
    drawn = {**dict.fromkeys(train, "train"), **dict.fromkeys(validation, "validation"), **dict.fromkeys(test, "test")}
    assert crossing(pairs, drawn) > 50
    assert crossing(pairs, dict(zip(ledger["text_id"], ledger["split"], strict=True))) == 0
    assert_disjoint(ledger, texts)


def test_every_decided_post_is_in_and_no_other(labels: pd.DataFrame, ledger: pd.DataFrame) -> None:
    """6,835 posts are in, once; the five that contradict each other are not."""
    assert sorted(ledger["text_id"]) == sorted(labels.loc[labels["label"].notna(), "text_id"])
    assert len(ledger) == 6835


def test_shares_of_all_and_of_calls(labels: pd.DataFrame, ledger: pd.DataFrame) -> None:
    """60/20/20 of all posts and of the calls to action among them, to within half a point."""
    both = ledger.merge(labels[["text_id", "label"]], on="text_id")
    for rows in (both, both[both["label"] == "call"]):
        shares = rows["split"].value_counts(normalize=True)
        assert [shares[side] for side in ("train", "validation", "test")] == pytest.approx([0.6, 0.2, 0.2], abs=0.005)


def test_arrival_in_ten_batches_leaks_nothing_and_keeps_the_shares(texts: pd.DataFrame, labels: pd.DataFrame) -> None:
    """The ledger grown night after night holds the same posts, leaks as little, and keeps 60/20/20."""
    grown = pd.DataFrame(columns=LEDGER)
    shuffled = labels.sample(frac=1, random_state=1)
    for night in range(10):
        seen = shuffled.iloc[: (night + 1) * len(shuffled) // 10]
        rows = assign("c", SHARES, "call", grown, seen, texts, NOW)
        grown = pd.concat([grown, frame(rows)], ignore_index=True) if len(grown) else frame(rows)
    assert len(grown) == 6835
    assert crossing(alike(texts), dict(zip(grown["text_id"], grown["split"], strict=True))) == 0
    shares = grown["split"].value_counts(normalize=True)
    assert [shares[side] for side in ("train", "validation", "test")] == pytest.approx([0.6, 0.2, 0.2], abs=0.005)
