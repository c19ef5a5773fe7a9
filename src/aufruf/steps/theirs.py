"""Whose texts: an account as somebody names it, and what is its own, in old versions of the tables too."""

import json
from collections.abc import Iterator

import pandas as pd

from aufruf.errors import UsageError
from aufruf.settings import Settings
from aufruf.steps import pseudonyms
from aufruf.store import Store

_FACTS = ["text_id", "post_id", "platform", "author", "digest", "group_id"]


def named(settings: Settings, store: Store, author: str) -> str:
    """The author's name as it is compared; a pseudonym is looked up among the authors there are."""
    name = pseudonyms.folded(author)
    if not name:
        raise UsageError("no author is named", next="Give an account's name, or its pseudonym in reports.")
    key = pseudonyms.stored(settings.home / pseudonyms.KEY)
    if key:
        known = {str(one) for one in store.distinct("texts", ["author"])["author"].dropna()}
        return next((pseudonyms.folded(one) for one in known if pseudonyms.pseudonym(key, one) == name), name)
    return name


def texts(store: Store, name: str) -> pd.DataFrame:
    """The author's texts, and others of the same posts that name no author: the words read off a picture, say.

    ``past``: only old versions of the table hold it, as after `aufruf prune`.
    """
    known = pd.concat([store.read("texts", columns=_FACTS).assign(past=False), *_past(store, name)], ignore_index=True)
    known = known.drop_duplicates("text_id", ignore_index=True)
    mine = known[_of(name, known["author"])]
    posts = set(mine[["platform", "post_id"]].dropna(subset=["post_id"]).itertuples(index=False, name=None))
    numbers = {number for _, number in posts}
    same = [
        author is None and number in numbers and (platform is None or (platform, number) in posts)
        for author, platform, number in zip(known["author"], known["platform"], known["post_id"], strict=True)
    ]
    return pd.concat([mine, known[pd.Series(same, index=known.index, dtype=bool)]], ignore_index=True)


def _past(store: Store, name: str) -> Iterator[pd.DataFrame]:
    """What old versions hold of the author, and of nobody."""
    for held in store.past("texts", _FACTS):
        yield held[_of(name, held["author"]) | held["author"].isna()].assign(past=True)


def _of(name: str, authors: "pd.Series[str]") -> "pd.Series[bool]":
    return authors.isin([one for one in authors.dropna().unique() if pseudonyms.folded(one) == name])


def author_columns(store: Store) -> Iterator[str]:
    """The columns that ``--columns`` has named as those of authors, in any file."""
    for asked in store.distinct("files", ["format"])["format"].dropna():
        columns = asked.partition(" ")[2]
        if columns and (column := json.loads(columns).get("author")):
            yield column
