"""The search keeps to its budget, goes on where it stopped, and fails loudly when it learnt nothing."""

import errno
import itertools
import logging
import math
import os
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy import create_engine, text

from aufruf.classifier import Sweep
from aufruf.errors import AufrufError, MemoryFull, TrainingFailed, UsageError
from aufruf.model.found import Found, best_of, finished, shares, summary, table
from aufruf.model.pruning import Halfway
from aufruf.model.studies import Studies
from aufruf.model.sweep import SPACE, Search
from aufruf.settings import Settings

SETTINGS = Sweep(trials=3)


class Told:
    """A journal that remembers."""

    def __init__(self) -> None:
        self.trials: list[Told.Line] = []
        self.lost_ones: list[int] = []

    def trial(self, number, params, folder):
        self.trials.append(Told.Line(number, dict(params)))
        return self.trials[-1]

    def lost(self, number) -> None:
        self.lost_ones.append(number)

    @property
    def states(self) -> list[str]:
        return [line.state for line in self.trials]

    @property
    def tried(self) -> list[tuple]:
        return [tuple(line.params[name] for name in SPACE) for line in self.trials]

    class Line:
        def __init__(self, number, params) -> None:
            self.number, self.params, self.state, self.value = number, params, "RUNNING", None
            self.epochs, self.seeds = [], []

        def epoch(self, seed, epoch, row) -> None:
            self.epochs.append((seed, epoch))

        def seed(self, seed, value) -> None:
            self.seeds.append((seed, value))

        def end(self, state, value) -> None:
            self.state, self.value = state, value


class Night:
    """A study of this test's own, and what its searches have told."""

    def __init__(self, studies: Studies, folder: Path) -> None:
        self.studies, self.folder, self.told = studies, folder, Told()

    def search(self, sweep: Sweep = SETTINGS, seeds=(1,), name="c-search-monday") -> Search:
        return Search(self.studies, name, sweep, "f1", seeds, self.folder / "runs" / name)

    def __call__(self, train, trials=3, sweep: Sweep = SETTINGS, **more) -> Found:
        search = self.search(sweep, **more)
        search.begin(trials)
        while taken := search.take(self.told):
            search.run(taken, train, self.told)
        return summary(search.study)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A night whose study is a file."""
    return Night(Studies(tmp_path / "studies"), tmp_path)


@pytest.fixture
def anywhere(studies: Studies, tmp_path: Path) -> Night:
    """A night whose study is a file, and one whose study is in PostgreSQL."""
    return Night(studies, tmp_path)


def objective(params, folder, on_epoch):
    """Better with a higher learning rate and more epochs: there is one best corner of the space."""
    value = params["learning_rate"] * 1e4 + params["epochs"] / 100
    for epoch in range(1, params["epochs"] + 1):
        on_epoch(epoch, {"f1": value * epoch / params["epochs"]})
    return value


def constant(*values: float) -> Callable[..., float]:
    """One value a training, alike at each of its three epochs."""
    order = iter(values)

    def train(params, folder, on_epoch):
        value = next(order)
        for epoch in (1, 2, 3):
            on_epoch(epoch, {"f1": value})
        return value

    return train


def interrupted(params, folder, on_epoch):
    """A worker that dies in its first epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "checkpoint").write_text(str(params["learning_rate"]))
    raise KeyboardInterrupt


def test_the_budget_is_kept(anywhere):
    """As many trials as asked for, each told with its hyperparameters, the best of them returned."""
    found = anywhere(objective, trials=5)
    told = anywhere.told
    assert (found.trials, [line.number for line in told.trials]) == (5, [0, 1, 2, 3, 4])
    assert all(set(line.params) == set(SPACE) for line in told.trials)
    assert found.best_value == pytest.approx(max(line.value for line in told.trials if line.state == "FINISHED"))
    assert objective(found.best, None, lambda *_: None) == pytest.approx(found.best_value)
    assert best_of(anywhere.studies, found.study) == (found.best, found.study)


