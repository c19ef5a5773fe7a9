"""The step ``score``: every text that the version has not scored yet, in shards, each published as it is done."""

import json
import logging
import zlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from aufruf.classifier import Classifier
from aufruf.model.predictor import Predictor
from aufruf.release.registry import Registry, Version
from aufruf.schemas import Prediction, QuarantinedRow
from aufruf.settings import Settings
from aufruf.steps.champion import speaking
from aufruf.store import Store

log = logging.getLogger(__name__)
_KEY = ["text_id", "digest"]


def score(settings: Settings, classifier: Classifier, model: str | None = None) -> dict[str, Any]:
    """Score all texts without a prediction by the champion, or by version ``model``.

    The alias is resolved once. A champion that is not what was registered is refused, and the version that spoke before
    goes on: ``champion_refused`` says so. Raises NothingYet without a champion, BundleRefused when nobody may speak.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    speaker = speaking(settings, classifier, registry, model)
    version = speaker.version
    everything = store.read("texts", columns=_KEY)
    todo = unscored(store, classifier, version.version, everything)
    before = {"model_version": version.version, "already_scored": len(everything) - len(todo), **speaker.told()}
    if todo.empty:
        return {**before, "scored": 0, "refused": 0, "status": "nothing to do"}
    predictor = Predictor.load(registry.fetch(version), version.manifest, classifier.scoring.tokens_per_batch)
    scored = all_refused = 0
    with tqdm(total=len(todo), unit="text", desc="score", mininterval=2, disable=len(todo) < 1000) as bar:
        for shard in store.shards(todo, classifier.scoring.shard_size):
            rows = store.read("texts", {"text_id": shard["text_id"].tolist()}, [*_KEY, "text"]).merge(shard, on=_KEY)
            refused = store_predictions(store, classifier, version, predictor, rows, bar)
            all_refused += refused
            scored += len(rows) - refused
    return {**before, "scored": scored, "refused": all_refused, "status": "new"}


def unscored(store: Store, classifier: Classifier, version: str, texts: pd.DataFrame) -> pd.DataFrame:
    """Of the rows (text_id, digest) those without a prediction by this version."""
    done = store.read("predictions", {"classifier": classifier.name, "model_version": version}, _KEY)
    marked = texts.merge(done, on=_KEY, how="left", indicator="there")
    return marked.loc[marked["there"] == "left_only", _KEY].reset_index(drop=True)


def store_predictions(
    store: Store, classifier: Classifier, version: Version, predictor: Predictor, rows: pd.DataFrame, bar: Any = None
) -> int:
    """Score rows (text_id, digest, text) and publish them in one commit; returns how many could not be scored."""
    probabilities = predictor.probabilities(rows["text"].tolist(), progress=bar.update if bar is not None else None)
    sound: Any = np.isfinite(probabilities).all(axis=1)
    if not sound.all():
        _refuse(store, version, rows.loc[~sound])
    names, now = predictor.card.labels, datetime.now(UTC)
    threshold, band = predictor.card.threshold, classifier.scoring.abstain_band
    kept, chosen = rows.loc[sound], predictor.said(probabilities[sound])
    store.add(
        "predictions",
        [
            Prediction(
                classifier=classifier.name,
                text_id=text_id,
                digest=digest,
                model_version=version.version,
                label=classifier.value_of(labels),
                probabilities=dict(zip(names, map(float, one), strict=True)),
                confident=bool(abs(one[predictor.positive] - threshold) >= band),
                scored_at=now,
                run=version.run_id,
            )
            for text_id, digest, one, labels in zip(
                kept["text_id"], kept["digest"], probabilities[sound], chosen, strict=True
            )
        ],
    )
    return int((~sound).sum())


def _refuse(store: Store, version: Version, rows: pd.DataFrame) -> None:
    now = datetime.now(UTC)
    store.put(
        "quarantine",
        [
            QuarantinedRow(
                file=f"score:{version.version}",
                item=zlib.crc32(f"{text_id}|{digest}".encode()),
                reasons="the model's output is not a number",
                row=json.dumps({"text_id": text_id, "digest": digest}),
                refused_at=now,
            )
            for text_id, digest in zip(rows["text_id"], rows["digest"], strict=True)
        ],
    )
    log.warning("%d texts could not be scored by version %s; see the quarantine", len(rows), version.version)
