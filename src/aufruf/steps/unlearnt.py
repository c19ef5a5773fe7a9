"""Which texts no model learns from, and which belong together: what a figure about posts has to know."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data.shares import side
from aufruf.reports.clusters import Spread, spread
from aufruf.steps.pseudonyms import folded
from aufruf.store import Store

COLLECTED = "(f.kind is distinct from 'annotations')"  # of a text's file; one whose ingest broke off has no row yet


def learnt(store: Store, classifier: Classifier) -> frozenset[str]:
    """The wordings that are trained on."""
    train = store.read("splits", {"classifier": classifier.name, "split": "train"}, ["text_id"])["text_id"].tolist()
    return frozenset(store.read("texts", {"text_id": train}, ["group_id"])["group_id"]) if train else frozenset()


def held_out(rows: pd.DataFrame, known: frozenset[str], classifier: Classifier) -> npt.NDArray[np.bool_]:
    """Which texts (group_id, split; None outside the ledger) no model learns from: by the ledger, else by where their
    wording would be dealt. ``known``: ``learnt``."""
    dealt = np.asarray(side(rows["group_id"].tolist(), classifier.split) != "train", dtype=np.bool_)
    unseen = ~rows["group_id"].isin(known).to_numpy(dtype=np.bool_)
    ledger = rows["split"].isin(["validation", "test"]).to_numpy(dtype=np.bool_)
    open_ = (rows["split"].isna() | (rows["split"] == "none")).to_numpy(dtype=np.bool_)
    held: npt.NDArray[np.bool_] = ledger | (open_ & dealt & unseen)
    return held


def clusters(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows (author, platform, post_id, which is never None) with ``account`` and ``post``, 64 bits of a hash each;
    where nobody knows the account it is the post."""
    post = rows["platform"].fillna("").astype(str) + "\0" + rows["post_id"].astype(str)
    codes, names = pd.factorize(rows["author"].fillna("").astype(str))
    author = pd.Series(np.array([folded(name) for name in names], dtype=object)[codes], rows.index, dtype=object)
    keys = {"account": author.where(author != "", post), "post": post}
    return rows.assign(**{name: pd.util.hash_array(key.to_numpy(dtype=object)) for name, key in keys.items()})


def spread_of(counted: pd.DataFrame, whole: Spread | None = None) -> Spread:
    """How the calls among texts (``clusters``, and the columns call and n) vary by account; of a single account, by
    post. ``whole``: of all texts, where these are a part."""
    by = counted["account"] if counted["account"].nunique() > 1 else counted["post"]
    n, (_, of) = counted["n"].to_numpy(dtype=float), np.unique(by.to_numpy(), return_inverse=True)
    return spread(np.bincount(of, n * counted["call"].to_numpy(dtype=float)), np.bincount(of, n), whole)