def test_no_configuration_is_trained_twice(night):
    """A search asked for more than the space holds tries every point once, and none twice; then it is over."""
    small = Sweep(epochs=(1, 2), learning_rate=(2e-5,), weight_decay=(0.01, 0.03), warmup=(0.1,), batch_size=(8, 16))
    found = night(objective, trials=50, sweep=small)
    points = itertools.product((1, 2), (2e-5,), (0.01, 0.03), (0.1,), (8, 16))
    assert (found.trials, sorted(night.told.tried)) == (8, sorted(points))


def test_the_search_learns(night):
    """TPE finds the best corner of 243 points in far fewer trials than chance needs."""
    found = night(objective, trials=20, sweep=Sweep(pruner="none"))
    assert found.best_value == pytest.approx(4e-5 * 1e4 + 8 / 100)
    corner = [point[:2] == (8, 4e-5) for point in night.told.tried]
    assert sum(corner[10:]) > 5, "chance would go there about once in ten trials"
    assert len(set(night.told.tried)) == 20


def test_a_search_goes_on_where_it_stopped(anywhere):
    """More trials asked for later are added; a study that has them already runs none."""
    anywhere(objective, trials=2)
    assert anywhere(objective, trials=2).trials == 2
    assert len(anywhere.told.trials) == 2
    assert anywhere(objective, trials=4).trials == 4
    assert [line.number for line in anywhere.told.trials] == [0, 1, 2, 3]
    assert len(set(anywhere.told.tried)) == 4


def test_a_repeated_search_tries_the_same(tmp_path):
    """The seed decides what is tried: two searches from nothing are the same, though one was cut off in between."""
    one, two = (Night(Studies(tmp_path / name), tmp_path) for name in ("one", "two"))
    one(objective, trials=8)
    two(objective, trials=8, sweep=Sweep(minutes=1e-9))
    two(objective, trials=8)
    assert one.told.tried == two.told.tried


def test_other_data_begin_with_what_was_best(anywhere):
    """A new generation tries the best quarter of the last one first, and takes over none of its values."""
    anywhere(constant(0.1, 0.5, 0.3, 0.9, 0.7), trials=5, sweep=Sweep(pruner="none"))
    first, anywhere.told = anywhere.told.tried, Told()
    found = anywhere(constant(0.05, 0.04, 0.03), trials=3, name="c-search-tuesday")
    assert (anywhere.told.tried[0], found.best_value) == (first[3], 0.05)
    assert found.best == dict(zip(SPACE, first[3], strict=True))
    assert (found.trials, len(set(anywhere.told.tried))) == (3, 3)
    anywhere(constant(*[0.1] * 4), trials=1, name="c-other-monday")
    assert anywhere.told.tried[3] not in (first[3], first[4]), "of another search nothing is taken over"


def test_the_best_quarter_is_carried_over(night):
    """Eight trials begin with the two that were best, in their order."""
    night(constant(0.1, 0.5, 0.3, 0.9, 0.2, 0.4, 0.6, 0.7), trials=8, sweep=Sweep(pruner="none"))
    first, night.told = night.told.tried, Told()
    night(constant(*[0.05] * 8), trials=8, name="c-search-tuesday")
    assert night.told.tried[:2] == [first[3], first[7]]
    assert len(set(night.told.tried)) == 8


