"""The step ``promote``: challenger and champion on the same frozen test rows, one decision, written down."""

import json
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import NothingYet
from aufruf.model.evaluation import difference, disagreements
from aufruf.release.promotion import Evidence, Rule, behaviour_of, judge, sentence, slices_of, step
from aufruf.release.registry import CHALLENGER, CHAMPION, Registry, Version
from aufruf.schemas import PROMOTED, Decision
from aufruf.settings import Settings
from aufruf.stack.state import served
from aufruf.steps import corpus, decisions, numbers
from aufruf.steps.champion import CROWNED, crown, noticed, verify
from aufruf.steps.evaluate import evaluate, judged
from aufruf.store import Store


def promote(
    settings: Settings, classifier: Classifier, version: str | None = None, challenger: str | None = None
) -> dict[str, Any]:
    """Judge the challenger; crown it when the gate is passed and may decide alone. Every verdict becomes a row.

    A pair already judged on the same rows by the same rule is not judged again (where nobody answered, one is asked
    again), and a challenger that a person took back is not crowned again. ``challenger``: the version to judge; None:
    the one with the alias. With ``version`` (a number or an alias) a person decides: it is verified and crowned. Raises
    NothingYet without a challenger, UsageError for an unknown version, BundleRefused for one that is not what was
    registered.
    """
    settings = served(settings)
    registry = Registry(settings, classifier.name)
    champion = noticed(settings, classifier, registry).version
    if version is not None:
        return _by_order(settings, classifier, registry, registry.get(version), champion)
    rival = registry.get(challenger) if challenger else registry.by_alias(CHALLENGER)
    if rival is None:
        raise NothingYet(
            "there is no challenger to judge",
            where=classifier.name,
            next=f"Run `aufruf train{settings.choosing(classifier.name)}`.",
        )
    return _judged(settings, classifier, registry, rival, champion)


def _judged(
    settings: Settings, classifier: Classifier, registry: Registry, challenger: Version, champion: Version | None
) -> dict[str, Any]:
    """The gate's decision on a challenger, the one that is known or a new one.

    A champion that was changed while the two were measured is the one to measure against, so all begins anew.
    """
    store = Store(settings.lake)
    numbers.check(settings, classifier.name, challenger)
    frame = corpus.labelled(settings, classifier)
    test = frame[frame["split"] == "test"]
    rule = classifier.gate.model_dump(mode="json")
    turned = [classifier.positive] if classifier.positive != classifier.labels[-1] else []  # so older marks still hold
    mark = corpus.fingerprint(test, rule, challenger.version, _number(champion), *turned)
    known = decisions.last(store, classifier, challenger.version)
    same = champion is not None and champion.version == challenger.version
    if (same and known is None) or (CROWNED in challenger.tags and not same):
        return _by_hand(challenger, champion)
    if known is not None and (same or known["fingerprint"] == mark):
        row, status = known, "unchanged"
        if row["decided_by"] == decisions.NOBODY and not same and classifier.gate.mode == "approve":
            row, status = decisions.again(store, row), "new"
    else:
        decision = _decide(settings, classifier, challenger, champion, test, mark)
        speaks = noticed(settings, classifier, registry).version  # measuring takes minutes, in which people act
        if _number(speaks) != _number(champion):
            return _judged(settings, classifier, registry, registry.get(challenger.version), speaks)
        if decision.verdict in PROMOTED:
            verify(registry, challenger)
        store.add("decisions", [decision])  # before the alias moves: a kill in between is made good by the next call
        row, status = vars(decision), "new"
    if row["verdict"] in PROMOTED:
        judged_against = (_number(champion), challenger.version)
        if CROWNED not in challenger.tags and not crown(
            settings, classifier, registry, challenger, decisions.how(row), judged_against
        ):
            speaks = noticed(settings, classifier, registry).version
            return _judged(settings, classifier, registry, registry.get(challenger.version), speaks)
        champion = challenger
    return {**decisions.result(row, _number(champion)), "status": status}


def _number(version: Version | None) -> str | None:
    return version.version if version else None


