"""A bounded search for hyperparameters: Optuna's TPE, fed every epoch, stopped by trials or by minutes.

Any number of processes may search in one study. What has to be done alone - counting, asking - is done under a lock;
whoever trains a trial holds a lease on it, and a trial whose lease is free has lost its worker and is gone on with.
"""

import logging
import math
import shutil
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import optuna
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from aufruf.classifier import Sweep
from aufruf.errors import DISK_FULL, MemoryFull, TrainingFailed, UsageError
from aufruf.model.found import FAULT, TRIED, best_before, counted, ended, faults, finished
from aufruf.model.leases import Release, still
from aufruf.model.pruning import OTHERS, pruner
from aufruf.model.studies import Studies
from aufruf.model.untried import Untried

log = logging.getLogger(__name__)
SPACE = ("epochs", "learning_rate", "weight_decay", "warmup", "batch_size")
_CARRIED = 0.25  # share of the budget that begins with what was good before; TPE starts after as many trials
_TRIES = 3  # workers that may die over one trial before it counts as failed: it may be what kills them
_ELSEWHERE = (MemoryFull, OSError, StorageInternalError)  # faults of the machine, not of a trial
OnEpoch = Callable[[int, dict[str, float]], None]
Train = Callable[[Mapping[str, Any], Path, OnEpoch], float]


class Line(Protocol):
    """Who is told of one trial."""

    def epoch(self, seed: int, epoch: int, row: Mapping[str, float]) -> None: ...
    def seed(self, seed: int, value: float) -> None: ...
    def end(self, state: str, value: float | None) -> None: ...


class Journal(Protocol):
    """Who is told of the trials: ``trial`` is asked again for one that is gone on with, ``lost`` for one given up."""

    def trial(self, number: int, params: Mapping[str, Any], folder: Path) -> Line: ...
    def lost(self, number: int) -> None: ...


class Lost(Exception):
    """Another worker may be at work on the trial: the database has dropped the lease on it."""


@dataclass
class Taken:
    """A trial that this process is to train."""

    trial: optuna.Trial
    params: dict[str, Any]
    release: Release