def test_minutes_end_it(night):
    """When the minutes are over no further trial starts - but one there always is, and it may fail."""
    found = night(objective, trials=9, sweep=Sweep(minutes=1e-9))
    assert (found.trials, len(night.told.trials)) == (1, 1)
    assert night(objective, trials=9).trials == 9, "the next night has minutes of its own"
    search, tried = night.search(Sweep(minutes=1e-9), name="c-search-tuesday"), len(night.told.trials)
    search.begin(9)
    while taken := search.take(night.told):
        search.run(taken, constant(math.nan), night.told)
    assert night.told.states[tried:] == ["FAILED"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_objective_that_is_no_number_fails_its_trial(night, value):
    """Every trial that reports no number is a failed trial; when all are, the search still ends, without a best."""

    def hopeless(params, folder, on_epoch):
        on_epoch(1, {"f1": value})
        return 1.0

    search = night.search()
    search.begin(3)
    while taken := search.take(night.told):
        search.run(taken, hopeless, night.told)
    assert night.told.states == ["FAILED"] * 3
    assert best_of(night.studies, "c-search-monday") is None
    assert shares(search.study) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_final_value_that_is_no_number_never_wins(night, value):
    """A trial whose final value is no number fails as well, and the sound ones decide."""
    values = iter([value, 0.5, 0.4])
    found = night(lambda params, folder, on_epoch: next(values))
    assert (night.told.states[0], found.best_value) == ("FAILED", 0.5)


def test_an_objective_under_another_name_fails_loudly(night):
    """A metric that training never reports is an error at once, not a blind search."""
    with pytest.raises(UsageError, match="no epoch reports 'f1'"):
        night(lambda params, folder, on_epoch: on_epoch(1, {"accuracy": 1.0}))
    assert night.told.states == ["FAILED"]


def test_a_failed_trial_does_not_end_the_search(night):
    """A trial that fails is told and counted; the others go on."""

    def sometimes(params, folder, on_epoch):
        if len(night.told.trials) == 1:
            raise TrainingFailed("the loss is not a number")
        return objective(params, folder, on_epoch)

    found = night(sometimes)
    assert (found.trials, night.told.states[0]) == (3, "FAILED")
    assert "FINISHED" in night.told.states


def test_what_breaks_a_trial_is_not_tried_again(night):
    """An error nobody foresaw comes out, its trial is told as failed, and the next call tries something else.

    It may be the machine's: it says nothing of the configuration, and uses up none of the trials asked for.
    """

    def broken(params, folder, on_epoch):
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        night(broken)
    found = night(objective)
    assert (found.trials, night.told.states[0]) == (3, "FAILED")
    assert len(set(night.told.tried)) == 4


@pytest.mark.parametrize("fault", [RuntimeError("CUDA error: unspecified launch failure"), OSError(errno.EIO, "away")])
def test_a_night_of_faults_leaves_the_next_night_its_trials(night, fault):
    """Where all trials of a night ended by faults, the next one has as many, though no configuration is left."""
    small = Sweep(trials=2, epochs=(1,), learning_rate=(2e-5, 3e-5), weight_decay=(0,), warmup=(0.1,), batch_size=(8,))

    def broken(params, folder, on_epoch):
        raise fault

    for _ in range(6):
        with pytest.raises(type(fault)):
            night(broken, sweep=small)
    night.told = Told()
    found = night(objective, sweep=small)
    assert (found.trials, night.told.states) == (2, ["FINISHED"] * 2)
    assert len(set(night.told.tried)) == 2
    assert night(broken, sweep=small) == found, "nothing is left to do"


def test_faults_end_a_night_after_as_many_trials_as_were_asked_for(night):
    """Whoever tries on and on, as tasks do that are tried again, burns no more than a night's configurations."""

    def broken(params, folder, on_epoch):
        raise RuntimeError("CUDA error: unspecified launch failure")

    search = night.search()
    for _ in range(2):
        begun = len(night.told.trials)
        assert search.begin(3) == 3
        while taken := search.take(night.told):
            with pytest.raises(RuntimeError):
                search.run(taken, broken, night.told)
        assert night.told.states[begun:] == ["FAILED"] * 3


def _away(*_, **__):
    raise StorageInternalError("the database does not answer")


def test_a_study_that_is_away_while_a_trial_is_drawn_leaves_it_free(night, monkeypatch):
    """Else it would count as being trained for as long as this process lives."""
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "suggest_categorical", _away)
        with pytest.raises(StorageInternalError):
            night(objective)
    assert not night.search().alive()
    assert night(objective).trials == 3


