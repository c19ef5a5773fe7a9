"""A sweep whose workers are killed, or are several at once: real processes, real SIGKILL, real MLflow."""

import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

from aufruf.model.studies import Studies
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings

WORKER = Path(__file__).with_name("sweep_worker.py")
KILLED = -9
PLACES = (  # so that no trial costs three workers
    "after asking",
    "in epoch 1",
    "after its training",
    "after telling",
    "in epoch 2",
    "before the run ends",
    "between two trials",
    "after its value",
    "before telling",
)
TOLD = {"epoch": 2, "best_epoch": 1, "train_seconds": 1, "seed_value": 1, "value": 1}  # points of a trial's metrics


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home with one MLflow for all; each test has a study and an experiment of its own."""
    folder = tmp_path_factory.mktemp("sweeps")
    Tracker(Settings.load(folder, env={}), "made")
    return folder


@pytest.fixture(scope="module")
def workers() -> Iterator[subprocess.Popen[str]]:
    """The script that forks the workers."""
    started = subprocess.Popen([sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with started:
        yield started
        assert started.stdin
        started.stdin.close()


class Sweeps:
    """Runs workers, and looks at what they have left."""

    def __init__(self, workers: subprocess.Popen[str], home: Path, name: str, url: str | None) -> None:
        self.workers, self.home, self.name = workers, home, name
        self.job = {"home": str(home), "study": f"{name}-search-data", "experiment": name, "url": url}

    def __call__(self, trials: int, *rounds: list[Any]) -> list[list[int]]:
        """The exit codes of the workers, round by round."""
        assert self.workers.stdin
        assert self.workers.stdout
        print(json.dumps({**self.job, "trials": trials, "rounds": rounds}), file=self.workers.stdin, flush=True)
        found: list[list[int]] = json.loads(self.workers.stdout.readline())
        return found

    @property
    def trials(self) -> list[Any]:
        study = Studies(self.home / "studies", self.job["url"]).find(self.job["study"])
        assert study
        return study.trials

    @property
    def runs(self) -> Counter[tuple[str, str]]:
        """How many runs of each step ended how."""
        found = Tracker(Settings.load(self.home, env={}), self.name).find("")
        return Counter((run.data.tags["aufruf.step"], run.info.status) for run in found)

    def points(self, step: str, *metrics: str) -> list[dict[str, int]]:
        """How many points each of the metrics has in each run of that step."""
        tracker = Tracker(Settings.load(self.home, env={}), self.name)
        return [
            {key: len(tracker.client.get_metric_history(run.info.run_id, key)) for key in metrics}
            for run in tracker.find(f"tags.`aufruf.step` = '{step}'")
        ]

    @property
    def epochs(self) -> Counter[str]:
        """How often each epoch of each configuration was trained."""
        return Counter((self.home / f"{self.job['study']}.epochs").read_text().splitlines())


@pytest.fixture
def sweeps(workers: subprocess.Popen[str], home: Path, studies: Studies, request: pytest.FixtureRequest) -> Sweeps:
    """Sweeps in a file, and then in PostgreSQL."""
    name = "".join(letter for letter in request.node.name if letter.isalnum())
    return Sweeps(workers, home, name, studies.url)


def test_a_sweep_that_is_killed_anywhere_has_all_its_trials(sweeps: Sweeps) -> None:
    """Killed at each moment of a trial in turn, and at its end, the sweep has the trials asked for, all good.

    None is trained twice, and whatever was told to MLflow was told once.
    """
    codes = sweeps(len(PLACES), *([place] for place in PLACES), ["while closing"], [None])
    assert codes == [[KILLED]] * (len(PLACES) + 1) + [[0]]
    assert [trial.state for trial in sweeps.trials] == [TrialState.COMPLETE] * len(PLACES)
    assert len({str(trial.params) for trial in sweeps.trials}) == len(PLACES)
    assert sweeps.runs == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): len(PLACES)}
    assert sweeps.points("trial", *TOLD) == [TOLD] * len(PLACES)
    assert sweeps.points("sweep", "best_value", "trials") == [{"best_value": 1, "trials": 1}]
    assert list((sweeps.home / "runs").rglob("checkpoint*")) == []


def test_workers_side_by_side_share_a_study(sweeps: Sweeps) -> None:
    """Three workers at once, begun at the same moment, train each configuration once and together not one too many."""
    assert sweeps(9, [None, None, None]) == [[0, 0, 0]]
    assert [(trial.number, trial.state) for trial in sweeps.trials] == [(n, TrialState.COMPLETE) for n in range(9)]
    assert (len(sweeps.epochs), set(sweeps.epochs.values())) == (18, {1})
    assert sweeps.runs == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 9}


def test_a_worker_that_dies_leaves_the_others_alone(sweeps: Sweeps) -> None:
    """Of two workers one is killed: the other goes on with its trial, and with none of its own twice."""
    [codes] = sweeps(6, ["in epoch 1", None])
    assert sorted(codes) == [KILLED, 0]
    assert [trial.state for trial in sweeps.trials] == [TrialState.COMPLETE] * 6
    assert sorted(sweeps.epochs.values()) == [1] * 11 + [2], "one epoch was trained twice: the one that was lost"
    assert sweeps.runs == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 6}


@pytest.mark.parametrize("studies", ["file"], indirect=True)
def test_kills_at_any_moment(sweeps: Sweeps) -> None:
    """Killed eight times after a time that chance decides, two workers leave a study that can be read and goes on."""
    draw = random.Random(5460)
    rounds = [[round(draw.uniform(0.1, 0.9), 2), round(draw.uniform(0.05, 0.3), 2)] for _ in range(4)]
    codes = sweeps(12, *rounds, [None])
    assert codes[-1] == [0]
    assert [trial.number for trial in sweeps.trials] == list(range(12))
    states = Counter(trial.state for trial in sweeps.trials)
    assert states[TrialState.COMPLETE] + states[TrialState.FAIL] == 12
    assert states[TrialState.FAIL] <= 8 // 3, "a trial is given up after it has cost three workers"
    assert {status for _, status in sweeps.runs} <= {"FINISHED", "KILLED"}
