"""The step ``forget``: everything of one author goes, and what cannot go is said."""

import json
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data.forgotten import Tombs
from aufruf.model.leases import held
from aufruf.model.studies import Studies
from aufruf.release import artifacts
from aufruf.release.registry import Registry
from aufruf.reports import forgetting
from aufruf.reports.day import without_words
from aufruf.reports.index import write_index
from aufruf.schemas import SCORED, IngestedFile, Tombstone
from aufruf.settings import Settings
from aufruf.steps import expiry, pseudonyms, theirs, traces
from aufruf.steps.buried import MARKED
from aufruf.steps.storing import rows
from aufruf.store import Store

_PATIENCE = 5.0  # seconds for a registry that is away: somebody is looking at the screen
_OF_TEXTS = ("explanations", "predictions", "labels", "annotations")  # in this order: what rests on a text goes first


def forget(
    settings: Settings, classifiers: Sequence[Classifier], author: str, *, raw: bool = False, dry_run: bool = False
) -> dict[str, Any]:
    """Remove an author's texts and all that rests on them: votes, labels, what models said, refused rows, pages.

    ``author``: the account's name, in any case, with or without @, or its pseudonym in reports. Old versions of the
    tables that change are made an end of, and tombstones - salted hashes of ids - keep the same posts from coming
    back. A file's name that holds the account's as a whole is changed. ``raw``: also delete the originals that hold a
    row of the author's, with whatever else is in them. ``dry_run``: say what would go, and change nothing. What stays
    is listed under ``remains``. A command that broke off is finished by the next one, which waits for one that is at
    work, on another machine too: whose past is gone nobody else can tell.
    Raises UsageError for an empty name, LeaseLost when another may be at work by now: the next one makes an end of it.
    """
    if dry_run:
        return _forgotten(settings, classifiers, author, raw, None)
    leases = Studies(settings.studies, settings.studies_url).leases
    with held(leases, "forget", "somebody is being forgotten already: waiting for its end") as lease:
        return _forgotten(settings, classifiers, author, raw, partial(lease.keep, certain=True))


def _forgotten(
    settings: Settings, classifiers: Sequence[Classifier], author: str, raw: bool, sure: Callable[[], None] | None
) -> dict[str, Any]:
    """``sure``: raises LeaseLost unless this process surely holds the lease; None: only look."""
    store = Store(settings.lake)
    name = theirs.named(settings, store, author)
    texts = theirs.texts(store, name)
    found = _traces(store, name, texts)
    refused = _refused_rows(store, found)
    wordings = expiry.wordings(store, texts)
    listed = store.read("authors")
    listed = listed[listed["author"].map(pseudonyms.folded) == name]
    shown, (originals, closed) = traces.pages(settings, found), traces.originals(settings, found)
    named = [one for one in rows(store, "files", {}) if traces.names(one.name, name)]
    known = any(map(len, (texts, refused, listed)))  # else the name may be any word, but where its own rows say so
    files = named if known else [one for one in named if one.digest in {path.stem for path in originals}]
    ids = pd.DataFrame({"text_id": texts["text_id"]})
    going = {
        **dict.fromkeys(_OF_TEXTS, ids),
        "quarantine": refused,
        "signatures": wordings,
        "authors": listed[["author"]],
        "texts": ids,  # last: while they are there, a command that broke off finds the author again
    }
    counts = {table: _count(store, table, frame) for table, frame in going.items()}
    remains = {
        **_remains(settings, store, classifiers, found, texts),
        "originals": [] if raw else [str(path) for path in originals],
        "unopened": [str(path) for path in [*closed, *shown.closed]],
        "file_names": [one.name for one in named if one not in files],
    }
    unfinished = [one for one in rows(store, "tombstones", {}) if one.done_at is None]
    past = int(texts["past"].sum())
    other = shown.rewritten or shown.deleted or files or (raw and originals) or unfinished
    anything = any(counts.values()) or past or other
    if anything and sure:
        sure()
        if not _bury(store, name, texts, others=known or bool(files)):
            return _forgotten(settings, classifiers, author, raw, sure)
        sure()  # pages as they were read may be others by now, where somebody else is being forgotten
        _rename(store, files)  # while there is anything else of the account, or nobody knows whose name it is
        shown.clear()
        _unlinked(settings, classifiers)
        for path in originals if raw else ():
            path.unlink(missing_ok=True)
        going["quarantine"] = _refused_rows(store, found)  # a row may have come before everybody knew
        _go(store, going, bool(files), bool(unfinished or past), sure)
        again = True
        while again:  # a day's page may have been written anew while a link was taken off it: then look once more
            late = traces.pages(settings, found)  # what was written meanwhile: see ``buried.anew``
            late.clear()
            shown.rewritten |= late.rewritten
            shown.deleted = list(dict.fromkeys([*shown.deleted, *late.deleted]))
            again = _unlinked(settings, classifiers)
    return {
        "status": "nothing to do" if not anything else "done" if sure else "would be done",
        **counts,
        "past": past,
        "files_renamed": [one.name for one in files],
        "pages_rewritten": [str(path) for path in shown.rewritten],
        "pages_deleted": [str(path) for path in shown.deleted],
        "originals_deleted": [str(path) for path in originals] if raw else [],
        "remains": remains,
    }


