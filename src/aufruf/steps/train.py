"""The step ``train``: one fine-tuning with the sweep's best hyperparameters, registered as the challenger."""

import logging
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import aufruf
from aufruf.classifier import Classifier
from aufruf.errors import TrainingFailed
from aufruf.model import bundle, evaluation
from aufruf.model.encoders import ResolvedEncoder, resolve
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples, Recipe
from aufruf.model.sweep import best_of
from aufruf.model.training import Trained, fine_tune
from aufruf.release.registry import CHALLENGER, Registry, Version
from aufruf.release.tracking import Run, Tracker
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.steps.sweep import seen, study_name

log = logging.getLogger(__name__)


def train(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Train and register a challenger, unless a version of the same data, recipe and encoder is there already.

    Raises NothingYet without labelled texts, TrainingFailed when a class is missing or the loss is no number.
    """
    frame = seen(corpus.labelled(settings, classifier))
    encoder = resolve(classifier.encoder, settings.encoders)
    study = study_name(classifier, frame, encoder)
    recipe = Recipe.of(classifier, best_of(study, settings.studies / f"{study}.log"))
    mark = corpus.fingerprint(frame, recipe.as_dict(), encoder.name, encoder.revision)
    registry = Registry(settings, classifier.name)
    known = registry.made_of(mark)
    if known is not None:
        if registry.by_alias(CHALLENGER) is None:
            registry.point(CHALLENGER, known.version)
        return {"run_id": known.run_id, "model_version": known.version, "status": "unchanged"}
    made = _train(settings, classifier, frame, encoder, recipe, mark, registry)
    return {"run_id": made.run_id, "model_version": made.version, "status": "new"}


def _train(
    settings: Settings,
    classifier: Classifier,
    frame: pd.DataFrame,
    encoder: ResolvedEncoder,
    recipe: Recipe,
    mark: str,
    registry: Registry,
) -> Version:
    train_rows, validation = (corpus.examples(frame, split, classifier) for split in ("train", "validation"))
    data = {corpus.DATA: corpus.fingerprint(frame)}
    tags = {"aufruf.step": "train", **_tags(settings, encoder, mark), **data}
    params = {**recipe.as_dict(), "encoder": encoder.name, "labels": ", ".join(classifier.labels)}
    folder = settings.runs / f"{classifier.name}-train-{mark[:12]}"
    for other in settings.runs.glob(f"{classifier.name}-train-*"):  # of trainings that nobody goes on with
        if other != folder:
            shutil.rmtree(other)
    tracker = Tracker(settings, classifier.name)
    tracker.end_orphans({"aufruf.step": "train", "aufruf.fingerprint": mark})
    try:
        with tracker.run("train", tags, params) as run:
            rows = (train_rows, validation)
            trained = fine_tune(
                encoder, classifier.labels, classifier.positive_index, *rows, recipe, folder, resumable=True
            )
            _log_training(run, trained, *rows)
            card = _card(classifier, encoder, recipe, mark)
            card = replace(card, threshold=_threshold(classifier, trained.folder, card, validation))
            sealed = {"aufruf.manifest": bundle.seal(trained.folder, card), "aufruf.threshold": card.threshold}
            run.metrics({"threshold": card.threshold})
            made = registry.register(run, run.artifacts(trained.folder, "model"), {**tags, **sealed})
    except TrainingFailed:  # another try would fail as well
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)  # after any other failure the next try goes on from what is there
    log.info("registered %s version %s (%s)", classifier.name, made.version, encoder.describe())
    return made


def _card(classifier: Classifier, encoder: ResolvedEncoder, recipe: Recipe, mark: str) -> bundle.Card:
    return bundle.Card(
        labels=classifier.labels,
        positive=classifier.positive,
        threshold=0.5,
        max_tokens=recipe.max_tokens,
        truncation=recipe.truncation,
        encoder=encoder.name,
        stand_in_for=encoder.stand_in_for,
        recipe=recipe.as_dict(),
        fingerprint=mark,
    )


def _threshold(classifier: Classifier, folder: Path, card: bundle.Card, validation: Examples) -> float:
    """The classifier's fixed threshold, or the one with the best F1 on validation."""
    if classifier.scoring.threshold != "tuned":
        return classifier.scoring.threshold
    bundle.seal(folder, card)
    predictor = Predictor.load(folder, tokens_per_batch=classifier.scoring.tokens_per_batch)
    truth = np.asarray(validation.labels) == classifier.positive_index
    return evaluation.best_threshold(truth, predictor.positives(validation.texts))


def _log_training(run: Run, trained: Trained, train_rows: Examples, validation: Examples) -> None:
    run.history(trained.history)
    run.metrics(
        {
            "best_value": trained.best_value,
            "best_epoch": trained.best_epoch,
            "train_texts": len(train_rows),
            "validation_texts": len(validation),
            "truncated_texts": trained.truncated,
            "train_seconds": trained.seconds,
            "train_texts_per_second": trained.texts_per_second,
        }
    )
    run.tag({"aufruf.device": trained.device.name, "aufruf.bf16": trained.device.bf16})


def _tags(settings: Settings, encoder: ResolvedEncoder, mark: str) -> dict[str, Any]:
    return {
        "aufruf.fingerprint": mark,
        "aufruf.encoder": encoder.name,
        "aufruf.encoder_revision": encoder.revision,
        "aufruf.stand_in_for": encoder.stand_in_for,
        "aufruf.version": aufruf.__version__,
        "aufruf.git_commit": _git_commit(),
        **corpus.data_seen(settings),
    }


def _git_commit() -> str | None:
    """The commit of the checkout this package runs from; None when it is installed without one."""
    here = Path(__file__).resolve().parent
    try:
        asked = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False, timeout=10
        )
    except OSError:
        return None
    return asked.stdout.strip() or None
