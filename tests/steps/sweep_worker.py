"""Workers of a sweep that die where they are told to: a script of its own, because it forks and kills.

Reads jobs from standard input, a JSON object a line: home, study, url, experiment, trials, and ``rounds``, each a list
of the workers that run side by side: null, the name of the place where to die, or after how many seconds to be killed.
Answers each with a line: the exit codes, round by round.
"""

import importlib
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import optuna

from aufruf.classifier import Sweep
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Examples
from aufruf.model.studies import Studies
from aufruf.model.sweep import SPACE, Search
from aufruf.release.tracking import Tracker
from aufruf.release.trials import SweepRuns, TrialRun
from aufruf.settings import Settings
from aufruf.steps import sweep as step
from aufruf.steps.sweep import Sought


def die():
    os.kill(os.getpid(), signal.SIGKILL)


class Work(Sought):
    """The step ``sweep`` on a tiny objective, without a lake."""

    def __init__(self, job, place):
        self.place, self.settings = place, Settings.load(job["home"], env={})
        folder = self.settings.runs / job["study"]
        sweep = Sweep(pruner="none", trials=job["trials"])
        self.classifier = SimpleNamespace(name=job["experiment"], sweep=sweep, labels=("a", "b"), positive_index=1)
        self.rows = [Examples(["x", "y"], ["x", "y"], [[1, 0], [0, 1]], ["x", "y"])] * 2
        self.at, self.encoder = {}, ResolvedEncoder(Path(), "tiny", None, None)
        self.search = Search(
            Studies(Path(job["home"]) / "studies", job["url"]), job["study"], sweep, "f1", (1,), folder
        )
        self.runs = SweepRuns(Tracker(self.settings, job["experiment"]), job["study"])
        self.runs.parent = self.search.study.user_attrs.get("run") or ""
        self.epochs = Path(job["home"]) / f"{job['study']}.epochs"

    def run(self):
        self.open(None)
        self.runs.parent = self.search.study.user_attrs["run"]
        while taken := self.taken():
            self.search.run(taken, self.train, self.runs)
            if self.place == "between two trials":
                die()
        step.searched = lambda *of: self.search
        step.closed(self.settings, self.classifier, self.search.name)

    def taken(self):
        taken = self.search.take(self.runs)
        if self.place == "after asking":
            die()
        return taken

    def train(self, params, folder, on_epoch):
        folder.mkdir(parents=True, exist_ok=True)
        for epoch in (1, 2):
            on_epoch(epoch, {"epoch": epoch, "f1": params["learning_rate"] * 1e4})
            with self.epochs.open("a") as told:
                told.write(json.dumps([epoch, *(params[name] for name in SPACE)]) + "\n")
            if self.place == f"in epoch {epoch}":
                die()
            time.sleep(0.02)
        self.runs.latest.trained(1, {"best_epoch": 2.0, "train_seconds": 1.0}, b"")
        if self.place == "after its training":
            die()
        return params["learning_rate"] * 1e4 + params["epochs"] / 100


def arm(place):
    """Make a worker die around the moment at which a trial is told."""
    end = TrialRun.end
    if place == "before the run ends":
        TrialRun.end = lambda self, *a: die()
    if place == "before telling":
        TrialRun.end = lambda self, *a: (end(self, *a), die())
    if place == "after its value":
        dying(optuna.Trial, "values")
    if place == "while closing":
        dying(optuna.Study, "run", None)
    if place == "after telling":
        rmtree = shutil.rmtree
        shutil.rmtree = lambda path, **k: die() if Path(path).name.startswith("trial-") else rmtree(path, **k)


def dying(owner, *about):
    """Die where an attribute has been set: its name, and maybe its value."""
    whole = owner.set_user_attr

    def told(self, *attribute):
        if attribute == about:  # the run is ended, but the study does not know
            die()
        whole(self, *attribute)
        if attribute[: len(about)] == about:
            die()

    owner.set_user_attr = told


def side_by_side(job, places):
    """Exit codes of one round's workers."""
    workers = []
    for place in places:
        if not (pid := os.fork()):
            arm(place)
            Work(job, place).run()
            os._exit(0)
        workers.append(pid)
    for pid, place in zip(workers, places, strict=True):
        if isinstance(place, float):
            time.sleep(place)
            os.kill(pid, signal.SIGKILL)
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in workers]


def main():
    importlib.import_module("mlflow.store.tracking.sqlalchemy_store")  # once, not in each worker
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps([side_by_side(job, places) for places in job["rounds"]]), flush=True)


if __name__ == "__main__":
    main()