def _unlinked(settings: Settings, classifiers: Sequence[Classifier]) -> bool:
    """No link leads to a page that is gone any more. Returns whether a day's page was changed for it."""
    changed = False
    for one in classifiers:
        pages = settings.reports / one.name
        if (pages / "index.html").is_file():
            changed |= without_words(pages)
            write_index(pages, one.name, settings.front(one.name))
    return changed


def _traces(store: Store, name: str, texts: pd.DataFrame) -> traces.Traces:
    ids = texts["text_id"].tolist()
    words = [str(one) for one in store.read("texts", {"text_id": ids}, ["text"])["text"]] if ids else []
    return traces.Traces(
        name=name,
        text_ids=frozenset(ids),
        posts=frozenset(texts["post_id"].dropna()),
        texts=frozenset(one.strip() for one in words if len(one.strip()) >= 20),  # a shorter one may be anybody's
        needles=forgetting.needles(ids, words),
        columns=frozenset(theirs.author_columns(store)),
    )


def _refused_rows(store: Store, found: traces.Traces) -> pd.DataFrame:
    held = store.read("quarantine", columns=["file", "item", "row"])
    hers = [
        row["text_id"] in found.text_ids if file.startswith(SCORED) else found.in_row(row)
        for file, row in zip(held["file"], map(json.loads, held["row"]), strict=True)
    ]
    return held.loc[pd.Series(hers, index=held.index, dtype=bool), ["file", "item"]]


def _count(store: Store, table: str, frame: pd.DataFrame) -> int:
    column = frame.columns[0]
    if frame.empty:
        return 0
    if len(frame.columns) > 1:  # a whole key: one row each
        return len(frame)
    return len(store.read(table, {column: frame[column].tolist()}, [column]))


def _bury(store: Store, name: str, texts: pd.DataFrame, others: bool) -> bool:
    """Tombstones first: whatever breaks off afterwards, nothing of it comes back. See ``Buried`` for the order.

    Where no text goes but ``others``, there is one that hides nothing: it says that somebody is being forgotten.
    False where more texts of the author have arrived before everybody knew: they are not among ``texts``.
    """
    if texts.empty:
        if others:
            nobody = Tombs(store.read("tombstones")).made_for([secrets.token_hex(16)], [], datetime.now(UTC))
            store.add("tombstones", nobody)
        return True
    posts = texts[["platform", "post_id"]].dropna(subset=["post_id"]).itertuples(index=False, name=None)
    tombs = Tombs(store.read("tombstones"))
    store.add("tombstones", tombs.made_for(texts["text_id"], posts, datetime.now(UTC)))
    for table in MARKED:
        store.mark(table)
    return set(theirs.texts(store, name)["text_id"]) <= set(texts["text_id"])