def test_a_study_that_is_away_at_the_end_of_a_trial_leaves_it(night, monkeypatch):
    """What its training was worth cannot be told then; whoever comes next goes on with it."""
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Trial, "report", _away)
        with pytest.raises(StorageInternalError):
            night(objective)
    assert [trial.state for trial in night.search().study.trials] == [TrialState.RUNNING]
    assert (night(objective).trials, night.told.states) == (3, ["KILLED", *["FINISHED"] * 3])


def test_a_trial_that_lost_its_worker_before_it_had_a_point_gets_one_of_its_own(night):
    """It is drawn as any other: among the configurations that were not tried."""
    sweep = Sweep(epochs=(1, 2, 3), learning_rate=(2e-5, 3e-5, 4e-5), weight_decay=(0,), warmup=(0,), batch_size=(8,))
    night(objective, trials=8, sweep=sweep)
    search = night.search(sweep)
    search.begin(9)
    search.study.ask()
    night(objective, trials=9, sweep=sweep)
    assert len(set(night.told.tried)) == 9


def test_hopeless_trials_are_pruned_and_told(night):
    """A trial that lies below half of the others is stopped when half of its epochs are over, not before."""
    found = night(constant(0.9, 0.8, 0.85, 0.1, 0.95), trials=5, sweep=Sweep(epochs=(4,)))
    assert night.told.states == ["FINISHED", "FINISHED", "FINISHED", "PRUNED", "FINISHED"]
    assert (found.pruned, found.best_value) == (1, 0.95)
    assert night.told.trials[3].epochs == [(1, 1), (1, 2)]


def test_a_trial_is_compared_at_the_same_share_of_its_epochs():
    """Epoch 2 of 4 is compared with epoch 4 of 8 and epoch 1 of 2, by the best value that was seen until then."""
    study = optuna.create_study(direction="maximize")
    epochs = optuna.distributions.CategoricalDistribution((2, 4, 8))

    def trial(of, *values):
        seen = dict(enumerate(values, 1))
        rest = {"state": TrialState.COMPLETE, "value": values[-1], "intermediate_values": seen}
        return optuna.trial.create_trial(params={"epochs": of}, distributions={"epochs": epochs}, **rest)

    study.add_trials([trial(8, 0.1, 0.6, 0.1, 0.5, 0.9), trial(8, 0.0, 0.0, 0.0, 0.7), trial(2, 0.5, 0.9)])
    assert Halfway().prune(study, trial(4, 0.1, 0.59)), "the others are at 0.5, 0.6 and 0.7"
    assert not Halfway().prune(study, trial(4, 0.61, 0.1)), "what it had before counts"
    assert not Halfway().prune(study, trial(4, 0.1)), "a quarter of its epochs"
    assert not Halfway().prune(study, trial(4, 0.1, 0.1, 0.1, 0.1)), "nothing is left to save"
    study = optuna.create_study(direction="maximize")
    study.add_trials([trial(8, 0.9, 0.9, 0.9, 0.9), trial(2, 0.9)])
    assert not Halfway().prune(study, trial(4, 0.1, 0.1)), "two are too few to compare with"


def test_halving_stops_the_worse_half(night):
    """With pruner = "halving" a trial that is not among the better half of those before it stops at epoch 2."""
    night(constant(0.9, 0.8, 0.7, 0.95), trials=4, sweep=Sweep(pruner="halving"))
    assert night.told.states == ["FINISHED", "PRUNED", "PRUNED", "FINISHED"]


def test_halving_ends_no_trial_at_its_last_epoch(night):
    """Nothing is saved then, and its value is known."""
    values = iter([0.9, 0.8, 0.7])

    def train(params, folder, on_epoch):
        value = next(values)
        for epoch in (1, 2):
            on_epoch(epoch, {"f1": value})
        return value

    night(train, sweep=Sweep(pruner="halving", epochs=(2,)))
    assert night.told.states == ["FINISHED"] * 3


def test_pruning_can_be_switched_off(night):
    """With pruner = "none" every trial runs to its end."""
    assert night(constant(0.9, 0.8, 0.85, 0.1), trials=4, sweep=Sweep(pruner="none")).pruned == 0
    assert night.told.states == ["FINISHED"] * 4


