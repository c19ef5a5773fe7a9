"""A sweep in MLflow: one run for the sweep, and one nested run for each trial, open for as long as it trains."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow.exceptions import MlflowException

from aufruf.release.tracking import Run, Tracker

_STATUS = {"FINISHED": "FINISHED", "PRUNED": "FINISHED", "FAILED": "FAILED", "KILLED": "KILLED"}
_TICKET = "run"  # file in a trial's work folder that names its run


class SweepRuns:
    """The runs of one study. Any process may open, go on with and end them."""

    def __init__(self, tracker: Tracker, study: str) -> None:
        self.tracker, self.study = tracker, study
        self.parent = ""  # run of the sweep

    def begin(self, known: str | None, tags: Mapping[str, Any], params: Mapping[str, Any]) -> Run:
        """Open the sweep's run, or ``known``, where it was cut off."""
        run = self._again(known) if known else None
        if run is None:
            self.tracker.end_orphans(self._tags("sweep"))
            run = self.tracker.start("sweep", {**self._tags("sweep"), **tags}, params)
        self.parent = run.id
        return run

    def trial(self, number: int, params: Mapping[str, Any], folder: Path) -> "TrialRun":
        """Open the run of a trial, or go on with the one that a ticket in its work folder names."""
        if not (folder / _TICKET).exists():
            self.lost(number)
        tags = {**self._tags("trial"), "aufruf.trial": number, "aufruf.pruned": "false"}
        run = self.tracker.start(f"trial {number}", tags, params, parent=self.parent, ticket=folder / _TICKET)
        return TrialRun(run)

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

    def _tags(self, step: str) -> dict[str, str]:
        return {"aufruf.step": step, "aufruf.study": self.study}

    def _again(self, run_id: str) -> Run | None:
        try:
            self.tracker.client.update_run(run_id, status="RUNNING")
            return self.tracker.attach(run_id)
        except MlflowException as failure:
            if failure.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                raise
            return None  # somebody has deleted it


class TrialRun:
    """What one trial has to tell. The first seed's epochs are the run's own; those of others bear their number."""

    def __init__(self, run: Run) -> None:
        self.run = run

    def epoch(self, seed: int, epoch: int, row: Mapping[str, float]) -> None:
        if seed == 1:
            self.run.epoch(epoch, row)
        else:
            self.run.points(epoch, {f"seed_{seed}.{name}": value for name, value in row.items()})

    def seed(self, seed: int, value: float) -> None:
        """The objective with one seed, as the n-th point of one metric."""
        self.run.points(seed, {"seed_value": value})

    def end(self, state: str, value: float | None) -> None:
        """FINISHED, PRUNED (a tag says so), FAILED or KILLED."""
        if value is not None:
            self.run.metrics({"value": value})
        self.run.tag({"aufruf.pruned": str(state == "PRUNED").lower()})
        self.run.end(_STATUS[state])
