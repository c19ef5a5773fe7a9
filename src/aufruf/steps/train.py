"""The step ``train``: one fine-tuning with the sweep's best hyperparameters, registered as the challenger."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import TrainingFailed
from aufruf.model import bundle, calibration, canaries, device, evaluation
from aufruf.model.encoders import ResolvedEncoder, resolve
from aufruf.model.found import best_of
from aufruf.model.leases import Held, held
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples, Recipe
from aufruf.model.studies import Studies
from aufruf.model.training import Trained, fine_tune
from aufruf.release import flavour, system, tickets
from aufruf.release.registry import CHALLENGER, Registry, Version
from aufruf.release.tracking import Run, Tracker
from aufruf.reports import figures
from aufruf.reports.model_card import description as describe
from aufruf.settings import Settings
from aufruf.steps import card as model_card
from aufruf.steps import corpus, numbers, provenance, serve
from aufruf.steps.sweep import facts, seen, study_name
from aufruf.store import Store

log = logging.getLogger(__name__)
_SEALED = "sealed"  # folder beside the trained model: its calibrated copy, which is registered
_TICKET = "run"  # file in the work folder that names the run, which goes on as long as the folder is there


def train(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Train and register a challenger, unless a version of the same data, recipe and encoder is there already.

    Either way the version that is returned has the alias challenger, unless a newer one was registered meanwhile.
    A training of the same classifier that is under way elsewhere is waited for. Raises NothingYet without labelled
    texts, TrainingFailed when a class is missing or the loss is no number, LeaseLost when another may train by now.
    """
    corpus.ledger(Store(settings.lake), classifier)  # without any nobody has to wait
    leases = Studies(settings.studies, settings.studies_url).leases
    with held(
        leases, f"train-{classifier.name}", f"{classifier.name} is being trained elsewhere: waiting for its end"
    ) as lease:
        return _trained(settings, classifier, lease)


def _trained(settings: Settings, classifier: Classifier, lease: Held) -> dict[str, Any]:
    at = corpus.versions(settings)  # of what is read now: others go on writing
    frame = seen(corpus.labelled(settings, classifier, at))
    encoder = resolve(classifier.encoder, settings.encoders)
    name = study_name(classifier, frame, encoder)
    best, study = best_of(Studies(settings.studies, settings.studies_url), name) or (None, None)
    if study and study != name:
        log.warning("no sweep has seen these texts yet: training with what %s found on others", study)
    recipe = Recipe.of(classifier, best)
    mark = corpus.fingerprint(frame, recipe.as_dict(), encoder.name, encoder.revision, *_unusual(classifier))
    registry, folder = Registry(settings, classifier.name), settings.runs / f"{classifier.name}-train-{mark[:12]}"
    known = registry.made_of(mark)
    Tracker(settings, classifier.name).end_orphans({"aufruf.step": "train"})  # of whatever texts: the lease is ours
    if known is not None and not _cut_off(folder, known):
        shutil.rmtree(folder, ignore_errors=True)  # another machine was faster
        challenger = registry.by_alias(CHALLENGER)
        if challenger is None or challenger.version != known.version:  # another recipe was tried meanwhile
            registry.point(CHALLENGER, known.version)
        return {"run_id": known.run_id, "model_version": known.version, "status": "unchanged"}
    for other in settings.runs.glob(f"{classifier.name}-train-{'?' * 12}"):  # of trainings that nobody goes on with
        if other != folder:
            shutil.rmtree(other)
    try:
        made = _train(settings, classifier, frame, at, encoder, recipe, study, mark, registry, folder, lease)
    except TrainingFailed:  # another try would fail as well
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(folder, ignore_errors=True)  # after any other failure the next try goes on from what is there
    log.info("registered %s version %s (%s)", classifier.name, made.version, encoder.describe())
    return {"run_id": made.run_id, "model_version": made.version, "status": "new"}


def _unusual(classifier: Classifier) -> list[Any]:
    """What a version depends on beyond data, recipe and encoder, where it is not as usual: so older marks still hold.

    Several labels a text, a threshold that is fixed, another positive label than the last one.
    """
    found: list[Any] = [True] if classifier.multi_label else []
    if classifier.scoring.threshold != "tuned":
        found.append({"threshold": classifier.scoring.threshold})
    if classifier.positive != classifier.labels[-1]:
        found.append({"positive": classifier.positive})
    return found


def _cut_off(folder: Path, known: Version) -> bool:
    """True when the run that registered ``known`` was killed before it was done with it."""
    return tickets.read(folder / _TICKET) == known.run_id


