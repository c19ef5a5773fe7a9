"""The step ``night``: the whole chain in one process, without Airflow."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from aufruf.classifier import Classifier, others
from aufruf.errors import DataRefused, NothingYet
from aufruf.settings import Settings
from aufruf.steps.evaluate import evaluate
from aufruf.steps.explain import explain
from aufruf.steps.ingest import ingest
from aufruf.steps.ingest import refused as refused_files
from aufruf.steps.label import label
from aufruf.steps.label import refused as refused_votes
from aufruf.steps.promote import promote
from aufruf.steps.report import report
from aufruf.steps.score import score
from aufruf.steps.split import split
from aufruf.steps.sweep import sweep
from aufruf.steps.train import train

log = logging.getLogger(__name__)
_LEARN: tuple[Callable[[Settings, Classifier], dict[str, Any]], ...] = (label, split, sweep, train, evaluate, promote)


def night(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Ingest the inbox, learn, judge, score, explain, report; returns each step's object in the order run.

    The inbox is everybody's: other classifiers' votes are stored too; the other steps are this one's.
    Without a champion (the gate kept the first challenger back) the speaking half has nothing to do and says why.
    A refused file or a batch of votes that is held out stops nothing: see ``refused``. Raises what a step raises, with
    the objects of the steps before it as ``done``.
    """
    done: dict[str, Any] = {}
    try:
        beside, broken = others(settings, classifier.name)
        done["ingest"] = _timed(ingest, settings, [classifier, *beside], broken=broken)
        for step in _LEARN:
            done[step.__name__] = _timed(step, settings, classifier)
        done["score"] = _spoken(score, settings, classifier)
        of = {"scored_by": done["score"].get("model_version")}
        for step in (explain, report):
            done[step.__name__] = _spoken(step, settings, classifier, **of)
    except BaseException as failure:  # a full disk and Ctrl-C, too
        failure.done = done  # type: ignore[attr-defined]
        raise
    return done


def refused(result: Mapping[str, Any]) -> DataRefused | None:
    """The failure that a night with refused files or votes held out stands for; None when everything was taken."""
    failures = [
        found for found in (refused_files(result["ingest"]), refused_votes(result["label"])) if found is not None
    ]
    if len(failures) < 2:
        return failures[0] if failures else None
    return DataRefused("; ".join(failure.sentence().rstrip(".") for failure in failures))


def _spoken(step: Callable[..., dict[str, Any]], *arguments: Any, **named: Any) -> dict[str, Any]:
    """Its object; why there is nothing to do where nobody speaks."""
    try:
        return _timed(step, *arguments, **named)
    except NothingYet as reason:
        return {"status": "nothing to do", "why": str(reason)}


def _timed(step: Callable[..., dict[str, Any]], *arguments: Any, **named: Any) -> dict[str, Any]:
    log.info("%s ...", step.__name__)
    start = time.perf_counter()
    result = step(*arguments, **named)
    seconds = round(time.perf_counter() - start, 1)
    log.info("%s done in %.1f s", step.__name__, seconds)
    return {**result, "wall_seconds": seconds}
