"""The step ``sweep``: a bounded search on train and validation. Test is never opened."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.model import sweep as searching
from aufruf.model.encoders import ResolvedEncoder, resolve
from aufruf.model.recipe import Recipe
from aufruf.model.training import fine_tune
from aufruf.release.tracking import SweepJournal, Tracker
from aufruf.settings import Settings
from aufruf.steps import corpus


def sweep(settings: Settings, classifier: Classifier, trials: int | None = None) -> dict[str, Any]:
    """Search the classifier's space; returns the study, its best hyperparameters and their value on validation.

    A study whose data, encoder and space did not change is not run again, only continued when more ``trials`` are asked
    for. Raises NothingYet without labelled texts, TrainingFailed when no trial reports a finite objective.
    """
    wanted = trials or classifier.sweep.trials
    frame = seen(corpus.labelled(settings, classifier))
    encoder = resolve(classifier.encoder, settings.encoders)
    name = study_name(classifier, frame, encoder)
    journal = settings.studies / f"{name}.log"
    study = searching.open_study(name, journal, classifier.sweep)
    if study.user_attrs.get("asked", 0) >= wanted and (known := searching.best_of(name, journal)):
        return _result(searching.summary(study), "unchanged", known)
    tags = {"aufruf.step": "sweep", "aufruf.study": name, "aufruf.encoder": encoder.name, **corpus.data_seen(settings)}
    tracker = Tracker(settings, classifier.name)
    tracker.end_orphans({"aufruf.step": "sweep", "aufruf.study": name})
    with tracker.run("sweep", tags, classifier.sweep.model_dump()) as run:
        found = searching.search(
            study,
            classifier.sweep,
            wanted,
            classifier.gate.metric,
            _trainer(classifier, frame, encoder),
            settings.runs / name,
            SweepJournal(tracker, run),
        )
        run.metrics({"best_value": found.best_value, "trials": found.trials, "pruned": found.pruned})
        run.tag({f"best.{key}": value for key, value in found.best.items()})
    study.set_user_attr("asked", wanted)
    return _result(found, "new", found.best)


def seen(frame: pd.DataFrame) -> pd.DataFrame:
    """What a search or a training may look at: train and validation."""
    return frame[frame["split"].isin(["train", "validation"])]


def study_name(classifier: Classifier, frame: pd.DataFrame, encoder: ResolvedEncoder) -> str:
    """A study is named after all it depends on but its budget."""
    space = classifier.sweep.model_dump(exclude={"trials", "minutes"})
    fixed = classifier.training.model_dump(exclude=set(searching.SPACE))
    mark = corpus.fingerprint(
        frame, space, fixed, classifier.encoder.model_dump(), encoder.name, classifier.gate.metric
    )
    return f"{classifier.name}-{mark[:12]}"


def _trainer(
    classifier: Classifier, frame: pd.DataFrame, encoder: ResolvedEncoder
) -> Callable[[Mapping[str, Any], Path, Callable[[int, dict[str, float]], None]], float]:
    train, validation = (corpus.examples(frame, split, classifier) for split in ("train", "validation"))

    def run(params: Mapping[str, Any], folder: Path, on_epoch: Callable[[int, dict[str, float]], None]) -> float:
        recipe = Recipe.of(classifier, params)
        where = (encoder, classifier.labels, classifier.positive_index)
        return fine_tune(*where, train, validation, recipe, folder, on_epoch).best_value

    return run


def _result(found: searching.Found, status: str, best: dict[str, Any]) -> dict[str, Any]:
    return {
        "study": found.study,
        "trials": found.trials,
        "pruned": found.pruned,
        "best": best,
        "best_value": found.best_value,
        "status": status,
    }