def test_several_seeds_make_a_mean(night):
    """With three seeds a configuration is trained three times, its value is the mean, and each value is kept."""
    seen = []

    def train(params, folder, on_epoch):
        seen.append((params["seed"], folder.name))
        return {7: 0.3, 8: 0.6, 9: 0.9}[params["seed"]]

    found = night(train, trials=2, seeds=(7, 8, 9))
    assert seen == [(7, "seed-0"), (8, "seed-1"), (9, "seed-2")] * 2
    assert found.best_value == pytest.approx(0.6)
    assert night.told.trials[0].seeds == [(1, 0.3), (2, 0.6), (3, 0.9)]
    assert night.search().study.trials[0].user_attrs["values"] == [0.3, 0.6, 0.9]
    assert set(found.best) == set(SPACE), "a seed is no hyperparameter"


def test_a_lucky_seed_does_not_cost_the_others(night):
    """Once three configurations are measured, one whose mean so far falls behind is given up before its last seed."""
    steady = [value for mean in (0.7, 0.8, 0.9) for value in (mean, mean, mean)]
    found = night(constant(*steady, 0.95, 0.1), trials=4, seeds=(7, 8, 9))
    assert night.told.states == ["FINISHED", "FINISHED", "FINISHED", "PRUNED"]
    assert [seed for seed, _ in night.told.trials[3].seeds] == [1, 2]
    assert found.best_value == pytest.approx(0.9)


def test_a_killed_trial_goes_on(anywhere):
    """Nothing of an interrupted trial is lost: the next worker has its number, its values and its work folder."""
    with pytest.raises(KeyboardInterrupt):
        anywhere(interrupted)
    [line] = anywhere.told.trials
    seen = []

    def goes_on(params, folder, on_epoch):
        seen.append((folder / "checkpoint").exists())
        return 0.5

    assert anywhere(goes_on).trials == 3
    assert [told.number for told in anywhere.told.trials] == [0, 0, 1, 2]
    assert (anywhere.told.trials[1].params, seen) == (line.params, [True, False, False])


def test_a_killed_trial_goes_on_with_its_next_seed(night):
    """A seed that was trained to its end is not trained again."""

    def killed(params, folder, on_epoch):
        if params["seed"] == 8:
            raise KeyboardInterrupt
        return 0.2

    with pytest.raises(KeyboardInterrupt):
        night(killed, trials=1, seeds=(7, 8))
    found = night(lambda params, folder, on_epoch: {8: 0.4}[params["seed"]], trials=1, seeds=(7, 8))
    assert (found.trials, found.best_value) == (1, pytest.approx(0.3))


def test_a_trial_that_kills_its_workers_is_given_up(night):
    """The third worker that dies over one trial is the last; the search goes on without it."""
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            night(interrupted)
    found = night(objective)
    assert (found.trials, night.told.lost_ones, night.told.states[3:]) == (3, [0], ["FINISHED"] * 2)
    assert [path for path in (night.folder / "runs").rglob("*") if path.is_file()] == []


def test_who_gives_up_a_trial_may_be_killed_at_it(night, monkeypatch):
    """Its run is ended before the study is told: whoever comes next does both."""

    def killed(number):
        raise KeyboardInterrupt

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            night(interrupted)
    with monkeypatch.context() as patch:
        patch.setattr(night.told, "lost", killed)
        with pytest.raises(KeyboardInterrupt):
            night(objective)
    assert (night(objective).trials, night.told.lost_ones) == (3, [0])


