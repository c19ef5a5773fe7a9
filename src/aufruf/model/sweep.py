"""A bounded search for hyperparameters: Optuna's TPE, fed every epoch, stopped by trials or by minutes."""

import logging
import math
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna

from aufruf.classifier import Sweep
from aufruf.errors import TrainingFailed

log = logging.getLogger(__name__)
SPACE = ("epochs", "learning_rate", "weight_decay", "warmup", "batch_size")
Train = Callable[[Mapping[str, Any], Path, Callable[[int, dict[str, float]], None]], float]


class Journal(Protocol):
    """Who is told of each trial: a tracker."""

    def trial(self, number: int, params: Mapping[str, Any], history: list[dict[str, float]], state: str) -> None: ...


@dataclass(frozen=True)
class Found:
    """What a sweep found."""

    study: str
    trials: int  # finished, pruned ones included
    pruned: int
    best: dict[str, Any]
    best_value: float


def open_study(name: str, journal: Path, sweep: Sweep) -> optuna.Study:
    """The study of this name, kept in a journal file, or a new one; seeded, so a repeated search tries the same."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    journal.parent.mkdir(parents=True, exist_ok=True)
    pruner: Any = optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=1)
    study = optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(journal))),
        pruner=pruner if sweep.pruner == "median" else optuna.pruners.NopPruner(),
        direction="maximize",
        load_if_exists=True,
    )
    known = len(study.get_trials(deepcopy=False))  # a sampler seeded alike every night would begin over again
    study.sampler = optuna.samplers.TPESampler(seed=sweep.seed + known)
    return study


def search(
    study: optuna.Study, sweep: Sweep, trials: int, metric: str, train: Train, folder: Path, journal: Journal
) -> Found:
    """Run trials until the study has ``trials`` of them or the minutes are over; a finished study runs none.

    ``train(params, folder, on_epoch)`` returns the objective on validation. Raises TrainingFailed when no trial ends
    with a finite objective.
    """
    before = len(_ended(study))
    deadline = time.monotonic() + sweep.minutes * 60
    for number in range(before, trials):
        if time.monotonic() > deadline and _values(study):
            log.info("the sweep's %g minutes are over after %d trials", sweep.minutes, number)
            break
        _one(study, sweep, metric, train, folder / f"trial-{number}", journal)
    if not _values(study):
        raise TrainingFailed(
            "no trial of the sweep reported a finite objective", next="Read the trials' log in MLflow."
        )
    return summary(study)


def summary(study: optuna.Study) -> Found:
    """What a study with at least one finished trial has found."""
    ended = _ended(study)
    pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in ended)
    best = study.best_trial
    return Found(study.study_name, len(ended), pruned, dict(best.params), float(best.value or 0))


def best_of(name: str, journal: Path) -> dict[str, Any] | None:
    """The best hyperparameters of a study that was run, else None."""
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if not journal.exists():
        return None
    study = optuna.load_study(study_name=name, storage=JournalStorage(JournalFileBackend(str(journal))))
    return dict(study.best_trial.params) if _values(study) else None


def _one(study: optuna.Study, sweep: Sweep, metric: str, train: Train, folder: Path, journal: Journal) -> None:
    trial = study.ask()
    params = {name: trial.suggest_categorical(name, list(getattr(sweep, name))) for name in SPACE}
    history: list[dict[str, float]] = []

    def on_epoch(epoch: int, row: dict[str, float]) -> None:
        history.append(row)
        trial.report(_finite(row[metric], metric, trial.number), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    state = "FAILED"
    try:
        value = _finite(train(params, folder, on_epoch), metric, trial.number)
        study.tell(trial, value)
        state = "FINISHED"
    except optuna.TrialPruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        state = "PRUNED"
    except TrainingFailed as failure:
        log.warning("trial %d: %s", trial.number, failure)
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        journal.trial(trial.number, params, history, state)
    log.info("trial %d %s: %s", trial.number, state.lower(), params)


def _finite(value: float, metric: str, trial: int) -> float:
    if not math.isfinite(value):
        raise TrainingFailed(f"{metric} is not a number", where=f"trial {trial}", next="Look at the labels.")
    return value


def _ended(study: optuna.Study) -> list[Any]:
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED, optuna.trial.TrialState.FAIL)
    return study.get_trials(states=states, deepcopy=False)


def _values(study: optuna.Study) -> list[float]:
    done = study.get_trials(states=(optuna.trial.TrialState.COMPLETE,), deepcopy=False)
    return [trial.value for trial in done if trial.value is not None]
