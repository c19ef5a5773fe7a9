"""What a job of explanations will cost, before it starts: counted at most, and timed on a small part of it."""

import time
from collections.abc import Sequence
from typing import Any

from aufruf.model.explain import Effort, Positives
from aufruf.model.explain_design import Cut, Draws

_TEXTS, _VARIANTS = 8, 32  # of so many texts so many variants are scored to find the rate


def estimate(texts: Sequence[str], positives: Positives, effort: Effort) -> dict[str, Any]:
    """``texts``, ``perturbations`` (model calls, at most), the measured ``rate`` (a second) and ``seconds``, at most.

    Of texts without words one call is counted. The rate is that of variants of texts spread over the job.
    """
    cuts = [Cut(text, fold_case=effort.fold_case) for text in texts]
    most = sum(effort.most(len(cut)) for cut in cuts)
    part = cuts[:: max(1, len(cuts) // _TEXTS)][:_TEXTS]
    variants = [variant for cut in part for variant in _some(cut)]
    positives(variants[:_VARIANTS])  # the first call is slower than all others
    start = time.perf_counter()
    positives(variants)
    rate = len(variants) / max(time.perf_counter() - start, 1e-6)
    return {
        "texts": len(texts),
        "perturbations": most,
        "rate": round(rate, 1),
        "at_most_seconds": round(most / rate, 1),
    }


def _some(cut: Cut) -> list[str]:
    if not len(cut):
        return [cut.text]
    return [cut.without(row) for row in Draws(len(cut), _VARIANTS, 0).up_to(_VARIANTS)]
