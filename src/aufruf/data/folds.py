"""Grouped, stratified folds inside train and validation, for papers that report five-fold results."""

import pandas as pd

from aufruf.data.shares import hashed


def folds(frame: pd.DataFrame, k: int, seed: int) -> pd.Series:
    """The fold, 1..k, of each row of train and validation, in the index of these rows.

    ``frame``: text_id, group_id, split, label. A group is never torn. Groups come by label (that of most of their
    texts), the larger first, then by a keyed hash; each goes to the fold with fewest texts of its label, then fewest
    texts. The order of rows changes nothing. Raises ValueError when k is below 2 or there are fewer groups than folds.
    """
    inside = frame[frame["split"].isin(["train", "validation"])]
    groups = inside.groupby("group_id").agg(size=("label", "size"), label=("label", _most))
    if not 2 <= k <= len(groups):
        raise ValueError(f"{len(groups)} groups do not make {k} folds")
    groups["order"] = [hashed(str(name), seed) for name in groups.index]
    groups = groups.sort_values(["label", "size", "order"], ascending=[True, False, True])
    texts, chosen = [0] * k, dict[str, int]()
    for _, alike in groups.groupby("label", sort=True):
        held = [0] * k
        for name, size in alike["size"].items():
            at = min(range(k), key=lambda fold: (held[fold], texts[fold], fold))
            held[at], texts[at], chosen[str(name)] = held[at] + size, texts[at] + size, at + 1
    return inside["group_id"].map(chosen)


def _most(labels: pd.Series) -> str:
    counts = labels.value_counts()
    return str(min(counts[counts == counts.max()].index))
