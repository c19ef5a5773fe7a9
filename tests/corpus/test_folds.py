"""Folds of what may be trained on: whole groups, balanced, the same in any order; and what may stand in a cell."""

from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.data.folds import folds
from aufruf.reports.spreadsheet import safe

ROWS = st.lists(
    st.tuples(st.integers(0, 25), st.sampled_from(["call", "no_call", "no_call"])), min_size=40, max_size=120
)


def rows(drawn: list[tuple[int, str]]) -> pd.DataFrame:
    """Text number n of group g; every fifth group is in test."""
    return pd.DataFrame(
        [
            (f"t{at:03}", f"g{group}", "test" if group % 5 == 4 else ("train", "validation")[group % 2], label)
            for at, (group, label) in enumerate(drawn)
        ],
        columns=["text_id", "group_id", "split", "label"],
    )


@settings(max_examples=20, deadline=None)
@given(ROWS, st.integers(2, 5), st.randoms(use_true_random=False))
def test_folds_are_whole_groups_in_any_order(drawn: list[tuple[int, str]], k: int, random: Random) -> None:
    """No group is torn, test is in none, every fold has texts, and shuffled rows fall as before."""
    table = rows(drawn)
    if table.loc[table["split"] != "test", "group_id"].nunique() < k:
        return
    found = folds(table, k, 5460)
    assert sorted(found.index) == sorted(table.index[table["split"] != "test"])
    assert table.loc[found.index].assign(fold=found).groupby("group_id")["fold"].nunique().max() == 1
    assert set(found) == set(range(1, k + 1))
    shuffled = table.loc[random.sample(list(table.index), len(table))]
    assert folds(shuffled, k, 5460).sort_index().tolist() == found.sort_index().tolist()


def test_folds_are_stratified() -> None:
    """Of 100 single texts with 20 positives each of five folds has 20 texts and 4 positives; another seed, others."""
    table = pd.DataFrame(
        {
            "text_id": [f"t{at}" for at in range(100)],
            "group_id": [f"g{at}" for at in range(100)],
            "split": "train",
            "label": ["call"] * 20 + ["no_call"] * 80,
        }
    )
    found = folds(table, 5, 5460)
    assert found.value_counts().tolist() == [20] * 5
    assert found[:20].value_counts().tolist() == [4] * 5
    assert found.tolist() != folds(table, 5, 1).tolist()


@pytest.mark.parametrize("k", [0, 1, 4])
def test_groups_that_do_not_make_so_many_folds(k: int) -> None:
    """Fewer than two folds, or more than groups, are refused with the numbers."""
    table = pd.DataFrame({"group_id": ["a", "b", "c"], "split": "train", "label": "call"})
    with pytest.raises(ValueError, match=f"3 groups do not make {k} folds"):
        folds(table, k, 1)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"])
def test_a_formula_is_shown_not_run(start: str) -> None:
    """What starts a formula, in ASCII or full width, gets an apostrophe; the same sign further on does not."""
    assert safe(f"{start}cmd|'/C calc'!A0") == f"'{start}cmd|'/C calc'!A0"
    assert safe(f"Text {start} Text") == f"Text {start} Text"
    assert safe("") == ""
