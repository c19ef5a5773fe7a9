"""The step ``evaluate``: a version on the frozen test set. All figures come from one predictions table."""

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import AufrufError, NothingYet
from aufruf.model import baseline, evaluation
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples
from aufruf.release.registry import CHALLENGER, Registry, Version
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings
from aufruf.steps import card, corpus
from aufruf.steps.score import store_predictions, unscored
from aufruf.store import Store


def evaluate(settings: Settings, classifier: Classifier, model: str | None = None) -> dict[str, Any]:
    """Metrics with bootstrap intervals of a version (default: the challenger) and of the baseline, on test.

    A version already measured on the same rows is not measured again. Raises NothingYet without a version or test rows,
    UsageError for an unknown version, BundleRefused for one whose files are not what was registered.
    """
    registry = Registry(settings, classifier.name)
    version = registry.get(model) if model else registry.by_alias(CHALLENGER)
    if version is None:
        raise NothingYet("there is no challenger to evaluate", where=classifier.name, next="Run `aufruf train`.")
    frame = corpus.labelled(settings, classifier)
    test = frame[frame["split"] == "test"]
    if test.empty:
        raise NothingYet("the test split is empty", where=classifier.name, next="Ingest more annotations.")
    mark = corpus.fingerprint(test, classifier.gate.model_dump(mode="json"), version.tags.get("aufruf.fingerprint"))
    if version.tags.get("aufruf.evaluated") != mark:
        version = _measure(settings, classifier, registry, version, frame, mark)
        status = "new"
    else:
        status = "unchanged"
    card.complete(settings, classifier, registry, version)
    return {
        "model_version": version.version,
        "split": "test",
        "n": len(test),
        "metrics": json.loads(version.tags["aufruf.metrics"]),
        "baseline": json.loads(version.tags["aufruf.baseline"]),
        **({"f1_by_label": json.loads(by_label)} if (by_label := version.tags.get("aufruf.f1_by_label")) else {}),
        "status": status,
    }


def judged(settings: Settings, classifier: Classifier, version: Version, test: pd.DataFrame) -> evaluation.Judged:
    """A version's answers on the test rows, in their order, from the predictions table; missing ones are scored."""
    store, registry = Store(settings.lake), Registry(settings, classifier.name)
    missing = unscored(store, classifier, version.version, test[["text_id", "digest"]])
    if len(missing):
        predictor = Predictor.load(registry.fetch(version), version.manifest, classifier.scoring.tokens_per_batch)
        todo = test[test["text_id"].isin(missing["text_id"])]
        if refused := store_predictions(store, classifier, version, predictor, todo):
            raise AufrufError(
                f"version {version.version} gives no number for {refused} test texts",
                where=classifier.name,
                next="Train again, or move the alias challenger back.",
            )
    mine = {"classifier": classifier.name, "model_version": version.version}
    said = store.read("predictions", mine, ["text_id", "digest", "label", "probabilities"])
    rows = test.merge(said, on=["text_id", "digest"], suffixes=("", "_said"), validate="one_to_one")
    rows = rows.set_index("text_id").loc[test["text_id"]]
    return evaluation.Judged(
        truth=np.array(classifier.targets(rows["label"]), dtype=np.bool_),
        predicted=np.array(classifier.targets(rows["label_said"]), dtype=np.bool_),
        scores=np.array([one[classifier.positive] for one in rows["probabilities"]]),
        positive=classifier.positive_index,
    )


def _measure(
    settings: Settings, classifier: Classifier, registry: Registry, version: Version, frame: pd.DataFrame, mark: str
) -> Version:
    test = frame[frame["split"] == "test"]
    train, validation, rows = (corpus.examples(frame, split, classifier) for split in ("train", "validation", "test"))
    answers = judged(settings, classifier, version, test)
    metrics = _intervals(classifier, answers, rows)
    rival = baseline.judge(train, validation, rows, classifier.positive_index, classifier.training.seed)
    floor = _intervals(classifier, rival, rows)
    by_label = dict(zip(classifier.labels, evaluation.f1_by_label(answers), strict=True))
    run = Tracker(settings, classifier.name).attach(version.run_id)
    run.metrics({f"test_{name}": one["value"] for name, one in metrics.items()})
    run.metrics({f"baseline_{name}": one["value"] for name, one in floor.items()})
    run.table("evaluation.json", {"n": len(rows), "metrics": metrics, "baseline": floor, "f1_by_label": by_label})
    run.close()
    registry.tag(
        version.version,
        {
            "aufruf.metrics": json.dumps(metrics),
            "aufruf.baseline": json.dumps(floor),
            **({"aufruf.f1_by_label": json.dumps(by_label)} if len(by_label) > 2 else {}),
            "aufruf.test_rows": len(rows),
            "aufruf.evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "aufruf.evaluated": mark,  # last: a killed evaluation is done again
        },
    )
    return registry.get(version.version)


def _intervals(classifier: Classifier, one: evaluation.Judged, rows: Examples) -> dict[str, dict[str, float]]:
    gate = classifier.gate
    found = evaluation.intervals(one, rows.groups, gate.confidence, gate.resamples, classifier.split.seed)
    return {name: interval.as_dict() for name, interval in found.items()}