def _rename(store: Store, files: list[IngestedFile]) -> None:
    if files:
        named = [{**vars(one), "name": f"forgotten{Path(one.name).suffix}"} for one in files]
        store.put("files", pd.DataFrame(named))


def _go(
    store: Store,
    going: dict[str, pd.DataFrame],
    renamed: bool,
    every: bool,
    sure: Callable[[], None],
) -> None:
    """Delete the rows, make an end of the versions that held them, and close the tombstones.

    A table from which nothing went keeps its past, but where ``every`` one loses it: after a command that broke off
    nobody knows which that is, and what `aufruf prune` has removed stands in the past alone.
    """
    waiting: list[Tombstone] = [one for one in rows(store, "tombstones", {}) if one.done_at is None]
    past = []
    for table, frame in going.items():
        sure()
        if store.delete(table, frame) or every:
            past.append(table)
    for table in [*past, *(["files"] if renamed or every else [])]:
        sure()
        store.purge(table)
    sure()  # what is open tells whoever has the lease by now of the past that is left
    now = datetime.now(UTC)
    store.put("tombstones", [Tombstone(one.tomb, one.salt, one.forgotten_at, now) for one in waiting])


def _remains(
    settings: Settings,
    store: Store,
    classifiers: Sequence[Classifier],
    found: traces.Traces,
    texts: pd.DataFrame,
) -> dict[str, Any]:
    """What stays in tables and runs: rows of the ledger, versions that learnt or may be learning, artifacts, copies."""
    ids = texts["text_id"].tolist()
    ledger = store.read("splits", {"text_id": ids}) if ids else store.read("splits").head(0)
    named, closed = traces.artifacts(settings, classifiers, found, _PATIENCE) if found.text_ids else ([], [])
    copies = store.read("texts", {"digest": sorted(set(texts["digest"]))}, ["text_id"]) if ids else ledger
    return {
        "ledger_rows": len(ledger),
        "models": {one.name: _learnt(settings, one, ledger) for one in classifiers},
        "trainings": {one.name: _learning(settings, one, ledger) for one in classifiers},
        "artifacts": named,
        "unread": closed,
        "copies": len(set(copies["text_id"]) - set(ids)),
    }


def _learnt(settings: Settings, classifier: Classifier, ledger: pd.DataFrame) -> list[dict[str, Any]]:
    """The registered versions that were trained or tuned on the author's texts, and on how many."""
    sides = _taught(classifier, ledger)
    if sides.empty or settings.registry_unmade:
        return []
    found = []
    for version in Registry(settings, classifier.name, patience=_PATIENCE).versions():
        before = sides[sides["assigned_at"] <= pd.Timestamp(version.created_at, unit="ms", tz="UTC")]
        if len(before):
            n = before["split"].value_counts()
            found.append(
                {"version": version.version, **{side: int(n.get(side, 0)) for side in ("train", "validation")}}
            )
    return found


def _learning(settings: Settings, classifier: Classifier, ledger: pd.DataFrame) -> list[str]:
    """The runs of trainings under way, which have read the author's texts, or may have."""
    if _taught(classifier, ledger).empty or settings.registry_unmade:
        return []
    registry = Registry(settings, classifier.name, patience=_PATIENCE)
    under_way = "tags.`aufruf.step` = 'train' and attributes.status = 'RUNNING'"
    return [str(run.info.run_id) for run in artifacts.runs(registry, under_way)]


def _taught(classifier: Classifier, ledger: pd.DataFrame) -> pd.DataFrame:
    return ledger[(ledger["classifier"] == classifier.name) & ledger["split"].isin(["train", "validation"])]
