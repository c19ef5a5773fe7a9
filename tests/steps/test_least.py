"""The first rows by an order, of rows that pass in batches."""

import hashlib

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from aufruf.steps.least import Least, numbers


def rows(ranks: list[int]) -> pd.DataFrame:
    digests = [hashlib.sha256(str(at).encode()).hexdigest() for at in range(len(ranks))]
    return pd.DataFrame({"digest": digests, "rank": [float(one) for one in ranks], "text": [f"t{at}" for at in ranks]})


@given(st.lists(st.integers(0, 9), min_size=1, max_size=120), st.integers(1, 15), st.integers(1, 40))
def test_it_is_what_sorting_all_of_them_gives(ranks, most, size):
    """However the rows are cut into batches: the lowest ranks, and of equal ranks the lowest digests, in order."""
    frame, least = rows(ranks), Least(most)
    for at in range(0, len(frame), size):
        batch = pa.RecordBatch.from_pandas(frame.iloc[at : at + size], preserve_index=False)
        least.take(batch, batch["rank"].to_numpy())
    wanted = frame.sort_values(["rank", "digest"], ignore_index=True).head(most)
    pd.testing.assert_frame_equal(least.frame(), wanted)
    assert least.full is (len(frame) >= most)


def test_it_holds_about_as_many_as_are_wanted():
    """A hundred times as many rows pass as are wanted; never more than twice as many and a batch are held."""
    least = Least(10)
    frame = rows(np.random.default_rng(1).permutation(1000).tolist())
    for at in range(0, 1000, 5):
        batch = pa.RecordBatch.from_pandas(frame.iloc[at : at + 5], preserve_index=False)
        least.take(batch, batch["rank"].to_numpy())
        assert sum(map(len, least._held)) <= 25
    assert least.frame()["rank"].tolist() == list(range(10))


def test_nothing_came():
    """Without rows there is no frame, and nothing is full."""
    least = Least(3)
    assert least.frame() is None
    assert not least.full


def test_digests_are_numbers_in_their_order():
    """A lower digest is a lower number."""
    frame = rows(list(range(50))).sort_values("digest")
    batch = pa.RecordBatch.from_pandas(frame, preserve_index=False)
    assert (np.diff(numbers(batch)) > 0).all()
