"""The step ``night``: the whole chain in one process, without Airflow."""

import logging
import time
from collections.abc import Callable
from typing import Any

from aufruf.classifier import Classifier
from aufruf.errors import NothingYet
from aufruf.settings import Settings
from aufruf.steps.evaluate import evaluate
from aufruf.steps.explain import explain
from aufruf.steps.ingest import ingest
from aufruf.steps.label import label
from aufruf.steps.promote import promote
from aufruf.steps.report import report
from aufruf.steps.score import score
from aufruf.steps.split import split
from aufruf.steps.sweep import sweep
from aufruf.steps.train import train

log = logging.getLogger(__name__)
_LEARN: tuple[Callable[[Settings, Classifier], dict[str, Any]], ...] = (label, split, sweep, train, evaluate, promote)
_SPEAK: tuple[Callable[[Settings, Classifier], dict[str, Any]], ...] = (score, explain, report)


def night(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Ingest the inbox, learn, judge, score, explain, report; returns each step's object in the order run.

    Without a champion (the gate kept the first challenger back) the speaking half has nothing to do and says why.
    Raises what a step raises.
    """
    done = {"ingest": _timed(ingest, settings, [classifier])}
    for step in _LEARN:
        done[step.__name__] = _timed(step, settings, classifier)
    for step in _SPEAK:
        try:
            done[step.__name__] = _timed(step, settings, classifier)
        except NothingYet as reason:
            done[step.__name__] = {"status": "nothing to do", "why": str(reason)}
    return done


def _timed(step: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    log.info("%s ...", step.__name__)
    start = time.perf_counter()
    result = step(*arguments)
    seconds = round(time.perf_counter() - start, 1)
    log.info("%s done in %.1f s", step.__name__, seconds)
    return {**result, "wall_seconds": seconds}
