"""The step ``explain``: why the champion said so, for the texts that a policy or a filter chooses, or for one text."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from aufruf.classifier import Classifier
from aufruf.data.identity import digest
from aufruf.errors import AufrufError, UsageError
from aufruf.model.explain import Effort, Explained, explain_many, seed_of
from aufruf.model.explain import explain as explain_one
from aufruf.model.explain_trust import faithfulness
from aufruf.model.predictor import Predictor
from aufruf.release.registry import CHAMPION, Registry, Version
from aufruf.reports.inert import inert
from aufruf.reports.privacy import masked
from aufruf.schemas import Explanation
from aufruf.sections import Explain as Policy
from aufruf.settings import Settings
from aufruf.steps.buried import Buried
from aufruf.steps.champion import Speaker, speaking
from aufruf.steps.chosen import selects, unexplained
from aufruf.steps.estimate import estimate
from aufruf.steps.loaded import predictor_of
from aufruf.steps.words import words_due, write_words
from aufruf.store import Store

log = logging.getLogger(__name__)
STOPPED = "stopped: the champion is another one"
_STILL = 1e-6  # of probability: weights below are what batches round
_PUBLISHED = 16  # explanations stored at a time: what a killed job loses


def explain(
    settings: Settings,
    classifier: Classifier,
    text: str | None = None,
    model: str | None = None,
    where: str | None = None,
    dry_run: bool = False,
    scored_by: str | None = None,
) -> dict[str, Any]:
    """Explain the chosen texts that have no explanation by this version yet, or ``text`` alone, which is not stored.

    ``where`` chooses by a filter instead of the classifier's policy. ``dry_run`` only says what the job would cost.
    ``scored_by``: the version that the run has scored with; where another speaks by now there is nothing to explain.
    When another version becomes champion meanwhile the job ends after the text at hand: its ``status`` says so. A text
    of which the model makes no number is left out and counted as ``failed``; ``explained`` are those that this job has
    stored. Where there is nothing to explain the page on words is written all the same if it is not what it should be.
    Raises NothingYet without a champion, UsageError for a filter that cannot be read, a text that is none or one beside
    a filter, BundleRefused when the version's files are not what was registered, AufrufError when no text could be
    explained, nor any before.
    """
    if text is not None:
        _readable(text, where, dry_run)
    registry = Registry(settings, classifier.name)
    speaker = speaking(settings, classifier, registry, model)
    version = speaker.version
    if text is not None:
        return _one(classifier, predictor_of(registry, classifier, version), version, text)
    store, start = Store(settings.lake), time.perf_counter()
    result = {"model_version": scored_by or version.version, "explained": 0, "seconds": 0.0}
    if scored_by not in (None, version.version):
        return {**result, "status": STOPPED}
    mine = {"classifier": classifier.name, "model_version": version.version}
    chosen = unexplained(store, classifier, version, where)
    if chosen.empty:
        told = {**result, "status": "nothing to do"}
        if where is not None and not selects(store, classifier, version.version, where):
            told["why"] = "--where selects no text that was scored: look at the spelling of its values"
        if model or where is not None or dry_run or not words_due(settings, store, classifier, version):
            return told
        predictor = predictor_of(registry, classifier, version)
        return {**told, "page": str(write_words(settings, store, classifier, version, predictor))}
    predictor = predictor_of(registry, classifier, version)
    if dry_run:
        before = None if model else store.read("explanations", mine, ["text_id", "words"])
        cost = estimate(chosen, before, classifier, predictor.positives, effort_of(classifier.explain))
        return {**result, "status": "dry run", **cost}
    rows: Iterator[Explanation | None] = _rows(classifier, predictor, version, chosen)
    rows = tqdm(rows, total=len(chosen), unit="text", desc="explain")
    explained = unreliable = failed = done = 0
    buried = Buried(store)
    for several in _several(rows if model else while_champion(registry, speaker, rows)):
        some = [one for one in several if one is not None]
        ours = _stored(store, buried, mine, some)
        explained, failed, done = explained + len(ours), failed + len(several) - len(some), done + len(several)
        unreliable += sum(bool(one.unreliable) for one in ours)
    if failed and failed == done and not store.count("explanations", mine):
        raise AufrufError(
            f"the model makes no number of any of {failed} texts",
            where=f"{classifier.name}, version {version.version}",
            next="Train again, or move the alias to another version.",
        )
    result |= {"explained": explained, "unreliable": unreliable, "failed": failed}
    if model is None:  # the page is the champion's
        result["page"] = str(write_words(settings, store, classifier, version, predictor))
    status = "new" if done == len(chosen) else STOPPED
    return {**result, "seconds": round(time.perf_counter() - start, 1), "status": status}


def effort_of(policy: Policy) -> Effort:
    """What the classifier file asks to be spent on one text."""
    certainty = None if policy.certainty == "all" else policy.certainty
    return Effort(policy.perturbations, policy.words, policy.exact, certainty, policy.fold_case)


def doubts(policy: Policy, found: Explained, faithful: float | None) -> list[str]:
    """Why an explanation is not to be relied on, in words; empty where nothing speaks against it."""
    if found.way == "none":
        return []
    if all(abs(weight) < _STILL for _, weight in found.words):
        return ["no word moves the model"]
    said = []
    if not found.fit >= policy.fit_floor:
        said.append(f"fit below {policy.fit_floor}")
    if not found.stability >= policy.stability_floor:
        said.append(f"stability below {policy.stability_floor}")
    if found.certainty is not None and policy.certainty != "all" and found.certainty < policy.certainty:
        said.append(f"words not settled after {found.drawn} perturbations")
    if faithful is not None and faithful < policy.faithfulness_floor:
        said.append("other words matter as much as those named")
    return said


def while_champion(
    registry: Registry, speaker: Speaker, rows: Iterator[Explanation | None]
) -> Iterator[Explanation | None]:
    """The rows until the alias is no longer where ``speaker`` found it: the texts then wait to be scored again."""
    for row in rows:
        yield row
        now = registry.by_alias(CHAMPION)
        if now is None or now.version != (speaker.instead_of or speaker.version.version):
            return


def _several(rows: Iterator[Explanation | None]) -> Iterator[list[Explanation | None]]:
    some: list[Explanation | None] = []
    for row in rows:
        some.append(row)
        if len(some) == _PUBLISHED:
            yield some
            some = []
    if some:
        yield some


def _stored(store: Store, buried: Buried, mine: dict[str, Any], some: list[Explanation]) -> list[Explanation]:
    """Store explanations; returns those that came of it: a text may be forgotten, another job may have been faster."""
    if store.add("explanations", some, buried.spared) == len(some):
        return some
    asked = {**mine, "text_id": [one.text_id for one in some]}
    at = set(store.read("explanations", asked, ["explained_at"])["explained_at"])
    return [one for one in some if one.explained_at in at]


def _rows(
    classifier: Classifier, predictor: Predictor, version: Version, chosen: pd.DataFrame
) -> Iterator[Explanation | None]:
    """An explanation for each row, in order, or None; of a random few it is also measured whether they are faithful."""
    policy, rows = classifier.explain, chosen.to_dict("records")
    seeds = [seed_of(policy.seed, row["digest"], version.version) for row in rows]
    checked = set(np.argsort(seeds)[: policy.faithfulness].tolist())  # seeds are digests: their order is random
    texts = [(row["text"], seed) for row, seed in zip(rows, seeds, strict=True)]
    for at, found in enumerate(explain_many(texts, predictor.positives, effort_of(policy))):
        if found is None:
            name = inert(masked(rows[at]["text_id"], numbers=False))
            log.warning("%s is not explained: the model's output is not a number", name)
            yield None
            continue
        faithful = None
        if at in checked:
            faithful = faithfulness(rows[at]["text"], found, predictor.positives, seeds[at], policy.fold_case)
        yield _row(classifier, version, rows[at], found, faithful)


def _readable(text: str, where: str | None, dry_run: bool) -> None:
    if where is not None or dry_run:
        option = "--dry-run" if where is None else "--where"
        raise UsageError(f"{option} does not go with a text", next=f"Leave out the text, or {option}.")
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise UsageError("the text holds half a character", next="Give it in UTF-8.")


def _one(classifier: Classifier, predictor: Predictor, version: Version, text: str) -> dict[str, Any]:
    start, policy = time.perf_counter(), classifier.explain
    probabilities = predictor.probabilities([text])
    seed = seed_of(policy.seed, digest(text), version.version)
    found = explain_one(text, predictor.positives, effort_of(policy), seed)
    faithful = faithfulness(text, found, predictor.positives, seed, policy.fold_case)
    return {
        "model_version": version.version,
        "label": classifier.value_of(predictor.said(probabilities)[0]),
        "probabilities": dict(zip(predictor.card.labels, map(float, probabilities[0]), strict=True)),
        "positive": classifier.positive,
        "threshold": predictor.card.threshold,
        "words": [[word, weight] for word, weight in found.words],
        "pieces": [[piece, weight] for piece, weight in found.pieces],
        "fit": found.fit,
        "stability": found.stability,
        "faithfulness": faithful,
        "unreliable": doubts(policy, found, faithful),
        "way": found.way,
        "scored": found.scored,
        "explained": 1,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _row(
    classifier: Classifier, version: Version, row: dict[Any, Any], found: Explained, faithful: float | None
) -> Explanation:
    return Explanation(
        classifier=classifier.name,
        text_id=row["text_id"],
        digest=row["digest"],
        model_version=version.version,
        chosen=row["chosen"],
        label=row["label"],
        words=json.dumps(found.words, ensure_ascii=False),
        fit=float(np.round(found.fit, 6)),
        stability=found.stability,
        explained_at=datetime.now(UTC),
        way=found.way,
        drawn=found.drawn,
        scored=found.scored,
        certainty=found.certainty,
        faithfulness=faithful,
        unreliable="; ".join(doubts(classifier.explain, found, faithful)),
    )
