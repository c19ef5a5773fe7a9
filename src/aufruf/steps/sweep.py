"""The step ``sweep``: a bounded search on train and validation. Test is never opened.

``sweep`` is the whole of it in one process. Its three parts - ``opened``, the step ``trial`` as often as it is asked
for, ``closed`` - may as well be taken by as many workers as there are.
"""

import contextlib
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import AufrufError, TrainingFailed
from aufruf.model import device
from aufruf.model.encoders import FOLDER, ResolvedEncoder, resolve
from aufruf.model.found import Found, begun, counted, finished, shares, summary, table
from aufruf.model.recipe import Examples, Recipe, check_sides
from aufruf.model.studies import Studies
from aufruf.model.sweep import SPACE, OnEpoch, Search
from aufruf.model.training import Trained, fine_tune
from aufruf.release.tracking import Run, Tracker
from aufruf.release.trials import Setting, SweepRuns
from aufruf.reports.figures import importances, learning_curves, parallel_coordinates
from aufruf.settings import Settings
from aufruf.steps import corpus, provenance

log = logging.getLogger(__name__)
_LOOK = 5.0  # seconds between two looks at what others are at work on
_LONGEST = 12 * 3600.0  # seconds: no trial lasts so long, so who is at work on it is frozen
_RUN = "run"  # attribute of a study: the MLflow run of the sweep that is on its way


class Sought:
    """A classifier's search on the labelled texts as they are, or as they were at the Delta versions ``at``."""

    def __init__(self, settings: Settings, classifier: Classifier, at: Mapping[str, int] | None = None) -> None:
        self.settings, self.classifier = settings, classifier
        self.at = at or corpus.versions(settings)
        frame = seen(corpus.labelled(settings, classifier, self.at))
        self.rows = [corpus.examples(frame, split, classifier) for split in ("train", "validation")]
        self.encoder = resolve(classifier.encoder, settings.encoders)
        self.search = searched(settings, classifier, study_name(classifier, frame, self.encoder))
        self.runs = SweepRuns(Tracker(settings, classifier.name), self.search.name, self._setting(frame))
        self.runs.parent = self.search.study.user_attrs.get(_RUN) or ""

    def open(self, trials: int | None) -> int:
        """Ask for so many trials in all; returns how many are left to do. Opens the sweep's run when any is."""
        wanted = self.classifier.sweep
        check_sides(self.classifier.labels, self.classifier.positive_index, *self.rows)  # else each trial would fail
        left = self.search.begin(trials or wanted.trials)
        if not left:
            return 0
        self.search.sweep_out(self.classifier.name)
        self.runs.end_others(self.search.is_free)
        with self.search.studies.alone(self.search.name):
            known = self.search.study.user_attrs.get(_RUN) or ""  # another sweep may have opened it meanwhile
            run = self.runs.begin(known, wanted.model_dump())
            self.search.study.set_user_attr(_RUN, run.id)
        run.close()
        return left

    def trial(self) -> dict[str, Any] | None:
        """Take one trial and train it to its end; None when there is none to take."""
        taken = self.search.take(self.runs)
        if taken is None:
            return None
        number, asked = taken.trial.number, self.search.study.user_attrs["asked"]
        log.info("trial %d begins%s", number, f", {number + 1} of {asked}" if number < asked else "")
        return {"trial": number, "state": self.search.run(taken, self._train, self.runs)}

    def waited(self) -> bool:
        """Wait while others train the first trials; whether they have ended without a value: some may be left to do."""
        study, until, waiting = self.search.study, time.monotonic() + _LONGEST, False
        while not finished(study) and self.search.alive() and time.monotonic() < until:
            if not waiting:
                name = study.study_name
                log.warning(
                    "%s has no value yet, and others are at work on its trials: waiting for the first one", name
                )
            waiting = True
            time.sleep(_LOOK)
        if finished(study) or self.search.alive():
            return False
        return waiting or bool(begun(study))  # who had it died a moment ago, before it was waited for

    def _train(self, params: Mapping[str, Any], folder: Path, on_epoch: OnEpoch) -> float:
        (train, validation), recipe = self.rows, Recipe.of(self.classifier, params)
        of = (self.encoder, self.classifier.labels, self.classifier.positive_index)
        made = fine_tune(*of, train, validation, recipe, folder, on_epoch, resumable=True)
        if self.runs.latest:
            seed = list(self.search.seeds).index(params["seed"]) + 1
            self.runs.latest.trained(seed, facts(made, train, validation), learning_curves(made.history))
        return made.best_value

    def _setting(self, frame: pd.DataFrame) -> Setting:
        here, recipe = device.find(), provenance.params(self.classifier, self.encoder, Recipe.of(self.classifier))
        tags = {**provenance.tags(self.settings, self.encoder, self.at), corpus.DATA: corpus.fingerprint(frame)}
        tags |= {"aufruf.device": here.name, "aufruf.bf16": here.bf16}
        return Setting(tags, {**recipe, "seed": ", ".join(map(str, self.search.seeds))}, here.name, self.at)


