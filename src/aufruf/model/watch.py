"""Follows a training epoch by epoch: keeps its history, passes it on, seals its checkpoints, stops it when it fails."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from aufruf.errors import TrainingFailed
from aufruf.model import resume
from aufruf.model.recipe import Recipe

log = logging.getLogger(__name__)
OnEpoch = Callable[[int, dict[str, float]], None]


class Watch:
    """Collects the history, passes each epoch on, and stops a run whose loss is no number or that learns no more.

    ``micro``: texts that go through the model at once. ``before``: seconds that a try before this one took until the
    checkpoint with which this one begins.
    """

    def __init__(self, on_epoch: OnEpoch | None, recipe: Recipe, mark: str, micro: int, before: float) -> None:
        self.on_epoch, self.metric, self.mark, self.micro = on_epoch, recipe.metric, mark, micro
        self.begin = time.perf_counter() - before
        self.planned, self.patience = recipe.epochs, recipe.patience
        self.history: list[dict[str, float]] = []
        self.loss = float("nan")

    @property
    def seconds(self) -> float:
        """What the training has taken so far, without what a killed try did after its last checkpoint."""
        return time.perf_counter() - self.begin

    def log_seen(self, logs: dict[str, float]) -> None:
        if "loss" not in logs:
            return
        self.loss = float(logs["loss"])
        if not np.isfinite(self.loss):
            raise TrainingFailed("the loss is not a number", next="Lower the learning rate.")

    def epoch_done(self, epoch: float, metrics: dict[str, float]) -> None:
        row = {name.removeprefix("eval_"): float(value) for name, value in metrics.items() if name.startswith("eval_")}
        row = {name: value for name, value in row.items() if not name.endswith("_second") and name != "runtime"}
        row = {"epoch": epoch, "train_loss": self.loss, **row}
        if not np.isfinite(row["loss"]):
            raise TrainingFailed("the loss on validation is not a number", next="Lower the learning rate.")
        self.history.append(row)
        said = (epoch, self.planned, self.loss, self.metric, row[self.metric])
        log.info("epoch %g of %d: loss %.3f, validation %s %.3f", *said)
        if self.on_epoch:
            self.on_epoch(len(self.history), row)

    def taken_up(self, logged: list[dict[str, float]]) -> None:
        """Make up for the epochs before a training was killed, from what its checkpoint has logged."""
        on_epoch, self.on_epoch = self.on_epoch, None
        for row in logged:
            self.log_seen(row)
            if f"eval_{self.metric}" in row:
                self.epoch_done(row["epoch"], row)
        self.on_epoch = on_epoch

    def saved(self, folder: Path, step: int, best: int | None) -> None:
        """Seal the checkpoint of a step; only then those go that are neither this one nor the best."""
        if self.mark:
            resume.seal(checkpoint(folder, step), self.mark, {"micro": self.micro, "seconds": self.seconds})
        resume.keep_only(folder, [checkpoint(folder, at) for at in (step, best) if at is not None])

    def callback(self) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if state.best_global_step:  # the home may have lain elsewhere when the checkpoint was written
                    state.best_model_checkpoint = str(checkpoint(Path(args.output_dir), state.best_global_step))
                watch.taken_up(state.log_history)

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                watch.saved(Path(args.output_dir), state.global_step, state.best_global_step)

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                watch.log_seen(logs or {})

            def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
                watch.epoch_done(float(state.epoch), metrics or {})
                if resume.impatient([row[watch.metric] for row in watch.history], watch.planned, watch.patience):
                    control.should_training_stop = True

        return Callback()


def checkpoint(folder: Path, step: int) -> Path:
    """Where transformers writes the checkpoint of a step."""
    return folder / f"checkpoint-{step}"