def _by_order(
    settings: Settings, classifier: Classifier, registry: Registry, wanted: Version, champion: Version | None
) -> dict[str, Any]:
    """A person names the version: ``aufruf promote --version``."""
    alias = registry.by_alias(CHAMPION)
    verify(registry, wanted)
    if alias is not None and alias.version == wanted.version:
        return _said(wanted.version, wanted.version, f"version {wanted.version} is champion already")
    how = f"version {wanted.version} was made champion by hand, with aufruf promote --version"
    store = Store(settings.lake)
    before = decisions.last(store, classifier, wanted.version)
    crown(settings, classifier, registry, wanted, "hand")  # first: nobody would make good what did not happen
    row = decisions.last(store, classifier, wanted.version)
    if row is None or row == before or row["verdict"] not in PROMOTED:  # else whoever looked meanwhile wrote it down
        row = decisions.by_hand(store, classifier, wanted, _number(champion), how)
    return {**decisions.result(row, wanted.version), "status": "new"}


def _decide(
    settings: Settings,
    classifier: Classifier,
    challenger: Version,
    champion: Version | None,
    test: pd.DataFrame,
    mark: str,
) -> Decision:
    gate = classifier.gate
    ours = evaluate(settings, classifier, challenger.version)
    theirs = evaluate(settings, classifier, champion.version) if champion else None
    gap, apart = None, None
    if champion:
        mine, other = (judged(settings, classifier, one, test) for one in (challenger, champion))
        groups = test["group_id"].tolist()
        how = (gate.metric, gate.confidence, gate.resamples, classifier.split.seed)
        found, apart = difference(mine, other, groups, *how), disagreements(mine, other, groups, gate.metric)
        gap = (found.value, found.low, found.high)
    lead = ours["over_baseline"]
    measured = Registry(settings, classifier.name).get(challenger.version).tags
    evidence = Evidence(
        metric=gate.metric,
        challenger=challenger.version,
        champion=_number(champion),
        challenger_value=ours["metrics"][gate.metric]["value"],
        baseline_value=ours["baseline"][gate.metric]["value"],
        difference=gap,
        slices=slices_of(measured.get("aufruf.slices")),
        behaviour=behaviour_of(measured.get("aufruf.behaviour")),
        looks=decisions.looks(Store(settings.lake), classifier, challenger.version, len(test)),
        disagreements=apart,
        over_baseline=(lead["value"], lead["low"], lead["high"]),
        unlike_baseline=lead["disagreements"],
    )
    rule = Rule(**gate.model_dump(exclude={"metric", "resamples", "answer_hours"}))
    found_verdict = judge(evidence, rule)
    value, low, high = gap or (None, None, None)
    return Decision(
        classifier=classifier.name,
        challenger=challenger.version,
        champion=evidence.champion,
        at=datetime.now(UTC),
        verdict=found_verdict.verdict,
        reasons=json.dumps([sentence(found_verdict.verdict, evidence), *found_verdict.reasons], ensure_ascii=False),
        challenger_metrics=json.dumps(ours["metrics"]),
        champion_metrics=json.dumps(theirs["metrics"]) if theirs else None,
        value=value,
        low=low,
        high=high,
        test_rows=len(test),
        fingerprint=mark,
        looks=evidence.looks,
        step=step(evidence, rule),
    )


def _by_hand(challenger: Version, champion: Version | None) -> dict[str, Any]:
    """A person crowned the challenger before the gate saw it, or took the alias back after the gate had given it."""
    if champion is None:
        reason = f"version {challenger.version} was champion before, and a person took the alias away"
    elif champion.version == challenger.version:
        reason = f"version {champion.version} was made champion by hand"
    else:
        reason = (
            f"version {challenger.version} was champion before, and version {champion.version} was put in its place"
        )
    return _said(_number(champion), challenger.version, reason)


def _said(champion: str | None, challenger: str, reason: str) -> dict[str, Any]:
    """Nothing was decided, and why not."""
    return {
        "verdict": "kept",
        "champion": champion,
        "challenger": challenger,
        "difference": {"value": None, "low": None, "high": None},
        "reasons": [reason],
        "status": "unchanged",
    }
