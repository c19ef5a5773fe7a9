"""The search keeps to its budget, goes on where it stopped, and fails loudly when it learnt nothing."""

import math
from pathlib import Path

import optuna
import pytest

from aufruf.classifier import Sweep
from aufruf.errors import TrainingFailed
from aufruf.model.sweep import SPACE, best_of, open_study, search, summary


class Told:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.trials: list[tuple[int, dict, int, str]] = []

    def trial(self, number, params, history, state) -> None:
        self.trials.append((number, dict(params), len(history), state))

    @property
    def states(self) -> list[str]:
        return [state for *_, state in self.trials]


SETTINGS = Sweep(trials=3)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def run(tmp_path: Path, told: Told):
    """Search with an objective of its own, in a study that lives in this test's folder."""

    def search_it(train, trials=3, sweep=SETTINGS):
        study = open_study("s", tmp_path / "studies" / "s.log", sweep)
        return search(study, sweep, trials, "f1", train, tmp_path / "runs", told)

    return search_it


def objective(params, folder, on_epoch):
    """Better with a higher learning rate and more epochs: there is one best corner of the space."""
    value = params["learning_rate"] * 1e4 + params["epochs"] / 100
    for epoch in range(1, params["epochs"] + 1):
        on_epoch(epoch, {"f1": value * epoch / params["epochs"]})
    return value


def test_the_budget_is_kept(run, told, tmp_path):
    """As many trials as asked for, each told with its hyperparameters, the best of them returned."""
    found = run(objective, trials=5)
    assert (found.trials, [number for number, *_ in told.trials]) == (5, [0, 1, 2, 3, 4])
    assert all(set(params) == set(SPACE) for _, params, *_ in told.trials)
    finished = [objective(params, None, lambda *_: None) for _, params, _, state in told.trials if state == "FINISHED"]
    assert found.best_value == pytest.approx(max(finished))
    assert objective(found.best, None, lambda *_: None) == pytest.approx(found.best_value)
    assert best_of("s", tmp_path / "studies" / "s.log") == found.best


def test_hyperparameters_come_from_the_space(run, told):
    """No trial tries a value that the classifier file does not list."""
    run(objective, trials=6)
    for _, params, *_ in told.trials:
        assert all(params[name] in getattr(SETTINGS, name) for name in SPACE)


def test_a_search_goes_on_where_it_stopped(run, told):
    """More trials asked for later are added; a study that has them already runs none."""
    run(objective, trials=2)
    assert run(objective, trials=2).trials == 2
    assert len(told.trials) == 2
    found = run(objective, trials=4)
    assert (found.trials, [number for number, *_ in told.trials]) == (4, [0, 1, 2, 3])


def test_going_on_does_not_try_the_same_again(run, told):
    """A search continued night after night sees new corners of the space, not the first ones over again."""
    for trials in (2, 4, 6):
        run(objective, trials=trials)
    tried = {tuple(sorted(params.items())) for _, params, *_ in told.trials}
    assert len(tried) >= 5


def test_a_repeated_search_tries_the_same(tmp_path):
    """The seed decides what is tried: two searches from nothing are the same."""
    told = [Told(), Told()]
    for n, one in enumerate(told):
        study = open_study("s", tmp_path / str(n) / "s.log", SETTINGS)
        search(study, SETTINGS, 4, "f1", objective, tmp_path / "runs", one)
    assert told[0].trials == told[1].trials


def test_minutes_end_it(run, told):
    """When the minutes are over no further trial starts - but one with a result there always is."""
    found = run(objective, trials=50, sweep=Sweep(minutes=1e-9))
    assert (found.trials, len(told.trials)) == (1, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_objective_that_is_no_number_fails_loudly(run, told, value):
    """Every trial that reports no number is a failed trial; when all are, the sweep fails."""

    def hopeless(params, folder, on_epoch):
        on_epoch(1, {"f1": value})
        return 1.0

    with pytest.raises(TrainingFailed, match="no trial of the sweep reported a finite objective"):
        run(hopeless)
    assert told.states == ["FAILED"] * 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_final_value_that_is_no_number_never_wins(run, told, value):
    """A trial whose final value is no number fails as well, and the sound ones decide."""

    def sometimes(params, folder, on_epoch):
        return value if len(told.trials) == 0 else 0.5

    found = run(sometimes)
    assert (told.states[0], found.best_value) == ("FAILED", 0.5)


def test_an_objective_under_another_name_fails_loudly(run):
    """A metric that training never reports is an error at once, not a blind search."""
    with pytest.raises(KeyError):
        run(lambda params, folder, on_epoch: on_epoch(1, {"accuracy": 1.0}))


def test_a_failed_trial_does_not_end_the_search(run, told):
    """A trial that fails is told and counted; the others go on."""

    def sometimes(params, folder, on_epoch):
        if not told.trials:
            raise TrainingFailed("the loss is not a number")
        return objective(params, folder, on_epoch)

    found = run(sometimes)
    assert (found.trials, told.states[0]) == (3, "FAILED")
    assert "FINISHED" in told.states


def test_hopeless_trials_are_pruned_and_told(run, told):
    """A trial that lies below the others at its second epoch is stopped, and its journal line says so."""
    order = iter([0.9, 0.8, 0.85, 0.1, 0.95])

    def train(params, folder, on_epoch):
        value = next(order)
        for epoch in (1, 2, 3):
            on_epoch(epoch, {"f1": value})
        return value

    found = run(train, trials=5)
    assert told.states == ["FINISHED", "FINISHED", "FINISHED", "PRUNED", "FINISHED"]
    assert (found.pruned, found.best_value) == (1, 0.95)
    assert told.trials[3][2] < 3


def test_pruning_can_be_switched_off(run, told):
    """With pruner = "none" every trial runs to its end."""
    order = iter([0.9, 0.8, 0.85, 0.1])

    def train(params, folder, on_epoch):
        value = next(order)
        for epoch in (1, 2, 3):
            on_epoch(epoch, {"f1": value})
        return value

    assert run(train, trials=4, sweep=Sweep(pruner="none")).pruned == 0
    assert told.states == ["FINISHED"] * 4


def test_a_trial_leaves_no_folder(run, tmp_path):
    """Whatever a trial writes is gone when it ends, however it ends."""

    def messy(params, folder, on_epoch):
        folder.mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_text("x")
        if folder.name == "trial-0":
            raise TrainingFailed("no")
        if folder.name == "trial-1":
            raise optuna.TrialPruned
        return 0.5

    run(messy)
    assert [path for path in (tmp_path / "runs").rglob("*") if path.is_file()] == []


def test_a_killed_search_is_taken_up(run, told, tmp_path):
    """A search that was killed inside a trial has its full number of trials after the next call."""

    def killed(params, folder, on_epoch):
        if len(told.trials) == 1:
            raise KeyboardInterrupt
        return 0.5

    with pytest.raises(KeyboardInterrupt):
        run(killed)
    told.trials.clear()
    found = run(objective)
    assert found.trials == 3
    assert len(told.trials) == 2


def test_a_study_that_never_ran_has_no_best(tmp_path):
    """Asking for the best of nothing gives nothing, and creates nothing."""
    assert best_of("s", tmp_path / "studies" / "s.log") is None
    assert not (tmp_path / "studies").exists()
    study = open_study("s", tmp_path / "studies" / "s.log", SETTINGS)
    assert best_of("s", tmp_path / "studies" / "s.log") is None
    with pytest.raises(ValueError, match="No trials are completed"):
        summary(study)