@pytest.mark.parametrize("fault", [MemoryFull("no text fits"), OSError(errno.ENOSPC, "no space left")])
def test_a_full_machine_costs_no_trial(anywhere, fault):
    """A full GPU or disk comes out, and leaves the trial as an interruption does: running, free, with its folder."""

    def full(params, folder, on_epoch):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "checkpoint").write_text("x")
        raise fault

    with pytest.raises(type(fault)) as told:
        anywhere(full, trials=2)
    assert told.value is fault
    [trial] = anywhere.search().study.trials
    assert (trial.state, anywhere.told.states) == (TrialState.RUNNING, ["KILLED"])
    assert (anywhere.search().alive(), anywhere.search().begin(2)) == (False, 2)
    assert [path.name for path in (anywhere.folder / "runs").rglob("checkpoint")] == ["checkpoint"]
    assert (anywhere(constant(0.5, 0.6), trials=2).trials, anywhere.told.states[1:]) == (2, ["FINISHED"] * 2)
    assert [line.number for line in anywhere.told.trials] == [0, 0, 1]


@pytest.mark.parametrize("fault", [MemoryFull("no text fits"), OSError(errno.ENOSPC, "no space left")])
def test_a_machine_that_stays_full_costs_no_trial_either(night, fault):
    """No configuration needs more room than another: a night of a full GPU or disk does not use up the study."""

    def full(params, folder, on_epoch):
        raise fault

    for _ in range(5):
        with pytest.raises(type(fault)):
            night(full)
    assert (night(objective).trials, night.told.lost_ones) == (3, [])


def test_what_the_system_refuses_otherwise_is_given_up_after_three_workers(night):
    """It may be the trial's fault after all, and does not hold up the search for good: another is tried instead."""

    def refused(params, folder, on_epoch):
        raise OSError(errno.EIO, "input/output error")

    for _ in range(3):
        with pytest.raises(OSError, match="input/output"):
            night(refused)
    assert (night(objective).trials, night.told.lost_ones) == (3, [0])
    assert night.told.states == ["KILLED"] * 3 + ["FINISHED"] * 3


def test_a_journal_that_cannot_be_reached_costs_no_worker(night):
    """Where nothing was trained nothing was lost: the trial waits, free, however often that happens."""

    def away(number, params, folder):
        raise AufrufError("the tracking server has not answered")

    search, there = night.search(), night.told.trial
    search.begin(1)
    night.told.trial = away
    for _ in range(4):
        with pytest.raises(AufrufError, match="not answered"):
            search.run(search.take(night.told), objective, night.told)
        assert not search.alive()
    night.told.trial = there
    assert (night(objective, trials=1).trials, night.told.states, night.told.lost_ones) == (1, ["FINISHED"], [])


def test_a_disk_too_full_for_the_journal_gives_the_lease_back(night, monkeypatch):
    """The run may not be ended then: the next worker ends or goes on with it."""

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Told.Line, "end", full)
    with pytest.raises(OSError, match="no space left"):
        night(full)
    assert not night.search().alive()


def test_a_disk_too_full_for_the_study_gives_the_lease_back_too(night, monkeypatch):
    """Where not even the count of workers can be written, the run is ended and the lease given back all the same."""

    def full(*_):
        raise OSError(errno.ENOSPC, "no space left")

    def train(*_):
        monkeypatch.setattr(optuna.Trial, "set_user_attr", full)
        full()

    with pytest.raises(OSError, match="no space left"):
        night(train)
    assert (night.search().alive(), night.told.states) == (False, ["KILLED"])


def test_a_disk_too_full_for_a_trial_s_end_gives_the_lease_back(night, monkeypatch):
    """A trial whose end cannot be written is free: whoever comes next goes on with it."""

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left")

    def train(*_):
        monkeypatch.setattr(optuna.Study, "tell", full)
        return 0.5

    with pytest.raises(OSError, match="no space left"):
        night(train)
    assert not night.search().alive()
    monkeypatch.undo()
    assert night(objective).trials == 3


def test_a_living_worker_keeps_its_trial(anywhere):
    """Whoever looks while a trial is being trained takes another one, and counts it."""
    search = anywhere.search()
    search.begin(2)
    taken, other = search.take(anywhere.told), anywhere.search()
    assert (other.begin(2), other.alive()) == (1, True)
    second = other.take(anywhere.told)
    assert (taken.trial.number, second.trial.number) == (0, 1)
    assert taken.params != second.params
    assert other.take(anywhere.told) is None
    search.run(taken, constant(0.5), anywhere.told)
    other.run(second, constant(0.6), anywhere.told)
    assert (summary(search.study).trials, other.alive()) == (2, False)


