"""What has to be known of all rows of files together, without their texts."""

from typing import Any

import numpy as np
import pandas as pd


class Seen:
    """The rows of files that passed alone: hashes of their ids and wordings, and their votes."""

    _KEY = ("file", "item", "question", "text_id", "annotator", "label", "annotated_at", "digest")

    def __init__(self) -> None:
        self._ids: list[np.ndarray] = []  # (rows, 3): number of file, hash of the text's id, hash of its wording
        self._votes: list[pd.DataFrame] = []

    def add(self, table: pd.DataFrame, *, votes: bool) -> None:
        hashes = [hashed(table[name]) for name in ("text_id", "digest")]
        self._ids.append(np.stack([table["file"].to_numpy(dtype=np.uint64), *hashes], axis=1))
        if votes:
            self._votes.append(table[list(self._KEY)])

    def votes(self) -> pd.DataFrame:
        none = pd.DataFrame(columns=list(self._KEY))
        self._votes = [pd.concat(self._votes, ignore_index=True) if self._votes else none]
        return self._votes[0]

    def repeated(self, file: int, enough: int) -> float | None:
        """Share of a file's texts that say what another one of its texts says; None when there are too few."""
        mine = [ids[ids[:, 0] == file, 1:] for ids in self._ids]
        texts = np.unique(np.concatenate(mine), axis=0) if mine else np.empty((0, 2))
        return None if len(texts) < enough else 1 - len(np.unique(texts[:, 1])) / len(texts)

    def numbers(self, file: int) -> dict[str, int]:
        """The hashes of a file's wordings by text id, where its ids are just 0 to n-1, or 1 to n; else nothing."""
        mine = [ids[ids[:, 0] == file, 1:] for ids in self._ids]
        if not any(np.isin(hashed(["0", "1"]), ids[:, 0]).any() for ids in mine):
            return {}  # as nearly always
        found = dict(np.concatenate(mine).tolist())
        counted = [str(number) for number in range(len(found) + 1)]
        for run in (counted[:-1], counted[1:]):
            hashes = hashed(run).tolist()
            if found.keys() == set(hashes):
                return {number: found[one] for number, one in zip(run, hashes, strict=True)}
        return {}


def hashed(values: Any) -> "np.ndarray":
    """64 bits that stand for a word, for each of a column of words."""
    return pd.util.hash_array(np.asarray(values, dtype=object))
