"""A sweep in MLflow: one run for the sweep, and one nested run for each trial, open for as long as it trains."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aufruf.release import system
from aufruf.release.tracking import Run, Tracker

_STATUS = {"FINISHED": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
_TICKET = "run"  # file in a trial's work folder that names its run


@dataclass(frozen=True)
class Setting:
    """What a sweep and all of its trials have in common."""

    tags: Mapping[str, Any] = field(default_factory=dict)  # what they are made of
    recipe: Mapping[str, Any] = field(default_factory=dict)  # all but the hyperparameters that are searched
    device: str = ""  # what this process computes with
    seen: Mapping[str, int | None] = field(default_factory=dict)  # tables, each with its Delta version


class SweepRuns:
    """The runs of one study. Any process may open, go on with and end them."""

    def __init__(self, tracker: Tracker, study: str, setting: Setting | None = None) -> None:
        self.tracker, self.study, self.setting = tracker, study, setting or Setting()
        self.parent = ""  # run of the sweep
        self.latest: TrialRun | None = None  # of the trial that this process took last

    def begin(self, known: str | None, params: Mapping[str, Any]) -> Run:
        """Open the sweep's run, or ``known``, where it was cut off."""
        run = self.tracker.reopen(known) if known else None
        if run is None:
            self.tracker.end_orphans(self._tags("sweep"))
            run = self.tracker.start("sweep", {**self.setting.tags, **self._tags("sweep")}, params)
        self._common(run)
        self.parent = run.id
        return run

    def trial(self, number: int, params: Mapping[str, Any], folder: Path) -> "TrialRun":
        """Open the run of a trial, or go on with the one that a ticket in its work folder names.

        It has all that its training is told, and until it ends the load of the machine that it trains on.
        """
        self.lost(number)  # its runs on other machines, too; the one that goes on is opened again
        tags = {**self.setting.tags, **self._tags("trial"), "aufruf.trial": number, "aufruf.pruned": "false"}
        whole, ticket = {**self.setting.recipe, **params}, folder / _TICKET
        run = self.tracker.start(f"trial {number}", tags, whole, parent=self.parent, ticket=ticket)
        self._common(run)
        self.latest = TrialRun(run)
        return self.latest

    def lost(self, number: int) -> None:
        """End the run of a trial whose worker died."""
        self.tracker.end_orphans({**self._tags("trial"), "aufruf.trial": str(number)})

    def end_others(self, is_free: Callable[[str, int], bool]) -> None:
        """End the open runs of studies that nobody is at work on; ``is_free(study, number)`` says it of a trial."""
        one_of = "tags.`aufruf.step` = '{}' and attributes.status = 'RUNNING'"
        found = [run for step in ("sweep", "trial") for run in self.tracker.find(one_of.format(step))]
        tags = [run.data.tags for run in found]
        trials = {(tag["aufruf.study"], int(tag["aufruf.trial"])) for tag in tags if "aufruf.trial" in tag}
        busy = {self.study, *(study for study, number in trials if not is_free(study, number))}
        for run, tag in zip(found, tags, strict=True):
            if tag["aufruf.study"] not in busy:
                self.tracker.client.set_terminated(run.info.run_id, "KILLED")

    def _common(self, run: Run) -> None:
        run.inputs(self.setting.seen)
        run.table("environment.json", system.environment(self.setting.device))

    def _tags(self, step: str) -> dict[str, str]:
        return {"aufruf.step": step, "aufruf.study": self.study}


class TrialRun:
    """What one trial has to tell, each thing once, however often its worker is killed.

    The first seed's epochs are the run's own; those of others bear their number.
    """

    def __init__(self, run: Run) -> None:
        self.run, self._watched = run, ExitStack()
        self._watched.enter_context(system.watched(run))

    def epoch(self, seed: int, epoch: int, row: Mapping[str, float]) -> None:
        self.run.epoch(epoch, row, "" if seed == 1 else f"seed_{seed}.")

    def seed(self, seed: int, value: float) -> None:
        """The objective with one seed, as the n-th point of one metric."""
        self.run.once(seed, {"seed_value": value}, "seed_value")

    def trained(self, seed: int, facts: Mapping[str, float], curves: bytes) -> None:
        """How the training with one seed went."""
        self.run.once(seed, facts, "best_epoch")
        self.run.figure("learning_curves.png" if seed == 1 else f"learning_curves_seed_{seed}.png", curves)

    def end(self, state: str, value: float | None) -> None:
        """FINISHED, PRUNED (a tag says so), FAILED, KILLED, or LOST to another worker, who goes on with the run."""
        self._watched.close()
        if state == "LOST":
            self.run.close()
            return
        if value is not None:
            self.run.metrics({"value": value})
        self.run.tag({"aufruf.pruned": str(state == "PRUNED").lower()})
        self.run.end(_STATUS[state])