def test_a_lease_that_the_database_has_dropped_is_taken_anew_or_the_trial_given_up(studies_url, tmp_path):
    """PostgreSQL started anew knows no lease: who is first has the trial, its old worker or another, never both."""
    night = Night(Studies(tmp_path / "studies", studies_url), tmp_path)
    search, other = night.search(), night.search()
    search.begin(2)
    taken = []

    def restart():
        with create_engine(studies_url, isolation_level="AUTOCOMMIT").connect() as connection:
            locks = "FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database()"
            connection.execute(text(f"SELECT pg_terminate_backend(pid) {locks} AND locktype = 'advisory'"))

    def alone(params, folder, on_epoch):
        restart()
        on_epoch(1, {"f1": 0.5})
        assert not other.is_free(other.name, 0)
        return 0.5

    def overtaken(params, folder, on_epoch):
        restart()
        taken.append(other.take(night.told))
        on_epoch(1, {"f1": 0.9})

    assert search.run(search.take(night.told), alone, night.told) == "FINISHED"
    assert search.run(search.take(night.told), overtaken, night.told) == "KILLED"
    assert other.run(taken[0], constant(0.6), night.told) == "FINISHED"
    assert [(trial.number, trial.value) for trial in finished(search.study)] == [(0, 0.5), (1, 0.6)]
    assert night.told.states == ["FINISHED", "LOST", "FINISHED"]
    assert not search.alive()


def test_a_worker_thought_dead_changes_nothing(anywhere):
    """What a worker says of a trial that has meanwhile been told by another one is not heard."""
    search = anywhere.search()
    search.begin(1)
    taken = search.take(anywhere.told)
    search.study.tell(taken.trial.number, 0.9)
    search.run(taken, constant(0.1), anywhere.told)
    assert summary(search.study).best_value == 0.9


def test_a_trial_leaves_no_folder(night):
    """Whatever a trial writes is gone when it ends, however it ends."""

    def messy(params, folder, on_epoch):
        folder.mkdir(parents=True)
        (folder / "checkpoint.safetensors").write_text("x")
        if folder.parent.name == "trial-0":
            raise TrainingFailed("no")
        if folder.parent.name == "trial-1":
            raise optuna.TrialPruned
        return 0.5

    night(messy)
    assert list((night.folder / "runs").rglob("trial-*")) == []


def test_folders_of_trials_nobody_goes_on_with_are_removed(night):
    """Of a study whose data are gone nothing stays; what others or living workers keep is not touched."""
    runs = night.folder / "runs"
    left = [runs / f"{name}/trial-{at}" for name in ("c-search-sunday", "c-b-search-sunday") for at in (0, 1)]
    for folder in left:
        folder.mkdir(parents=True)
    with pytest.raises(KeyboardInterrupt):
        night(interrupted)
    held = night.studies.leases.take("c-search-sunday.trial-1")
    night.search().sweep_out("c")
    assert set(runs.glob("*/trial-*")) == {*left[1:], runs / "c-search-monday" / "trial-0"}
    held()


def test_a_study_that_never_ran_has_no_best(anywhere):
    """Asking for the best of nothing gives nothing, and creates nothing."""
    assert best_of(anywhere.studies, "c-search-monday") is None
    assert anywhere.studies.find("c-search-monday") is None
    study = anywhere.studies.open("c-search-monday")
    assert (best_of(anywhere.studies, "c-search-monday"), finished(study)) == (None, [])


def test_what_matters_is_said_in_shares(night):
    """Importances of what was varied add up to one; the learning rate, which the objective follows, leads."""
    night(objective, trials=20, sweep=Sweep(pruner="none", weight_decay=(0.05,)))
    study = night.search().study
    found = shares(study)
    assert set(found) == set(SPACE) - {"weight_decay"}
    assert (sum(found.values()), max(found, key=found.get)) == (pytest.approx(1), "learning_rate")
    assert [row["number"] for row in table(study)] == list(range(20))
    assert set(table(study)[0]) == {"number", "value", "state", *SPACE}


