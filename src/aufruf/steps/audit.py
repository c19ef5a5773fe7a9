"""``aufruf split --audit``: the ledger in figures, its proof, and the page that says so."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import audit as figures
from aufruf.data.duplicates import Alike
from aufruf.data.power import power
from aufruf.data.proof import assert_disjoint, left_out, tombstones, usable
from aufruf.release.promotion import enough
from aufruf.release.registry import CHALLENGER, CHAMPION, PREVIOUS, Registry
from aufruf.reports import audit as page
from aufruf.schemas import SPLITS
from aufruf.settings import Settings
from aufruf.steps.corpus import calls
from aufruf.store import Store

_NAMED = 20  # texts that the result names; the page has more, the ledger all


def audit(
    settings: Settings, classifier: Classifier, ledger: pd.DataFrame, texts: pd.DataFrame, alike: Alike
) -> dict[str, Any]:
    """Figures of the ledger, under ``audit``, and the path of its page. Raises LeakFound where it does not hold.

    ``texts``: the stored facts of its texts; ``alike``: their wordings.
    """
    store = Store(settings.lake)
    kept = usable(ledger, texts, alike)
    assert_disjoint(kept, texts, alike)
    rows = _rows(store, classifier, kept, texts)
    pairs = figures.near_pairs(rows, alike)
    aside = ledger.loc[ledger["split"] == "none", ["text_id", "reason"]]
    out = left_out(ledger, texts, alike)[["text_id", "reason"]]
    named = pd.concat([aside, out], ignore_index=True)
    found = {
        "sizes": figures.sizes(rows, classifier.answers),
        "shares": {side: getattr(classifier.split, side) for side in SPLITS},
        "kept": figures.as_dict(figures.kept_together(rows.dropna(subset=["wording"]), pairs)),
        "set_aside": len(aside),
        "left_out": len(out),
        "tombstones": len(tombstones(ledger, texts)),
        "proved": len(kept),
        "notebook": figures.as_dict(figures.notebook(_decided(rows), pairs, classifier.split.seed)),
        "power": _power(settings, store, classifier, rows),
    }
    whole = [(str(text_id), str(reason)) for text_id, reason in named.to_numpy().tolist()]
    path = page.write(settings.reports / classifier.name, page.AuditReport(classifier.name, found, whole))
    return {"audit": {**found, "reasons": [f"{one} {why}" for one, why in whole[:_NAMED]]}, "page": str(path)}


def _rows(store: Store, classifier: Classifier, kept: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """Usable ledger rows with what is stored: text_id, group_id, split, label, text_type, wording, post, digest."""
    labels = store.read("labels", {"classifier": classifier.name}, ["text_id", "label"])
    stored = texts.drop_duplicates("text_id", keep="last")
    post = (stored["platform"].fillna("") + "\0" + stored["post_id"]).where(stored["post_id"].notna(), None)
    about = pd.DataFrame(
        {
            "text_id": stored["text_id"],
            "text_type": stored["text_type"],
            "wording": stored["group_id"],
            "post": post,
            "digest": stored["digest"],
        }
    )
    rows = kept[["text_id", "group_id", "split"]].merge(about, on="text_id", how="left")
    return rows.merge(labels, on="text_id", how="left")


def _decided(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.dropna(subset=["wording", "label"])


def _power(settings: Settings, store: Store, classifier: Classifier, rows: pd.DataFrame) -> dict[str, Any]:
    """What the test set can tell apart; ``why`` says what is missing where it cannot be told."""
    test = _decided(rows[rows["split"] == "test"])
    registry = Registry(settings, classifier.name)
    champion = registry.by_alias(CHAMPION)
    if champion is None:
        return {"why": "there is no champion yet", "version": None}
    said = _said(store, classifier, champion.version, test)
    if said.isna().all():
        return {"why": f"version {champion.version} has not said anything of the test texts", "version": None}
    others = [one.version for alias in (PREVIOUS, CHALLENGER) if (one := registry.by_alias(alias))]
    answers = [_said(store, classifier, one, test) for one in others if one != champion.version]
    other = next((one for one in answers if one[said.notna()].notna().all()), None)
    test = test[said.notna().to_numpy()]
    truth = calls(test["label"], classifier)
    flags = [None if one is None else calls(one[said.notna()], classifier) for one in (said, other)]
    groups, seed = test["group_id"].tolist(), classifier.split.seed
    found = power(truth, np.asarray(flags[0]), flags[1], groups, seed, least=enough(1))
    if found is None:
        why = "its F1 is the same in every draw: it finds all of the positives and nothing else, or none of them"
        return {"why": f"version {champion.version} is champion, and {why}", "version": None}
    return {"why": None, "version": champion.version, "texts": len(test), **asdict(found)}


def _said(store: Store, classifier: Classifier, version: str, test: pd.DataFrame) -> pd.Series:
    """A version's label for each test row, in their order; None where it said nothing of the text as it is now."""
    mine = {"classifier": classifier.name, "model_version": version}
    said = store.read("predictions", mine, ["text_id", "digest", "label"]).rename(columns={"label": "said"})
    return test.merge(said, on=["text_id", "digest"], how="left")["said"]