def sweep(settings: Settings, classifier: Classifier, trials: int | None = None) -> dict[str, Any]:
    """Search the classifier's space; returns the study, its best hyperparameters and their value on validation.

    A study whose data, encoder and space did not change is not run again, only continued up to the ``trials`` asked
    for. Where others train its first trials their value is waited for. Raises NothingYet without labelled
    texts, TrainingFailed when a class is missing or no trial reports a finite objective.
    """
    sought, again = Sought(settings, classifier), True
    while again:
        if sought.open(trials):
            _try_all(sought)
        again = sought.waited()
    return closed(settings, classifier, sought.search.name)


def _try_all(sought: Sought) -> None:
    try:
        while sought.trial():
            pass
    except BaseException as failure:  # the next sweep goes on with the run
        if run := sought.runs.tracker.attach_if_there(sought.runs.parent):
            run.end("FAILED" if isinstance(failure, Exception) else "KILLED")
        raise


def opened(settings: Settings, classifier: Classifier, trials: int | None = None) -> dict[str, Any]:
    """Make a sweep ready for its workers: its study, the trials left to do, the Delta versions that all are to read."""
    sought = Sought(settings, classifier)
    return {"study": sought.search.name, "left": sought.open(trials), "at": dict(sought.at)}


def _others(search: Search, choosing: str) -> str:
    """How configurations are tried that have not been."""
    tried = len(counted(search.study))
    if not tried:
        return "The next sweep tries anew."
    if tried >= search.points:
        return "All configurations were tried: [sweep] of the classifier file can name others."
    return f"To try others: `aufruf sweep --trials {tried + 1}{choosing}`, or more."


def closed(settings: Settings, classifier: Classifier, study: str) -> dict[str, Any]:
    """End a sweep, unless somebody is still at work on it; returns and raises what ``sweep`` does."""
    search = searched(settings, classifier, study)
    run_id = search.study.user_attrs.get(_RUN)
    busy = search.alive()
    over = bool(run_id) and not busy
    run = Tracker(settings, classifier.name).attach_if_there(run_id) if over else None
    if not finished(search.study):
        if run:
            run.end("FAILED")
        if busy:
            raise AufrufError(
                "no trial of the sweep has a value yet, and others are still at work on some",
                where=study,
                next="Run the command again when they are done.",
            )
        others = _others(search, settings.choosing(classifier.name))
        raise TrainingFailed(
            "no trial of the sweep reported a finite objective",
            where=study,
            next=f"Read the trials' log in MLflow. {others}",
        )
    found = summary(search.study)
    if run:
        _tell(run, found, search)
    if over:
        search.study.set_user_attr(_RUN, None)
        with contextlib.suppress(OSError):  # not there, or not empty: a trial that lost its worker goes on from there
            (settings.runs / study).rmdir()
    status = "new" if run_id else "unchanged"
    return {
        "study": found.study,
        "trials": found.trials,
        "pruned": found.pruned,
        "best": found.best,
        "best_value": found.best_value,
        "status": status,
    }


def searched(settings: Settings, classifier: Classifier, study: str) -> Search:
    """The search that goes on in a study."""
    seed, sweep = classifier.training.seed, classifier.sweep
    return Search(
        Studies(settings.studies, settings.studies_url),
        study,
        sweep,
        classifier.gate.metric,
        range(seed, seed + sweep.seeds),
        settings.runs / study,
    )


def facts(made: Trained, train: Examples, validation: Examples) -> dict[str, float]:
    """The figures of a whole training, for its run."""
    return {
        "best_epoch": made.best_epoch,
        "train_texts": len(train),
        "validation_texts": len(validation),
        "truncated_texts": made.truncated,
        "truncated_tokens": made.truncated_tokens,
        "train_seconds": made.seconds,
        "train_texts_per_second": made.texts_per_second,
    }


def seen(frame: pd.DataFrame) -> pd.DataFrame:
    """What a search or a training may look at: train and validation."""
    return frame[frame["split"].isin(["train", "validation"])]


def study_name(classifier: Classifier, frame: pd.DataFrame, encoder: ResolvedEncoder) -> str:
    """NAME-SEARCH-DATA: a search is all that a study depends on but its data and its budget.

    Studies of one search follow one another as the data change, or as the hub has another commit of the encoder.
    """
    space = classifier.sweep.model_dump(exclude={"trials", "minutes"})
    fixed = classifier.training.model_dump(exclude=set(SPACE))
    asked = classifier.model_dump(include={"labels", "positive", "multi_label", "split", "encoder"})
    revision = [encoder.revision] if encoder.revision else []
    folder, hub = (revision, []) if str(encoder.revision).startswith(FOLDER) else ([], revision)
    search = corpus.fingerprint(frame[:0], space, fixed, asked, encoder.name, classifier.gate.metric, *folder)
    return f"{classifier.name}-{search[:12]}-{corpus.fingerprint(frame, *hub)[:12]}"


def _tell(run: Run, found: Found, search: Search) -> None:
    trials = table(search.study)
    run.metrics({"best_value": found.best_value, "trials": found.trials, "pruned": found.pruned})
    run.tag({f"best.{key}": value for key, value in found.best.items()})
    run.table("trials.json", trials)
    run.figure("parallel_coordinates.png", parallel_coordinates(trials, search.metric))
    if weights := shares(search.study):
        run.figure("importances.png", importances(weights))
    run.end("FINISHED")