def test_a_file_cut_off_in_a_line_is_read(tmp_path):
    """A study whose last line was not written to its end, as when the power fails, has all lines before it."""
    night = Night(Studies(tmp_path / "studies"), tmp_path)
    night(objective, trials=2)
    [file] = (tmp_path / "studies").glob("*.log")
    size = file.stat().st_size
    with file.open("ab") as journal:
        journal.write(b'{"op_code":6,"worker_id":"x","tri')
    assert night(objective, trials=3).trials == 3
    os.truncate(file, size - 5)
    assert night(objective, trials=3).trials == 3


def test_who_has_the_study_open_cuts_off_half_a_line_too(night):
    """A line that a full disk cut off is gone before another worker writes behind it; each reads what all wrote."""
    one, two = (night.studies.open("c-search-monday") for _ in range(2))
    one.set_user_attr("a", 1)
    for key in ("b", "c"):
        with (night.folder / "studies" / "c-search-monday.log").open("ab") as journal:
            journal.write(b'{"op_code":2,"worker_id":"x","stu')
        assert one.user_attrs["a"] == 1
        two.set_user_attr(key, 1)
    next_night = night.studies.find("c-search-monday")
    assert one.user_attrs == two.user_attrs == next_night.user_attrs == dict.fromkeys("abc", 1)


def test_a_study_that_cannot_be_read_is_said(night, caplog):
    """It is named, with what to do; what has a study of its own does not look at it, and new data pass it over."""
    caplog.set_level(logging.WARNING, "aufruf")
    night(objective, trials=1)
    broken = night.folder / "studies" / "c-search-sunday.log"
    broken.write_text("{}{}\n{}\n")
    assert best_of(night.studies, "c-search-monday")
    assert caplog.messages == []
    with pytest.raises(AufrufError, match=r"c-search-sunday\.log: the study cannot be read.*Move the file away"):
        best_of(night.studies, "c-search-sunday")
    found, study = best_of(night.studies, "c-search-tuesday")
    assert (set(found), study) == (set(SPACE), "c-search-monday")
    assert night(objective, trials=1, name="c-search-tuesday").best == found
    assert all("c-search-sunday.log: the study cannot be read" in message for message in caplog.messages)
    assert caplog.messages


def test_an_unreachable_database_is_said_without_its_password(tmp_path):
    """The failure names the address, what is wrong and what to do, and keeps the password to itself."""
    with pytest.raises(AufrufError, match=r"cannot be reached.*AUFRUF_STUDIES") as failure:
        Studies(tmp_path, "postgresql+psycopg://aufruf:geheim@127.0.0.1:1/studies").open("c")
    assert "geheim" not in str(failure.value)


def test_a_finished_trial_is_in_the_study(anywhere):
    """What Optuna's own tools show is what was told: state, value, the epochs of the first seed."""
    anywhere(constant(0.5), trials=1)
    [trial] = anywhere.search().study.trials
    assert (trial.state, trial.value, trial.intermediate_values) == (TrialState.COMPLETE, 0.5, {1: 0.5, 2: 0.5, 3: 0.5})


def test_the_database_is_a_setting():
    """AUFRUF_STUDIES names a PostgreSQL database, is refused when it names something else, and is never shown."""
    url = "postgresql://aufruf:geheim@db/studies"
    found = Settings.load("home", env={"AUFRUF_STUDIES": url})
    assert (found.studies_url, "geheim" in repr(found)) == (url, False)
    assert Settings.load("home", env={}).studies_url is None
    with pytest.raises(UsageError, match="AUFRUF_STUDIES is no address of a PostgreSQL database"):
        Settings.load("home", env={"AUFRUF_STUDIES": "sqlite:///geheim.db"})
