"""The step ``explain``: why the champion said so, for a handful of new texts or for one text given by hand."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from aufruf.classifier import Classifier
from aufruf.model.explain import Explained, seed_of
from aufruf.model.explain import explain as lime
from aufruf.model.predictor import Predictor
from aufruf.release.registry import Registry, Version
from aufruf.schemas import Explanation
from aufruf.settings import Settings
from aufruf.steps import corpus, findings
from aufruf.steps.champion import speaking
from aufruf.store import Store


def explain(
    settings: Settings, classifier: Classifier, text: str | None = None, model: str | None = None
) -> dict[str, Any]:
    """Explain the chosen texts that have no explanation by this version yet, or ``text`` alone, which is not stored.

    Raises NothingYet without a champion, BundleRefused when its files are not what was registered.
    """
    registry = Registry(settings, classifier.name)
    version = speaking(settings, classifier, registry, model).version
    if text is not None:
        return _one(classifier, _predictor(registry, classifier, version), version, text)
    store, start = Store(settings.lake), time.perf_counter()
    chosen = _unexplained(store, classifier, version)
    if chosen.empty:
        return {"model_version": version.version, "explained": 0, "seconds": 0.0, "status": "nothing to do"}
    predictor = _predictor(registry, classifier, version)
    for row in tqdm(chosen.to_dict("records"), unit="text", desc="explain", mininterval=2):
        found = _lime(classifier, predictor, version, row["text_id"], row["text"])
        store.add("explanations", [_row(classifier, version, row, found)])
    seconds = round(time.perf_counter() - start, 1)
    return {"model_version": version.version, "explained": len(chosen), "seconds": seconds, "status": "new"}


def _unexplained(store: Store, classifier: Classifier, version: Version) -> pd.DataFrame:
    """Texts of the day last scored, chosen by the classifier's policy, that have no explanation yet."""
    latest = findings.latest(findings.scored(store, classifier, version.version))
    chosen = choose(latest, classifier, float(version.tags["aufruf.threshold"]))
    key = ["text_id", "digest"]
    done = store.read("explanations", {"classifier": classifier.name, "model_version": version.version}, key)
    marked = chosen.merge(done, on=key, how="left", indicator="there")
    return marked.loc[marked["there"] == "left_only"]


def choose(scored: pd.DataFrame, classifier: Classifier, threshold: float) -> pd.DataFrame:
    """The surest calls, those nearest to the threshold, and a random control; column ``chosen`` says which."""
    policy = classifier.explain
    ranked = scored.sort_values(["probability", "text_id"], ascending=[False, True])
    calls = ranked[corpus.calls(ranked["label"], classifier)].head(policy.calls).assign(chosen="call")
    rest = ranked[~ranked["text_id"].isin(calls["text_id"])]
    distance = (rest["probability"] - threshold).abs()
    uncertain = rest.loc[distance.sort_values(kind="stable").index].head(policy.uncertain).assign(chosen="uncertain")
    rest = rest[~rest["text_id"].isin(uncertain["text_id"])]
    control = rest.sample(min(policy.control, len(rest)), random_state=policy.seed).assign(chosen="control")
    return pd.concat([calls, uncertain, control], ignore_index=True)


def _predictor(registry: Registry, classifier: Classifier, version: Version) -> Predictor:
    return Predictor.load(registry.fetch(version), version.manifest, classifier.scoring.tokens_per_batch)


def _lime(classifier: Classifier, predictor: Predictor, version: Version, text_id: str, text: str) -> Explained:
    policy = classifier.explain
    seed = seed_of(policy.seed, text_id, version.version)
    return lime(text, predictor.positives, policy.perturbations, policy.words, seed)


def _one(classifier: Classifier, predictor: Predictor, version: Version, text: str) -> dict[str, Any]:
    start = time.perf_counter()
    probabilities = predictor.probabilities([text])
    found = _lime(classifier, predictor, version, text, text)
    labels = predictor.card.labels
    return {
        "model_version": version.version,
        "label": classifier.value_of(predictor.said(probabilities)[0]),
        "probabilities": dict(zip(labels, map(float, probabilities[0]), strict=True)),
        "words": [[word, weight] for word, weight in found.words],
        "fit": found.fit,
        "stability": found.stability,
        "explained": 1,
        "seconds": round(time.perf_counter() - start, 1),
    }


def _row(classifier: Classifier, version: Version, row: dict[Any, Any], found: Explained) -> Explanation:
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
    )
