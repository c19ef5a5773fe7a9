"""What a job of explanations will cost, before it starts: counted at most, and timed on a small part of it."""

import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model.explain import Effort, Positives, explain_many
from aufruf.model.explain_design import Cut, Draws
from aufruf.model.explain_trust import ASKED
from aufruf.steps.words import swaps

_TEXTS, _VARIANTS = 8, 32  # of so many texts so many variants are scored to find the rate
_ALONE = 2  # of so many is reckoned what takes time beside the model


def estimate(
    chosen: pd.DataFrame, before: pd.DataFrame | None, classifier: Classifier, positives: Positives, effort: Effort
) -> dict[str, Any]:
    """``texts``; the texts that the model is asked about: ``perturbations``, and ``beside`` them for faithfulness and
    the page on words, at most; the measured ``rate`` (a second); ``at_most_seconds`` of all, drawing and fitting too.

    Of texts without words one is counted. The rate is that of distinct variants of texts spread over the job.
    ``before``: text_id and words of the version's explanations so far; None where no page on words follows.
    """
    cuts = [Cut(text, fold_case=effort.fold_case) for text in chosen["text"]]
    most = sum(effort.most(len(cut)) for cut in cuts)
    beside = ASKED * min(classifier.explain.faithfulness, len(cuts))
    if before is not None:
        new = zip(chosen["text_id"], (cut.names for cut in cuts), strict=True)
        old = ((text_id, [word for word, _ in json.loads(words)]) for text_id, words in before.itertuples(index=False))
        beside += swaps([*new, *old], classifier)
    part = cuts[:: max(1, len(cuts) // _TEXTS)][:_TEXTS]
    rate = _rate(part, positives)
    alone = _alone(part[:: max(1, len(part) // _ALONE)][:_ALONE], effort)
    return {
        "texts": len(cuts),
        "perturbations": most,
        "beside": beside,
        "rate": round(rate, 1),
        "at_most_seconds": round((most + beside) / rate + alone * len(cuts), 1),
    }


def _rate(part: Sequence[Cut], positives: Positives) -> float:
    """Distinct texts that the model is asked about in a second: it reads equal ones once."""
    variants = list(dict.fromkeys(variant for cut in part for variant in _some(cut)))
    positives(variants[:_VARIANTS])  # the first call is slower than all others
    start = time.perf_counter()
    positives(variants)
    return len(variants) / max(time.perf_counter() - start, 1e-6)


def _alone(part: Sequence[Cut], effort: Effort) -> float:
    """Seconds that a text takes beside the model: of answers by chance, which hardly settle before all is drawn."""
    random = np.random.RandomState(0)
    start = time.perf_counter()
    list(explain_many([(cut.text, 0) for cut in part], lambda texts: random.random_sample(len(texts)), effort))
    return (time.perf_counter() - start) / len(part)


def _some(cut: Cut) -> list[str]:
    if not len(cut):
        return [cut.text]
    return [cut.without(row) for row in Draws(len(cut), _VARIANTS, 0).up_to(_VARIANTS)]
