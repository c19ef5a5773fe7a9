"""What the ledger holds, what it kept together, and what the notebook's way of splitting would have leaked."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.data.duplicates import Alike
from aufruf.schemas import SPLITS, names_in

Flags = npt.NDArray[np.bool_]
_FEWEST = 20  # texts below which a random split says nothing


@dataclass(frozen=True)
class Kept:
    """Texts of the ledger that read alike. A pair is two texts."""

    same: int  # pairs with one wording
    near: int  # pairs of near-duplicates
    groups: int  # groups with more than one text
    texts: int  # in these
    apart: int  # pairs on two sides


@dataclass(frozen=True)
class Leaked:
    """What a random split, twice, of the same texts would have leaked."""

    test: int
    validation: int
    test_in_validation: int  # test rows that are validation rows too
    pairs: int  # that read alike, one in training and one not
    posts: int  # posts with texts in training and outside
    test_affected: int  # test rows that read like, or share a post with, a training row


def sizes(rows: pd.DataFrame, labels: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """By split: texts, groups, texts per label and per text type. ``rows``: split, group_id, label, text_type.

    A text with several labels is counted at each of them.
    """
    types = sorted({kind for kind in rows["text_type"] if isinstance(kind, str)})
    table = dict[str, dict[str, Any]]()
    for side in SPLITS:
        part = rows[rows["split"] == side]
        named = [name for value in part["label"].dropna() for name in names_in(value)]
        table[side] = {
            "texts": len(part),
            "groups": int(part["group_id"].nunique()),
            "labels": {label: named.count(label) for label in labels},
            "text_types": {kind: int((part["text_type"] == kind).sum()) for kind in types},
        }
    return table


def kept_together(rows: pd.DataFrame, pairs: list[tuple[str, str]]) -> Kept:
    """``rows``: ledger rows with a side: split, group_id, wording. ``pairs``: near-duplicate wordings among them."""
    held = _counts(rows, [(rows["split"] == side).to_numpy() for side in SPLITS])
    whole = held.sum(axis=1)
    ours, theirs = _ends(held.index, pairs)
    same = int((whole * (whole - 1) // 2).sum())
    near = int((whole.to_numpy()[ours] * whole.to_numpy()[theirs]).sum())
    table = held.to_numpy()
    together = int((table * (table - 1) // 2).sum() + (table[ours] * table[theirs]).sum())
    groups = rows["group_id"].value_counts()
    return Kept(same, near, int((groups > 1).sum()), int(groups[groups > 1].sum()), same + near - together)


def notebook(rows: pd.DataFrame, pairs: list[tuple[str, str]], seed: int) -> Leaked | None:
    """What the source notebook's split would do to these texts: text_id, label, wording, post (None is unknown).

    It draws 20 % for test and then, from all texts again, 25 % for validation, with one seed, stratified by label; what
    validation leaves is trained on. ``pairs``: near-duplicate wordings. None for too few texts to be split so.
    """
    from sklearn.model_selection import train_test_split

    rows = rows.sort_values("text_id", ignore_index=True)
    if len(rows) < _FEWEST or rows["label"].value_counts().min() < 2:
        return None
    at = np.arange(len(rows))
    drawn = {"test": 0.2, "validation": 0.25}
    test, validation = (_flags(len(rows), train_test_split(at, test_size=share, random_state=seed,
                        stratify=rows["label"])[1]) for share in drawn.values())  # fmt: skip
    train = ~validation & ~test
    outside = ~train
    held = _counts(rows, [train, outside])
    ours, theirs = _ends(held.index, pairs)
    inside, out = held[0].to_numpy(), held[1].to_numpy()
    crossing = (inside * out).sum() + (inside[ours] * out[theirs] + out[ours] * inside[theirs]).sum()
    trained = set(rows.loc[train, "post"].dropna())
    seen = set(held.index[inside > 0])
    near = {one for pair in pairs for one, other in (pair, pair[::-1]) if other in seen}
    alike = rows["wording"].isin(seen | near) | rows["post"].isin(trained)
    return Leaked(
        test=int(test.sum()),
        validation=int(validation.sum()),
        test_in_validation=int((test & validation).sum()),
        pairs=int(crossing),
        posts=len(trained & set(rows.loc[outside, "post"].dropna())),
        test_affected=int((alike.to_numpy() & test).sum()),
    )


def near_pairs(rows: pd.DataFrame, alike: Alike) -> list[tuple[str, str]]:
    """The near-duplicates among the wordings of these rows."""
    return alike.pairs(sorted(set(rows["wording"].dropna())))


def as_dict(found: Kept | Leaked | None) -> dict[str, Any] | None:
    """For JSON."""
    return None if found is None else asdict(found)


def _flags(n: int, chosen: npt.NDArray[np.int64]) -> Flags:
    flags = np.zeros(n, dtype=np.bool_)
    flags[chosen] = True
    return flags


def _counts(rows: pd.DataFrame, sides: list[Flags]) -> pd.DataFrame:
    """By wording: how many texts of it are on each side."""
    table = pd.DataFrame({at: flags.astype(np.int64) for at, flags in enumerate(sides)})
    return table.groupby(rows["wording"].to_numpy(dtype=object)).sum()


def _ends(names: pd.Index, pairs: list[tuple[str, str]]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where both wordings of each pair stand among ``names``."""
    left, right = (names.get_indexer(pd.Index([pair[end] for pair in pairs], dtype=object)) for end in (0, 1))
    there = (left >= 0) & (right >= 0)
    return left[there], right[there]
