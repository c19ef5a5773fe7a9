"""The step ``label``: votes become labels, agreement is measured, and what stays undecided can go back."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier, Votes
from aufruf.data import agreement, batches, labels, people
from aufruf.data import queue as queues
from aufruf.errors import DataRefused
from aufruf.reports import agreement as page
from aufruf.reports.privacy import masked_name
from aufruf.settings import Settings
from aufruf.steps import pseudonyms
from aufruf.steps.buried import Buried, anew
from aufruf.store import Store

log = logging.getLogger(__name__)
_KINDS = ([batches.COUNTS], [batches.COUNTS, batches.HELD_OUT])


@dataclass(frozen=True)
class _Found:
    """The votes of a classifier, which of them count, and what follows from them."""

    votes: pd.DataFrame
    texts: pd.DataFrame
    files: pd.DataFrame
    standing: pd.Series  # counts | held_out | excluded, for each vote
    held: list[batches.HeldOut]
    rows: pd.DataFrame  # of the table labels


@dataclass(frozen=True)
class _Measured:
    """How far annotators agree; names as results have them."""

    overall: agreement.Agreement
    by_type: dict[str, agreement.Agreement]
    by_label: dict[str, agreement.Agreement]  # where a text may have several, else empty
    kappas: dict[tuple[str, str], agreement.Kappa]
    people: list[agreement.Annotator]
    held_out: dict[str, int]  # votes of an annotator that a held-out batch holds
    excluded: list[str]
    doubles: list[tuple[str, str, int]]  # who seem to be one person, and the votes that say so
    second_looks: int  # votes that count for labels, and not (or as they were before) for alpha


def label(settings: Settings, classifier: Classifier, queue: Path | None = None) -> dict[str, Any]:
    """Decide the label of every text that has votes; returns counts and Krippendorff's alpha (or None).

    A batch of votes on which annotators agree less than ``votes.alpha_floor`` is held out: see ``refused``. Only rows
    that differ from the stored ones are written. ``queue``: where to write the undecided texts as Label Studio tasks.
    Raises DataRefused for votes for an unknown label, UsageError for a ``queue`` that is no file.
    """
    store = Store(settings.lake)
    if queue is not None:
        queues.check(queue)
    buried, forgotten = Buried(store), store.version("tombstones")
    known, named = _known(settings, classifier), pseudonyms.coders(settings)
    found = _decide(settings, classifier, known, named)
    written = store.put("labels", labels.changed(found.rows, known), newer="decided_at", allowed=buried.spared)
    result = _shown(settings, classifier, found, named, queue)
    if store.version("tombstones") != forgotten:
        result = _shown_anew(settings, classifier, queue)
    return {**result, "changed": written, "status": "new" if written else "nothing to do"}


def _shown(
    settings: Settings, classifier: Classifier, found: _Found, named: Callable[[str], str], queue: Path | None
) -> dict[str, Any]:
    """What was found, its page and its queue written."""
    measured = _measure(found, classifier)
    result = {**_outcome(found), **_figures(measured, named)}
    result["held_back"] = [_entry(found, batch) for batch in found.held]
    waiting = queues.tasks(found.rows, found.votes, found.standing, found.texts)
    if len(found.votes):
        path, _ = page.write(settings.reports / classifier.name, _page(found, measured, classifier, waiting, named))
        result["page"] = str(path)
    if queue is not None:
        queues.write(queue, waiting)
        result |= {"queued": len(waiting), "queue": str(queue)}
    return result


@anew
def _shown_anew(settings: Settings, classifier: Classifier, queue: Path | None) -> dict[str, Any]:
    named = pseudonyms.coders(settings)
    found = _decide(settings, classifier, _known(settings, classifier), named)
    return _shown(settings, classifier, found, named, queue)


def _known(settings: Settings, classifier: Classifier) -> pd.DataFrame:
    return Store(settings.lake).read("labels", {"classifier": classifier.name})


def counted(settings: Settings, classifier: Classifier) -> pd.DataFrame:
    """The votes that count: text_id, annotator, label and more."""
    found = _decide(settings, classifier, _known(settings, classifier))
    return found.votes[found.standing == batches.COUNTS]


def counting(settings: Settings, classifier: Classifier) -> pd.DataFrame:
    """The first codings that count - text_id, annotator, label - of undecided texts too, without which all agree."""
    return agreement.first_codings(counted(settings, classifier))[["text_id", "annotator", "label", "reading"]]


def undecided(settings: Settings, classifier: Classifier) -> list[dict[str, Any]]:
    """The texts whose votes decide nothing as Label Studio tasks, the most disputed first; nothing is written."""
    found = _decide(settings, classifier, _known(settings, classifier))
    return queues.tasks(found.rows, found.votes, found.standing, found.texts)


def refused(result: Mapping[str, Any]) -> DataRefused | None:
    """The failure that a result with batches held out stands for; None when every batch counts.

    It is told far and wide, so what looks like an address or a handle in the name of a file is masked.
    """
    held = [(masked_name(batch["file"]), batch["reason"]) for batch in result.get("held_back", ())]
    if not held:
        return None
    if len(held) == 1:
        return DataRefused(f"its votes are held out: {held[0][1]}", where=held[0][0])
    told = "; ".join(f"{name}: {reason}" for name, reason in held)
    return DataRefused(f"{len(held)} batches of votes are held out: {told}")


def _decide(
    settings: Settings, classifier: Classifier, known: pd.DataFrame, named: Callable[[str], str] = agreement.shown
) -> _Found:
    """Everything that follows from the stored votes; no table is written. ``named``: how reasons call an annotator."""
    store, now = Store(settings.lake), datetime.now(UTC)  # before the votes are read: what is decided later sees more
    votes = store.read(
        "annotations",
        {"classifier": classifier.name},
        ["text_id", "annotator", "label", "file", "annotated_at", "seconds", "group_id", "why", "first", "first_file"],
    ).rename(columns={"group_id": "reading"})
    votes["annotator"] = votes["annotator"].map(agreement.shown)
    there = set(votes["annotator"])
    rule = _unveiled(classifier.votes, settings, there)
    for key, asked in (("exclude", rule.exclude), ("same_person", [one for some in rule.same_person for one in some])):
        for name in sorted(set(map(agreement.shown, asked)) - there):
            log.warning("votes.%s names %r, who has no vote for %s", key, name, classifier.name)
    votes, several = people.as_one(votes, rule.same_person), classifier.multi_label
    labels.known_labels(votes, classifier.labels, classifier.name, several=several)
    facts = ["text_id", "group_id", "post_id", "text", "text_type"]
    texts = store.read("texts", {"text_id": sorted(set(votes["text_id"]))}, facts)
    files = store.read("files", columns=["digest", "name", "ingested_at"])
    current = votes["text_id"].map(texts.drop_duplicates("text_id").set_index("text_id")["group_id"])
    outdated = votes["reading"].notna() & current.notna() & (votes["reading"] != current)
    stands, held = batches.standing(votes[~outdated], files, classifier.labels, rule, several=several, named=named)
    standing = stands.reindex(votes.index, fill_value=batches.OUTDATED)
    rows = labels.decide(votes, texts, classifier.labels, rule.minimum, classifier.name, now, standing, several=several)
    arrived = files.drop_duplicates("digest").set_index("digest")["ingested_at"]
    rows = labels.keep(rows, known, votes, standing, arrived, rule.minimum)
    return _Found(votes, texts, files, standing, held, rows)


def _unveiled(rule: Votes, settings: Settings, there: set[str]) -> Votes:
    """The rule with names for pseudonyms, by which pages call who is ``there``."""
    key = pseudonyms.stored(settings.home / pseudonyms.KEY)
    if not key:
        return rule
    name_of = {pseudonyms.coder(key, name): name for name in there}
    exclude, *same = [tuple(name_of.get(one, one) for one in some) for some in (rule.exclude, *rule.same_person)]
    return rule.model_copy(update={"exclude": exclude, "same_person": tuple(same)})


def _measure(found: _Found, classifier: Classifier) -> _Measured:
    """Alpha of the votes that count; pairs and people also with those held out, so that the odd one out is seen.

    Alpha and kappas are of first codings, a person's own row is of all votes.
    """
    counted, judged = (found.votes[found.standing.isin(kinds)] for kinds in _KINDS)
    several = classifier.multi_label
    types = dict(zip(found.texts["text_id"], found.texts["text_type"], strict=True))
    second = int(agreement.looked_again(agreement.own_votes(counted)).sum())
    kappas, counted = agreement.pairwise_kappa(agreement.first_codings(judged)), agreement.first_codings(counted)
    held, excluded = (found.votes[found.standing == kind] for kind in (batches.HELD_OUT, batches.EXCLUDED))
    coders = [*agreement.annotators(judged, classifier.labels, kappas)]
    alone = [*agreement.annotators(excluded.assign(text_id=excluded.index), classifier.labels, {})]  # with nobody
    return _Measured(
        agreement.measure(counted, classifier.labels, several=several),
        agreement.by_text_type(counted, types, classifier.labels, several=several),
        agreement.by_label(counted, classifier.labels) if several else {},
        kappas,
        sorted([*coders, *alone], key=lambda person: person.name),
        {str(name): len(rows) for name, rows in agreement.own_votes(held).groupby("annotator")},
        sorted(set(excluded["annotator"])),
        people.doubles(judged),
        second,
    )


def _outcome(found: _Found) -> dict[str, Any]:
    how = found.rows["how"].value_counts()
    return {
        "labels": int(found.rows["label"].notna().sum()),
        "ties": int(how.get("tie", 0)),
        "too_few_votes": int(how.get("too_few_votes", 0)),
        "contradictions": int(how.get("contradiction", 0)),
        "undecided": int(found.rows["label"].isna().sum()),
        "edited": int(how.get("edited", 0)),
    }


def _figures(measured: _Measured, named: Callable[[str], str]) -> dict[str, Any]:
    overall = measured.overall
    return {
        "alpha": overall.alpha,
        "alpha_low": overall.low,
        "alpha_high": overall.high,
        "alpha_texts": overall.texts,
        "alpha_note": overall.note,
        "by_text_type": {kind: asdict(one) for kind, one in measured.by_type.items()},
        **({"by_label": {label: asdict(one) for label, one in measured.by_label.items()}} if measured.by_label else {}),
        "kappas": [[*pair, one.value, one.texts] for pair, one in measured.kappas.items()],
        "annotators": len(measured.people) - len(measured.excluded),
        "by_annotator": [
            {
                **asdict(one),
                "named": named(one.name),  # on the page and in messages
                "abstained": one.abstained,
                "held_out": measured.held_out.get(one.name, 0),
            }
            for one in measured.people
        ],
        "excluded": measured.excluded,
        "doubles": [list(pair) for pair in measured.doubles],
        "second_looks": measured.second_looks,
    }


def _entry(found: _Found, batch: batches.HeldOut) -> dict[str, Any]:
    """A batch that is held out, by the name of its file."""
    named = found.files.loc[found.files["digest"] == batch.file, "name"].tolist()
    return {
        "file": named[0] if named else batch.file[:12],
        "digest": batch.file[:12],
        "votes": batch.votes,
        **asdict(batch.agreement),
        "reason": batch.reason,
    }


def _page(
    found: _Found,
    measured: _Measured,
    classifier: Classifier,
    waiting: list[dict[str, Any]],
    named: Callable[[str], str],
) -> page.AgreementReport:
    entries = [_entry(found, batch) for batch in found.held]
    return page.AgreementReport(
        classifier=classifier.name,
        labels=list(dict.fromkeys([*classifier.labels, *(said for one in measured.people for said in one.votes)])),
        decided=int(found.rows["label"].notna().sum()),
        outcomes={str(how): int(texts) for how, texts in found.rows["how"].value_counts().sort_index().items()},
        floor=classifier.votes.alpha_floor,
        minimum=classifier.votes.minimum,
        overall=_alpha(measured.overall),
        by_type={kind: _alpha(one) for kind, one in measured.by_type.items()},
        by_label={label: _alpha(one) for label, one in measured.by_label.items()},
        pairs=[page.Pair(named(a), named(b), one.value, one.texts) for (a, b), one in measured.kappas.items()],
        coders=[_coder(one, measured, named) for one in measured.people],
        doubles=[(named(one), named(other), votes) for one, other, votes in measured.doubles],
        second_looks=measured.second_looks,
        batches=[
            page.Batch(e["file"], e["votes"], _alpha(b.agreement), e["reason"])
            for e, b in zip(entries, found.held, strict=True)
        ],
        undecided=[
            page.Undecided(task["data"]["text_id"], task["data"]["why"], task["data"]["votes"]) for task in waiting
        ],
    )


def _alpha(one: agreement.Agreement) -> page.Alpha:
    return page.Alpha(one.alpha, one.low, one.high, one.texts, one.note)


def _coder(one: agreement.Annotator, measured: _Measured, named: Callable[[str], str]) -> page.Coder:
    return page.Coder(
        name=named(one.name),
        votes=one.votes,
        abstained=one.abstained,
        agreement=one.agreement,
        kappa=one.kappa,
        seconds=one.seconds,
        held_out=measured.held_out.get(one.name, 0),
        excluded=one.name in measured.excluded,
    )
