"""What a study has found so far."""

import logging
from dataclasses import dataclass
from itertools import chain
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from aufruf.model.studies import Studies

log = logging.getLogger(__name__)
TRIED = "tries"  # attribute of a trial: workers that have begun to train it
FAULT = "fault"  # the same: which of them was the last that ended with an exception, its machine's or a program's
_ENOUGH = 4  # finished trials from which on importances are more than chance


@dataclass(frozen=True)
class Found:
    """What a sweep found."""

    study: str
    trials: int  # ended: finished, pruned or failed by themselves
    pruned: int
    best: dict[str, Any]
    best_value: float


def summary(study: optuna.Study) -> Found:
    """What a study with at least one finished trial has found."""
    done = counted(study)
    pruned = sum(trial.state == TrialState.PRUNED for trial in done)
    best = study.best_trial
    return Found(study.study_name, len(done), pruned, dict(best.params), float(best.value or 0))


def begun(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that somebody is at work on, or was when they died."""
    return study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))


def best_of(studies: Studies, name: str) -> tuple[dict[str, Any], str] | None:
    """The best hyperparameters of a study and its name; of the youngest of the same search where it has none itself.

    None when no such study was run. Labels that arrive during a sweep make other data, and so another study's name:
    what was found on nearly the same texts is a better guess than none.
    """
    for study in chain((studies.find(name),), studies.earlier(name)):
        if study and finished(study):
            return dict(study.best_trial.params), study.study_name
    return None


def best_before(studies: Studies, name: str, count: int) -> list[dict[str, Any]]:
    """The best hyperparameters of the study that was used last before that one, the best first."""
    for study in studies.earlier(name):
        if done := finished(study):
            best = sorted(done, key=lambda trial: trial.value or 0.0, reverse=True)
            log.info("%s begins with the best of %s", name, study.study_name)
            return [dict(trial.params) for trial in best[:count]]
    return []


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are told, however they ended."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return study.get_trials(states=states, deepcopy=False)


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that use up what was asked for: those that are told, but the ones that a fault has ended."""
    return [trial for trial in ended(study) if not is_fault(trial)]


def faults(study: optuna.Study) -> int:
    """How many trials a fault has ended."""
    return sum(map(is_fault, ended(study)))


def is_fault(trial: FrozenTrial) -> bool:
    """Whether a trial failed by an exception of its last worker: that says nothing about its configuration."""
    told = trial.user_attrs
    return trial.state == TrialState.FAIL and FAULT in told and told[FAULT] == told.get(TRIED)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials with a value."""
    return study.get_trials(states=(TrialState.COMPLETE,), deepcopy=False)


def table(study: optuna.Study) -> list[dict[str, Any]]:
    """One row a trial that has ended: number, value (None without one), state, hyperparameters."""
    return [
        {"number": trial.number, "value": trial.value, "state": trial.state.name, **trial.params}
        for trial in ended(study)
    ]


def shares(study: optuna.Study) -> dict[str, float]:
    """How much each hyperparameter matters for a good value, in shares of 1; empty where too few trials say it.

    PED-ANOVA of Watanabe, Bansal and Hutter, IJCAI 2023.
    """
    done = finished(study)
    varied = (
        [name for name in study.best_trial.params if len({trial.params[name] for trial in done}) > 1] if done else []
    )
    if len(done) < _ENOUGH or len({trial.value for trial in done}) < 2 or not varied:
        return {}
    return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=varied))
