"""What has to be known of all rows of files together, without their texts."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Numbers:
    """Row numbers that stand where ids belong: in which column, which ones, and what is said under each."""

    column: str  # text_id or post_id
    ids: list[str]
    words: dict[int, set[int]]  # hashes of wordings, by hash of what ``numbered`` makes of a row


class Seen:
    """The rows of files that passed alone: hashes of their ids and wordings, and their votes."""

    _KEY = ("file", "item", "question", "text_id", "annotator", "label", "annotated_at", "digest", "why", "given")

    def __init__(self) -> None:
        self._ids: list[np.ndarray] = []  # (rows, 5): number of file; hashes: text id, wording, post id, text of post
        self._votes: list[pd.DataFrame] = []
        self._made: list[np.ndarray] = []  # (rows, 3): number of file; hashes: the id that we made, wording
        self._given = [pd.DataFrame(columns=["file", "item", "text_id", "digest"], dtype=np.uint64)]

    def add_made(self, table: pd.DataFrame) -> None:
        """Note the ids that we made of posts' texts, of refused rows too: a text is one of several before the others
        are mended. A dated collection of a post is an edit, and no second text, where it differs."""
        ours = ~table["given"].astype(bool) & table["collected_at"].isna()
        made = table[ours & table["post_id"].notna() & table["digest"].notna()]
        self._made.append(
            np.array([made["file"], *(made[name].map(hash) for name in ("text_id", "digest"))], dtype=np.int64).T
        )

    def add_given(self, table: pd.DataFrame) -> None:
        """Note the ids that files of posts give to texts that passed."""
        named = table[table["given"].astype(bool)]
        hashes = {name: hashed(named[name]) for name in ("text_id", "digest")}
        if len(named):
            self._given.append(named[["file", "item"]].assign(**hashes))

    def several(self, file: int) -> frozenset[int]:
        """Hashes of the ids that we made for a file and under which it has several wordings."""
        mine = [made[made[:, 0] == file, 1:] for made in self._made]
        found = pd.DataFrame(np.concatenate(mine) if mine else np.empty((0, 2), dtype=np.int64))
        if found[0].is_unique:
            return frozenset()
        found = found.drop_duplicates()
        return frozenset(found.loc[found[0].duplicated(), 0].tolist())

    def given(self) -> pd.DataFrame:
        """The texts of posts to which their files gave ids: file, item, and hashes of text_id and digest."""
        self._given = [pd.concat(self._given[1:] or self._given, ignore_index=True)]
        return self._given[0]

    def add(self, table: pd.DataFrame, *, votes: bool) -> None:
        hashes = [hashed(table[name]) for name in ("text_id", "digest")]
        hashes += [hashed(table["post_id"].fillna("")), hashed(numbered(table, "post_id"))]
        self._ids.append(np.stack([table["file"].to_numpy(dtype=np.uint64), *hashes], axis=1))
        if votes:
            self._votes.append(table[list(self._KEY)])

    def votes(self) -> pd.DataFrame:
        none = pd.DataFrame(columns=list(self._KEY))
        self._votes = [pd.concat(self._votes, ignore_index=True) if self._votes else none]
        return self._votes[0]

    def repeated(self, file: int, enough: int) -> float | None:
        """Share of a file's texts that say what another one of its texts says; None when there are too few."""
        mine = [ids[ids[:, 0] == file, 1:3] for ids in self._ids]
        texts = np.unique(np.concatenate(mine), axis=0) if mine else np.empty((0, 2))
        return None if len(texts) < enough else 1 - len(np.unique(texts[:, 1])) / len(texts)

    def numbers(self, file: int) -> Numbers | None:
        """The row numbers that a file has for ids, of its texts or else of its posts: just 0 to n-1, or 1 to n."""
        mine = [ids[ids[:, 0] == file, 1:] for ids in self._ids]
        for column, id_, key in (("text_id", 0, 0), ("post_id", 2, 3)):
            if not any(np.isin(hashed(["0", "1"]), ids[:, id_]).any() for ids in mine):
                continue  # as nearly always
            found = np.concatenate(mine)
            ids = set(found[:, id_].tolist())
            counted = [str(number) for number in range(len(ids) + 1)]
            for run in (counted[:-1], counted[1:]):
                if ids == set(hashed(run).tolist()):
                    return Numbers(column, run, together(found[:, key].tolist(), found[:, 1].tolist()))
        return None


def numbered(table: pd.DataFrame, column: str) -> "pd.Series[Any]":
    """What a row number stands for: a text, or the text of this type in a post."""
    if column == "text_id":
        return table["text_id"]
    return table["platform"].fillna("") + "\0" + table["post_id"].fillna("") + "\0" + table["text_type"]


def together(keys: Iterable[int], values: Iterable[int]) -> dict[int, set[int]]:
    """The values of each key."""
    found: dict[int, set[int]] = defaultdict(set)
    for key, value in zip(keys, values, strict=True):
        found[key].add(value)
    return dict(found)


def hashed(values: Any) -> "np.ndarray":
    """64 bits that stand for a word, for each of a column of words."""
    return pd.util.hash_array(np.asarray(values, dtype=object))
