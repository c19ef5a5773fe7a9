"""Which texts may be proposed to annotators beside those that are annotated."""

import pandas as pd

from aufruf.steps.queue import _of_new_posts


def posts(*rows: tuple[str | None, str | None]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["platform", "post_id"], dtype=object)


def test_one_text_of_each_post_and_every_text_without_one():
    """A post that has an annotated text is left out; that one annotated text has no post says nothing of others."""
    some = posts(("x", "a"), ("x", "a"), ("x", "b"), (None, "c"), (None, None), ("x", None), (None, None))
    assert _of_new_posts(some, posts()).index.tolist() == [0, 2, 3, 4, 5, 6]
    assert _of_new_posts(some, posts((None, None), ("x", "a"))).index.tolist() == [2, 3, 4, 5, 6]
