"""The step ``split``: every decided text goes into train, validation or test, once and for ever."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data.duplicates import Alike
from aufruf.data.linkage import FACTS
from aufruf.data.proof import assert_disjoint, left_out, tombstones, usable
from aufruf.data.splits import extend
from aufruf.errors import AufrufError, NothingYet, UsageError
from aufruf.schemas import SPLITS
from aufruf.settings import Settings
from aufruf.steps.corpus import sent_out
from aufruf.steps.wordings import alike
from aufruf.store import Store

log = logging.getLogger(__name__)
_NAMED = 20  # set-aside and left-out texts that the result names; the ledger has them all
_ATTEMPTS = 20  # other writers of the ledger that may come first before this one gives up


def split(
    settings: Settings,
    classifier: Classifier,
    audit: bool = False,
    folds: int | None = None,
    as_of: str | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Add the decided texts that the ledger lacks; returns its version and what it now holds.

    ``audit`` writes the page about the ledger, ``folds`` deals what may be trained on into so many parts, ``as_of``
    writes what a past run was trained on and adds nothing; ``out``: the file for either. Raises NothingYet when no
    label was ever derived, LeakFound when two sides share something, UsageError for options that do not go together.
    """
    if out is not None and folds is None and as_of is None:
        raise UsageError("--out needs --folds or --as-of", next="Say which of them to write.")
    if folds is not None and folds < 2:
        raise UsageError(f"--folds {folds}: that is no split", next="Ask for 2 or more; papers often report 5.")
    if folds is not None and out is not None and out.suffix != ".csv":
        raise UsageError(f"--out ends in {out.suffix!r}", where=str(out), next="Folds are written as .csv.")
    if as_of is not None:
        if audit or folds is not None:
            raise UsageError("--as-of stands alone", next="Run --audit and --folds by themselves.")
        from aufruf.steps.as_of import as_of as rebuilt

        return rebuilt(settings, classifier, as_of, out)
    store = Store(settings.lake)
    if store.count("labels", {"classifier": classifier.name}) == 0:
        raise NothingYet(
            "there are no labels to split",
            where=classifier.name,
            next=f"Ingest annotations, then run `aufruf label --classifier {classifier.name}`.",
        )
    version, ledger, texts, near, added = _extend(store, classifier)
    sizes, gone = ledger["split"].value_counts(), left_out(ledger, texts, near)
    reasons = list((added["text_id"] + " " + added["reason"])[added["reason"] != ""])
    reasons += (gone["text_id"] + " " + gone["reason"]).tolist()
    if len(gone):
        log.warning("%d texts of the ledger are left out, %s first", len(gone), reasons[-len(gone)])
    result: dict[str, Any] = {
        "ledger_version": version,
        **{name: int(sizes.get(name, 0)) for name in SPLITS},
        "groups": int(ledger.loc[ledger["split"].isin(SPLITS), "group_id"].nunique()),
        "added": len(added),
        "set_aside": int(sizes.get("none", 0)),
        "left_out": len(gone),
        "tombstones": len(tombstones(ledger, texts)),
        "reasons": reasons[:_NAMED],
        "status": "new" if len(added) else "nothing to do",
    }
    if audit:
        from aufruf.steps.audit import audit as audited

        result |= audited(settings, classifier, ledger, texts, near)
    if folds is not None:
        from aufruf.steps.folds import folds as dealt

        result |= dealt(settings, classifier, folds, out)
    return result


def _together(ledger: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([part for part in (ledger, rows) if len(part)] or [ledger], ignore_index=True)


class _Grown(NamedTuple):
    version: int | None
    ledger: pd.DataFrame
    texts: pd.DataFrame
    alike: Alike
    added: pd.DataFrame


def _extend(store: Store, classifier: Classifier) -> _Grown:
    """The ledger with the rows added: worked out from one version, proved, and written only on top of that version."""
    for _ in range(_ATTEMPTS):
        version = store.version("splits")
        ledger = store.read("splits", {"classifier": classifier.name}, version=version)
        labels = store.read("labels", {"classifier": classifier.name}, ["text_id", "label"])
        wanted = sorted({*ledger["text_id"], *labels["text_id"]})
        texts = store.read("texts", {"text_id": wanted}, FACTS)
        near = alike(store, texts, classifier.split.near_duplicate)
        now = datetime.now(UTC)
        told = _with_posts(store, texts)
        sent = sent_out(store, classifier)
        rows = extend(classifier.name, classifier.split, classifier.positive, ledger, labels, told, near, now, sent)
        grown = _together(ledger, rows)
        assert_disjoint(_together(usable(ledger, texts, near), rows), texts, near)  # no excuse for what is new
        if rows.empty:
            return _Grown(version, ledger, texts, near, rows)
        if (written := store.add_at("splits", rows, version)) is not None:
            return _Grown(written, grown, texts, near, rows)
    raise AufrufError(
        "other writers kept changing the ledger",
        where="splits",
        next=f"Run `aufruf split --classifier {classifier.name}` again when they are done.",
    )


def _with_posts(store: Store, texts: pd.DataFrame) -> pd.DataFrame:
    """The facts of the texts; of one that names no post the post of a stored text that reads the same.

    A ground truth without ids has captions of posts whose other texts are annotated under their ids.
    """
    alone = texts["post_id"].isna()
    readings = sorted(set(texts.loc[alone, "group_id"]))
    same = store.read("texts", {"group_id": readings}, ["group_id", "post_id", "platform"]) if readings else texts
    known = same[same["post_id"].notna()].sort_values(["group_id", "platform", "post_id"]).drop_duplicates("group_id")
    found = known.set_index("group_id").reindex(texts["group_id"]).set_index(texts.index)
    return texts.assign(**{name: texts[name].where(~alone, found[name]) for name in ("post_id", "platform")})
