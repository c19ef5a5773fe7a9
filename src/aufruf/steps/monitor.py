"""The step ``monitor``: do the posts still look like what the model has learnt from?"""

from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.release.registry import Registry
from aufruf.schemas import names_in
from aufruf.settings import Settings
from aufruf.steps import corpus, findings
from aufruf.steps.champion import speaking
from aufruf.store import Store

_EDGES = np.array([0, 20, 40, 80, 160, 320, 640, 1280, np.inf])  # characters: each bin twice as long as the one before


def monitor(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Jensen-Shannon distances (base 2, 0..1) of lengths and labels: the posts last scored against the training data.

    ``moved`` names what lies above the classifier's threshold. Raises NothingYet without a champion or a ledger.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version = speaking(settings, classifier, registry).version
    frame = corpus.labelled(settings, classifier)
    train = frame[frame["split"] == "train"]
    posts = findings.latest(findings.scored(store, classifier, version.version))
    result: dict[str, Any] = {"model_version": version.version, "texts": len(posts), "moved": []}
    if len(posts) < classifier.monitor.minimum:
        return {**result, "status": "nothing to do"}
    distances = {
        "lengths": distance(_lengths(train["text"]), _lengths(posts["text"])),
        "labels": distance(*(_labels(part["label"], classifier) for part in (train, posts))),
    }
    moved = [name for name, value in distances.items() if value > classifier.monitor.drift]
    return {**result, **distances, "moved": moved, "status": "new"}


def distance(one: Any, other: Any) -> float:
    """Jensen-Shannon distance of two lists of counts (Lin 1991; square root of the divergence, base 2)."""
    p, q = (np.asarray(counts, dtype=float) / np.sum(counts) for counts in (one, other))
    middle = (p + q) / 2
    halves = [np.sum(part[part > 0] * np.log2(part[part > 0] / middle[part > 0])) for part in (p, q)]
    return float(np.sqrt(max(0.0, float(np.mean(halves)))))


def _lengths(texts: pd.Series) -> Any:
    return np.histogram(texts.str.len(), bins=_EDGES)[0]


def _labels(labels: pd.Series, classifier: Classifier) -> list[int]:
    named = [name for value in labels for name in names_in(value)]
    return [named.count(answer) for answer in classifier.answers]
