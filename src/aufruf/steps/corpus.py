"""The labelled corpus as the ledger holds it, and the fingerprint of what a run has seen."""

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data.linkage import FACTS
from aufruf.data.proof import assert_disjoint, usable
from aufruf.errors import NothingYet
from aufruf.model.recipe import Examples
from aufruf.schemas import TEACH
from aufruf.settings import Settings
from aufruf.steps.wordings import alike
from aufruf.store import Store

log = logging.getLogger(__name__)
SEEN = ("splits", "labels", "texts")  # the tables that a training reads
VOTED = "annotations"  # and the one that tells for which wording a label is; runs of before do not name it
DATA = "aufruf.data_fingerprint"  # the tag of a run that says what rows it was trained on


def labelled(settings: Settings, classifier: Classifier, at: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Texts with a decided label and a place in the ledger: text_id, text, digest, group_id, split, label.

    ``at``: the Delta version of each of the tables, as ``versions`` gives them (default: the newest). Texts whose votes
    are all for another wording are left out: they lose their label with the next `aufruf label`. The three pairs of
    splits are proved disjoint first. Raises NothingYet without a ledger, LeakFound on a leak.
    """
    store, mine = Store(settings.lake), {"classifier": classifier.name}
    versions = at or dict[str, int]()
    dealt = ledger(store, classifier, versions.get("splits"))
    seen = versions.get("texts")
    texts = store.read("texts", {"text_id": dealt["text_id"].tolist()}, [*FACTS, "text"], seen)
    near = alike(store, texts, classifier.split.near_duplicate, seen)
    dealt = usable(dealt, texts, near)
    assert_disjoint(dealt, texts, near)
    labels = store.read("labels", mine, ["text_id", "label"], versions.get("labels"))
    frame = dealt[["text_id", "group_id", "split"]].merge(labels[labels["label"].notna()], on="text_id")
    frame = frame.merge(texts[["text_id", "text", "digest"]], on="text_id")
    if at is None or VOTED in at:
        frame = frame[~frame["text_id"].isin(_read_otherwise(store, mine, texts, versions.get(VOTED)))]
    return frame.sort_values("text_id", ignore_index=True)


def ledger(store: Store, classifier: Classifier, version: int | None = None) -> pd.DataFrame:
    """The classifier's rows of the table ``splits``. Raises NothingYet when there are none."""
    rows = store.read("splits", {"classifier": classifier.name}, version=version)
    if rows.empty:
        raise NothingYet(
            "no text has a split yet",
            where=classifier.name,
            next=f"Run `aufruf ingest`, then `label` and `split` with `--classifier {classifier.name}`.",
        )
    return rows


def _read_otherwise(
    store: Store, mine: Mapping[str, str], texts: pd.DataFrame, version: int | None = None
) -> list[str]:
    """Of the texts those that have votes, but none for the wording that they have."""
    votes = store.read(VOTED, mine, ["text_id", "group_id"], version).rename(columns={"group_id": "voted"})
    both = votes.merge(texts[["text_id", "group_id"]], on="text_id")
    fits = (both["voted"].isna() | (both["voted"] == both["group_id"])).groupby(both["text_id"]).any()
    found = fits.index[~fits.to_numpy(dtype=bool)].tolist()
    if found:
        log.warning("%d texts read otherwise than when they were labelled, and are left out: run label", len(found))
    return [str(one) for one in found]


def in_use(store: Store, classifier: Classifier, *sides: str) -> pd.DataFrame:
    """The ledger's rows of these sides, without those that an edit has put out of use: see ``usable``.

    What a training leaves out is left out of figures, too. Nothing is written. The proof needs all texts of the
    ledger, and is made only where one of these texts has been edited.
    """
    dealt = store.read("splits", {"classifier": classifier.name})
    rows = dealt[dealt["split"].isin(sides)]
    now = store.read("texts", {"text_id": rows["text_id"].tolist()}, ["text_id", "digest"])
    both = rows[["text_id", "digest"]].merge(now, on="text_id", suffixes=("", "_now"))
    if (both["digest"] == both["digest_now"]).all():
        return rows.reset_index(drop=True)
    texts = store.read("texts", {"text_id": dealt["text_id"].tolist()}, FACTS)
    near = alike(store, texts, classifier.split.near_duplicate, keep=False)
    used = usable(dealt, texts, near)
    return used[used["split"].isin(sides)].reset_index(drop=True)


def answered(store: Store, classifier: Classifier, version: str, *facts: str) -> pd.DataFrame:
    """The test texts in use that have a label and that a version has scored, as they read now.

    Columns: those of the ledger, label, label_said, probabilities, and ``facts`` of the texts.
    """
    mine = {"classifier": classifier.name}
    test = in_use(store, classifier, "test").drop(columns="digest")
    these = {"text_id": test["text_id"].tolist()}
    now = store.read("texts", these, list(dict.fromkeys(("text_id", "digest", *facts))))
    labels = store.read("labels", {**mine, **these}, ["text_id", "label"]).dropna()
    columns = ["text_id", "digest", "label", "probabilities"]
    said = store.read("predictions", {**mine, **these, "model_version": version}, columns)
    rows = test.merge(now, on="text_id").merge(labels, on="text_id")
    return rows.merge(said, on=["text_id", "digest"], suffixes=("", "_said"))


def examples(frame: pd.DataFrame, split: str, classifier: Classifier) -> Examples:
    """The rows of one split, targets in the classifier's order. Raises DataRefused for a label that it lacks."""
    part = frame[frame["split"] == split]
    return Examples(
        text_ids=part["text_id"].tolist(),
        texts=part["text"].tolist(),
        targets=classifier.targets(part["label"]),
        groups=part["group_id"].tolist(),
        several=classifier.multi_label,
    )


def calls(labels: "pd.Series[str]", classifier: Classifier) -> npt.NDArray[np.bool_]:
    """Of a column of labels, decided or predicted, those that name the classifier's positive."""
    return np.array([classifier.is_call(label) for label in labels], dtype=np.bool_)


def fingerprint(frame: pd.DataFrame, *parts: Any) -> str:
    """SHA-256 of the labelled rows and of everything else a result depends on: equal means nothing changed."""
    columns = ["text_id", "digest", "split", "label"]
    rows = frame[columns].sort_values("text_id").to_csv(index=False, header=False)
    rest = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(f"{rows}\0{rest}".encode("utf-8", "surrogatepass")).hexdigest()


def versions(settings: Settings) -> dict[str, int]:
    """The Delta versions of the tables that a training reads; a table without rows has none."""
    store = Store(settings.lake)
    return {table: version for table in (*SEEN, VOTED) if (version := store.version(table)) is not None}


def data_seen(at: Mapping[str, int]) -> dict[str, Any]:
    """The Delta versions of the tables that a run reads, as tags."""
    return {f"aufruf.{table}_version": version for table, version in at.items()}


def sent_out(store: Store, classifier: Classifier) -> set[str]:
    """Texts that somebody annotated because `aufruf queue` had sent them out, as far as their exports say so."""
    votes = store.read("annotations", {"classifier": classifier.name}, ["text_id", "why"])
    return set(votes.loc[votes["why"] == TEACH, "text_id"])  # not in the query: older tables lack the column
