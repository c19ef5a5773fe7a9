"""The step ``split``: every decided text goes into train, validation or test, once and for ever."""

from datetime import UTC, datetime
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data.splits import TEXT_COLUMNS, assert_disjoint, assign, usable
from aufruf.errors import AufrufError, NothingYet
from aufruf.schemas import SPLITS, SplitRow
from aufruf.settings import Settings
from aufruf.store import Store

_NAMED = 20  # set-aside texts that the result names; the ledger has them all
_ATTEMPTS = 20  # other writers of the ledger that may come first before this one gives up


def split(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Add the decided texts that the ledger lacks; returns its version and what it now holds.

    Raises NothingYet when no label was ever derived, LeakFound when two sides share something.
    """
    store = Store(settings.lake)
    if store.count("labels", {"classifier": classifier.name}) == 0:
        raise NothingYet(
            "there are no labels to split",
            where=classifier.name,
            next=f"Ingest annotations, then run `aufruf label --classifier {classifier.name}`.",
        )
    added = _extend(store, classifier)
    version = store.version("splits")
    ledger = _ledger(store, classifier.name, version)
    texts = store.read("texts", {"text_id": ledger["text_id"].tolist()}, TEXT_COLUMNS)
    kept = usable(ledger, texts)
    assert_disjoint(kept, texts)
    sizes = ledger["split"].value_counts()
    return {
        "ledger_version": version,
        **{name: int(sizes.get(name, 0)) for name in SPLITS},
        "groups": int(ledger.loc[ledger["split"].isin(SPLITS), "group_id"].nunique()),
        "added": len(added),
        "set_aside": int(sizes.get("none", 0)),
        "left_out": int(sizes.sum() - sizes.get("none", 0) - len(kept)),
        "reasons": [f"{row.text_id} {row.reason}" for row in added if row.reason][:_NAMED],
        "status": "new" if added else "nothing to do",
    }


def _extend(store: Store, classifier: Classifier) -> list[SplitRow]:
    """The rows added: worked out from one version of the ledger, and written only on top of that version."""
    for _ in range(_ATTEMPTS):
        version = store.version("splits")
        ledger = _ledger(store, classifier.name, version)
        labels = store.read("labels", {"classifier": classifier.name}, ["text_id", "label"])
        wanted = sorted({*ledger["text_id"], *labels["text_id"]})
        texts = store.read("texts", {"text_id": wanted}, TEXT_COLUMNS)
        now = datetime.now(UTC)
        rows = assign(classifier.name, classifier.split, classifier.positive, ledger, labels, texts, now)
        if not rows:
            return []
        grown = pd.concat([ledger, pd.DataFrame([vars(row) for row in rows])], ignore_index=True)
        assert_disjoint(usable(grown, texts), texts)
        if store.add_at("splits", rows, version) is not None:
            return rows
    raise AufrufError(
        "other writers kept changing the ledger",
        where="splits",
        next="Run `aufruf split` again when they are done.",
    )


def _ledger(store: Store, classifier: str, version: int | None = None) -> pd.DataFrame:
    return store.read("splits", {"classifier": classifier}, version=version)