def _train(
    settings: Settings,
    classifier: Classifier,
    frame: pd.DataFrame,
    at: Mapping[str, int],
    encoder: ResolvedEncoder,
    recipe: Recipe,
    study: str | None,
    mark: str,
    registry: Registry,
    folder: Path,
    lease: Held,
) -> Version:
    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        lease.keep()
        run.epoch(epoch, metrics)

    rows = (corpus.examples(frame, "train", classifier), corpus.examples(frame, "validation", classifier))
    tags = {"aufruf.step": "train", "aufruf.fingerprint": mark, corpus.DATA: corpus.fingerprint(frame)}
    tags |= provenance.tags(settings, encoder, at) | ({"aufruf.study": study} if study else {})
    params = provenance.params(classifier, encoder, recipe)
    with Tracker(settings, classifier.name).run("train", tags, params, ticket=folder / _TICKET) as run:
        run.inputs(at)
        run.table("environment.json", system.environment(device.find().name))
        of = (encoder, classifier.labels, classifier.positive_index)
        with system.watched(run):
            trained = fine_tune(*of, *rows, recipe, folder, on_epoch, resumable=True)
        _log_training(run, trained, *rows)
        _warn(trained.history, classifier.positive)
        ready = folder / _SEALED
        card = _tuned(classifier, trained.folder, ready, _card(classifier, encoder, recipe, mark), rows[1], run)
        words = model_card.trained(settings, classifier, frame, at, card, trained, tags["aufruf.git_commit"])
        (ready / model_card.NAME).write_text(words, "utf-8")
        flavour.write(ready, run, bundle.LOADER, serve.columns(card.labels))
        sealed: dict[str, Any] = {"aufruf.manifest": bundle.seal(ready, card), "aufruf.threshold": card.threshold}
        sealed["aufruf.max_tokens"] = card.max_tokens
        if card.calibration:
            sealed["aufruf.calibration"] = json.dumps(card.calibration)
        run.metrics({"threshold": card.threshold})
        run.tag(sealed)
        lease.keep(certain=True)  # two must not upload to one run; what is trained is kept for the next try
        source = run.artifacts(ready, "model")
        taken = numbers.taken(Store(settings.lake), classifier.name, run.id)
        return registry.register(run, source, {**tags, **sealed}, describe(words), taken)


def _warn(history: Sequence[Mapping[str, float]], positive: str) -> None:
    """Say that nothing was learnt: the commonest end of too high a rate, or of too few steps."""
    if not any(row["f1"] for row in history):
        log.warning(
            "in no epoch did the model say %r rightly of any validation text: it has learnt nothing. In [training] "
            "lower learning_rate, raise epochs or freeze layers, or let a sweep choose.",
            positive,
        )


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
        multi_label=classifier.multi_label,
    )


def _tuned(
    classifier: Classifier, trained: Path, ready: Path, card: bundle.Card, validation: Examples, run: Run
) -> bundle.Card:
    """The card with calibration and threshold, and the calibrated model in ``ready``, its canary texts beside it.

    The threshold is the classifier's fixed one, or the one with the best F1 on validation. How the validation texts
    come out at it is drawn for the run. ``ready`` is a copy, made anew each time: what was trained stays as it is, so
    that a tuning that is killed and repeated calibrates once.
    """
    shutil.rmtree(ready, ignore_errors=True)
    shutil.copytree(trained, ready)
    card = _calibrated(classifier, ready, card, validation)
    predictor = _predictor(classifier, ready, card)
    probabilities, truth = predictor.probabilities(validation.texts), validation.truth
    at, fixed = classifier.positive_index, classifier.scoring.threshold
    threshold = evaluation.best_threshold(truth[:, at], probabilities[:, at]) if fixed == "tuned" else fixed
    said = predictor.decide(probabilities, threshold)
    counts, names = evaluation.confusion(truth, said, classifier.labels, at, validation.several)
    run.figure("validation_confusion.png", figures.confusion(counts, names))
    predictor.card = replace(card, threshold=threshold)
    canaries.keep(ready, predictor)
    return predictor.card


def _calibrated(classifier: Classifier, ready: Path, card: bundle.Card, validation: Examples) -> bundle.Card:
    """The card with the calibration that the last layer of the model in ``ready`` has taken up."""
    predictor = _predictor(classifier, ready, card)
    raw = predictor.probabilities(validation.texts)
    found = calibration.fit(raw, validation.truth, classifier.positive_index, validation.several)
    if found is None or not calibration.fold(ready, predictor.model, found):
        return card
    return replace(card, calibration=found.as_dict())


def _predictor(classifier: Classifier, folder: Path, card: bundle.Card) -> Predictor:
    bundle.seal(folder, card)
    return Predictor.load(folder, tokens_per_batch=classifier.scoring.tokens_per_batch)


def _log_training(run: Run, trained: Trained, train_rows: Examples, validation: Examples) -> None:
    run.history(trained.history)  # what was not told while it ran
    run.figure("learning_curves.png", figures.learning_curves(trained.history))
    run.metrics({"best_value": trained.best_value, **facts(trained, train_rows, validation)})
    run.tag({"aufruf.device": trained.device.name, "aufruf.bf16": trained.device.bf16})