class Search:
    """One study, as one of its workers sees it.

    ``seeds``: each configuration is trained with each of them, and the mean is its value. ``folder``: where the
    trials in progress keep their checkpoints.
    """

    def __init__(
        self, studies: Studies, name: str, sweep: Sweep, metric: str, seeds: Sequence[int], folder: Path
    ) -> None:
        self.studies, self.name, self.metric, self.seeds, self.folder = studies, name, metric, seeds, folder
        self.space = {key: tuple(dict.fromkeys(getattr(sweep, key))) for key in SPACE}
        self.points = math.prod(map(len, self.space.values()))  # configurations that there are
        self.study = studies.open(name)
        self.study.pruner = pruner(sweep.pruner)
        self.pruned = sweep.pruner != "none"
        self.seed, self.minutes = sweep.seed, sweep.minutes

    def begin(self, trials: int) -> int:
        """Ask for ``trials`` in all, in as many minutes from now as the sweep may take; returns how many are left.

        A study that is new first tries what was best in the one before it: other data, so other values, but a good
        place to begin.
        """
        with self.studies.alone(self.name):
            asked = min(trials, self.points)
            if "asked" not in self.study.user_attrs:
                for params in best_before(self.studies, self.name, max(1, int(asked * _CARRIED))):
                    self.study.enqueue_trial(params, skip_if_exists=True)
            self.study.set_user_attr("asked", asked)
            self.study.set_user_attr("faults", faults(self.study))
            self.study.set_user_attr("deadline", time.time() + self.minutes * 60)
            return max(0, asked - len(counted(self.study)) - self._alive())

    def take(self, journal: Journal) -> Taken | None:
        """The next trial to train, one that lost its worker first; None when the trials or the minutes are over."""
        with self.studies.alone(self.name):
            asked = self.study.user_attrs["asked"]
            # before a lost one is gone on with, which may have lost its worker before it had a point
            self.study.sampler = Untried(self.space, self.seed, startup=max(1, int(asked * _CARRIED)))
            for lost in self._trials(TrialState.RUNNING):
                if taken := self._take_up(lost, journal):
                    return taken
            if why := self._over():
                log.info("%s: %s", self.name, why)
                return None
            return self._taken(self.study.ask())

    def run(self, taken: Taken, train: Train, journal: Journal) -> str:
        """Train a trial to its end: FINISHED, PRUNED or FAILED.

        ``train(params, folder, on_epoch)`` returns the objective on validation; TrainingFailed makes a failed trial,
        any other exception as well, but that comes out of here, and the trial does not count among those asked for.
        What is not the trial's own fault leaves it to be gone on with: an interruption; and, without counting as a lost
        worker, a full device or disk, or a journal out of reach.
        """
        number = taken.trial.number
        folder = self._folder(number)
        try:
            line = journal.trial(number, taken.params, folder)
        except BaseException:
            taken.release()
            raise
        state, value, tried = TrialState.FAIL, None, taken.trial.user_attrs.get(TRIED, 0)
        try:
            taken.trial.set_user_attr(TRIED, tried + 1)
            value = statistics.fmean(self._values(taken, train, folder, line))
            state = TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except TrainingFailed as failure:
            log.warning("trial %d: %s", number, failure)
        except (Lost, optuna.exceptions.UpdateFinishedTrialError):  # this worker was thought dead
            log.warning("trial %d is another worker's by now", number)
            _leave(taken, line, {}, "LOST")
            return "KILLED"
        except BaseException as failure:
            if isinstance(failure, Exception) and not isinstance(failure, _ELSEWHERE):
                self._end(taken, state, None, line, fault=tried + 1)
            elif _is_full(failure):
                _leave(taken, line, {TRIED: tried})
            else:
                _leave(taken, line, {FAULT: tried + 1} if isinstance(failure, Exception) else {})
            raise
        return self._end(taken, state, value, line)

    def alive(self) -> bool:
        """Whether any process is at work on a trial of this study."""
        with self.studies.alone(self.name):
            return self._alive() > 0

    def is_free(self, study: str, number: int) -> bool:
        """Whether no process is at work on that trial."""
        release = self.studies.leases.take(_key(study, number))
        if release:
            release()
        return release is not None

    def sweep_out(self, prefix: str) -> None:
        """Remove the work folders of trials that nobody goes on with, of all studies of that ``prefix``."""
        mine = {trial.number for trial in self._trials(TrialState.RUNNING)}
        for folder in self.folder.parent.glob("*/trial-*"):
            study, number = folder.parent.name, int(folder.name.rpartition("-")[2])
            if study.rsplit("-", 2)[0] != prefix or (study == self.name and number in mine):
                continue
            if release := self.studies.leases.take(_key(study, number)):
                shutil.rmtree(folder, ignore_errors=True)
                release()

    def _over(self) -> str:
        known = self.study.user_attrs
        if len(self._trials(TrialState.RUNNING)) + len(counted(self.study)) >= known["asked"]:
            return f"all {known['asked']} trials are taken"
        if faults(self.study) - known.get("faults", 0) >= known["asked"]:
            return f"faults have ended {known['asked']} trials since the sweep began"
        if time.time() > known["deadline"] and ended(self.study):
            return "the minutes are over"
        return ""

    def _take_up(self, lost: FrozenTrial, journal: Journal) -> Taken | None:
        release = self.studies.leases.take(_key(self.name, lost.number))
        if release is None:
            return None  # its worker is alive
        trial = next(one for one in self._trials() if one.number == lost.number)
        if trial.state == TrialState.RUNNING and trial.user_attrs.get(TRIED, 0) < _TRIES:
            log.warning("trial %d lost its worker and is gone on with", lost.number)
            return self._taken(optuna.Trial(self.study, lost._trial_id), release)
        try:
            if trial.state == TrialState.RUNNING:
                log.warning("trial %d has cost %d workers and is given up", lost.number, _TRIES)
                journal.lost(lost.number)  # first, as in ``_end``
                self.study.tell(lost.number, state=TrialState.FAIL, skip_if_finished=True)
                shutil.rmtree(self._folder(lost.number), ignore_errors=True)
        finally:
            release()
        return None

    def _taken(self, trial: optuna.Trial, release: Release | None = None) -> Taken:
        held = release or self.studies.leases.take(_key(self.name, trial.number), wait=True)
        with ExitStack() as kept:  # nobody would go on with it until this process is over
            kept.callback(held or (lambda: None))
            params = {name: trial.suggest_categorical(name, found) for name, found in self.space.items()}
            kept.pop_all()
        return Taken(trial, params, held or Release(lambda: None))

    def _values(self, taken: Taken, train: Train, folder: Path, line: Line) -> list[float]:
        """The objective with each seed, from the first that is not done.

        The pruner compares the first seed's epochs with those of other trials. After each further seed the mean so
        far is compared with other trials' over equally many: one lucky seed must not cost all the others' time.
        """
        trial = taken.trial
        done: list[float] = list(trial.user_attrs.get("values", []))
        for at in range(len(done), len(self.seeds)):
            if at and self._is_behind(done):
                raise optuna.TrialPruned
            params = {**taken.params, "seed": self.seeds[at]}
            value = train(params, folder / f"seed-{at}", self._on_epoch(taken, at, line))
            done.append(self._finite(value, trial.number))
            line.seed(at + 1, value)  # first: a process that dies here trains nothing anew, and tells it once
            trial.set_user_attr("values", done)
        return done

    def _on_epoch(self, taken: Taken, at: int, line: Line) -> OnEpoch:
        trial = taken.trial

        def on_epoch(epoch: int, row: dict[str, float]) -> None:
            if self.metric not in row:
                raise UsageError(
                    f"no epoch reports {self.metric!r}, the objective", where=self.name, next="Change [gate] metric."
                )
            if (held := still(self.studies.leases, _key(self.name, trial.number), taken.release)) is None:
                raise Lost
            taken.release = held
            line.epoch(at + 1, epoch, row)
            value = self._finite(row[self.metric], trial.number)
            if at == 0:
                trial.report(value, epoch)  # what halving is told of the last one, other trials are compared with
                if trial.should_prune() and epoch < taken.params["epochs"]:
                    raise optuna.TrialPruned

        return on_epoch

    def _is_behind(self, done: list[float]) -> bool:
        others = (trial.user_attrs.get("values", []) for trial in finished(self.study))
        means = [statistics.fmean(found[: len(done)]) for found in others if len(found) >= len(done)]
        return self.pruned and len(means) >= OTHERS and statistics.fmean(done) < statistics.median(means)

    def _end(self, taken: Taken, state: TrialState, value: float | None, line: Line, fault: int = 0) -> str:
        said = {TrialState.COMPLETE: "FINISHED", TrialState.PRUNED: "PRUNED"}.get(state, "FAILED")
        try:
            line.end(said, value)  # first: a process that dies here is made up for, as the trial is not told yet
            if fault:
                taken.trial.set_user_attr(FAULT, fault)
            self.study.tell(taken.trial, value, state, skip_if_finished=True)
            shutil.rmtree(self._folder(taken.trial.number), ignore_errors=True)
        finally:  # where the disk has no room for the end, whoever comes next makes up for it
            taken.release()
        log.info("trial %d %s: %s", taken.trial.number, said.lower(), taken.params)
        return said

    def _folder(self, number: int) -> Path:
        return self.folder / f"trial-{number}"

    def _finite(self, value: float, trial: int) -> float:
        if not math.isfinite(value):
            raise TrainingFailed(f"{self.metric} is not a number", where=f"trial {trial}", next="Look at the labels.")
        return float(value)

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self.study.get_trials(states=states or None, deepcopy=False)

    def _alive(self) -> int:
        return sum(not self.is_free(self.name, trial.number) for trial in self._trials(TrialState.RUNNING))


def _is_full(failure: BaseException) -> bool:
    """Whether a device or a disk has no room: no configuration needs more of it than another."""
    return isinstance(failure, MemoryFull) or getattr(failure, "errno", None) in DISK_FULL


def _leave(taken: Taken, line: Line, known: Mapping[str, int], said: str = "KILLED") -> None:
    """Let the next worker go on with the trial, which has these attributes then."""
    with ExitStack() as steps:  # last first, and each whatever becomes of the others: a disk may be full
        steps.callback(taken.release)
        steps.callback(line.end, said, None)
        for name, what in known.items():
            steps.callback(taken.trial.set_user_attr, name, what)


def _key(study: str, number: int) -> str:
    return f"{study}.trial-{number}"
