"""Everything that an evaluation finds out about one version, from one table of its answers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model import baseline, behaviour, evaluation, evaluation_slices
from aufruf.model.evaluation import Interval, Judged
from aufruf.model.evaluation_slices import Slice
from aufruf.model.predictor import Predictor
from aufruf.steps import corpus, slices

Values = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Evidence:
    """A version on the test set."""

    said: pd.DataFrame  # one row a test text: text_id, text, group_id, label, label_said, probabilities
    model: Judged
    rival: Judged  # the baseline on the same rows
    metrics: Values
    baseline: Values
    over_baseline: dict[str, float]  # of the gate's metric: value, low, high, disagreements
    labels: list[Interval]  # F1 of each
    slices: list[Slice]
    unknown: list[str]  # dimensions of which no text has a value
    outcomes: list[behaviour.Outcome]
    accounts: int | None  # that the texts come from; None where it is not known of each

    def as_dict(self, classifier: Classifier) -> dict[str, Any]:
        """The figures as JSON has them, all slices included."""
        return {
            "n": len(self.said),
            "groups": int(self.said["group_id"].nunique()),
            "accounts": self.accounts,
            "positives": int(self.model.hits.sum()),
            "confidence": classifier.gate.confidence,
            "resamples": classifier.gate.resamples,
            "seed": classifier.split.seed,
            "metrics": self.metrics,
            "baseline": self.baseline,
            "over_baseline": self.over_baseline,
            "f1_by_label": dict(zip(classifier.labels, (one.value for one in self.labels), strict=True)),
            "by_label": by_label(classifier, self.labels),
            "slices": [_slice(one) for one in self.slices],
            "behaviour": behaviour.summary(self.outcomes),
        }


def judge(classifier: Classifier, said: pd.DataFrame) -> Judged:
    """A version's answers to labelled rows (label, label_said, probabilities)."""
    return Judged(
        truth=np.array(classifier.targets(said["label"]), dtype=np.bool_),
        predicted=np.array(classifier.targets(said["label_said"]), dtype=np.bool_),
        scores=np.array([one[classifier.positive] for one in said["probabilities"]], dtype=np.float64),
        positive=classifier.positive_index,
    )


def gather(
    classifier: Classifier,
    frame: pd.DataFrame,
    said: pd.DataFrame,
    parts: dict[str, list[str]],
    predictor: Predictor | None,
    accounts: int | None = None,
) -> Evidence:
    """Measure a version and the baseline.

    ``frame``: all labelled texts; ``said``: the answers to those of the test set; ``parts``: dimension -> the value of
    each row of ``said``; ``predictor``: the version itself, for the behaviour tests, or None where there are none;
    ``accounts``: see ``slices.accounts``.
    """
    gate, enough = classifier.gate, (classifier.evaluation.slice_texts, classifier.evaluation.slice_positives)
    how = (gate.confidence, gate.resamples, classifier.split.seed)
    model, groups, known = judge(classifier, said), said["group_id"].tolist(), slices.known(parts)
    train, validation, test = (corpus.examples(frame, split, classifier) for split in ("train", "validation", "test"))
    at, fixed = classifier.positive_index, classifier.scoring.fixed
    rival = baseline.judge(train, validation, test, at, classifier.training.seed, fixed)
    tests = behaviour.suite(classifier.evaluation.behaviour) if predictor else []
    return Evidence(
        said=said,
        model=model,
        rival=rival,
        metrics=_values(evaluation.intervals(model, groups, *how)),
        baseline=_values(evaluation.intervals(rival, groups, *how)),
        over_baseline={
            **evaluation.difference(model, rival, groups, gate.metric, *how).as_dict(),
            "disagreements": evaluation.disagreements(model, rival, groups, gate.metric),
        },
        labels=evaluation.intervals_by_label(model, groups, *how),
        slices=slices.ordered(evaluation_slices.slices(model, groups, known, *how, enough)),
        unknown=[name for name in parts if name not in known],
        outcomes=behaviour.run(tests, predictor.probabilities, predictor.decide, model.positive) if predictor else [],
        accounts=accounts,
    )


def by_label(classifier: Classifier, labels: list[Interval]) -> Values:
    """F1 of each label with its interval."""
    return {name: one.as_dict() for name, one in zip(classifier.labels, labels, strict=True)}


def _values(found: dict[str, Interval]) -> Values:
    return {name: one.as_dict() for name, one in found.items()}


def _slice(one: Slice) -> dict[str, Any]:
    figures = {key: part.as_dict() if part else None for key, part in _figures(one).items()}
    return {"dimension": one.dimension, "value": one.value, "n": one.n, "positives": one.positives, **figures} | {
        "small": one.small
    }


def _figures(one: Slice) -> dict[str, Interval | None]:
    return {"f1": one.f1, "precision": one.precision, "recall": one.recall}
