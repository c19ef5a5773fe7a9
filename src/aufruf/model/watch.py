"""Follows a training epoch by epoch: keeps its history, passes it on, seals its checkpoints, stops it when it fails."""

import logging
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
    """Collects the history, passes each epoch on, and stops a run whose loss is no number or that learns no more."""

    def __init__(self, on_epoch: OnEpoch | None, recipe: Recipe, mark: str) -> None:
        self.on_epoch, self.metric, self.mark = on_epoch, recipe.metric, mark
        self.planned, self.patience = recipe.epochs, recipe.patience
        self.history: list[dict[str, float]] = []
        self.epochs = 0  # of this process
        self.loss = float("nan")

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
        self.history.append(row)
        self.epochs += 1
        log.info("epoch %g: loss %.3f, validation %s %.3f", epoch, self.loss, self.metric, row[self.metric])
        if self.on_epoch:
            self.on_epoch(len(self.history), row)

    def taken_up(self, logged: list[dict[str, float]]) -> None:
        """Make up for the epochs before a training was killed, from what its checkpoint has logged."""
        on_epoch, self.on_epoch = self.on_epoch, None
        for row in logged:
            self.log_seen(row)
            if f"eval_{self.metric}" in row:
                self.epoch_done(row["epoch"], row)
        self.on_epoch, self.epochs = on_epoch, 0

    def callback(self) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                watch.taken_up(state.log_history)

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if watch.mark:
                    resume.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", watch.mark)

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                watch.log_seen(logs or {})

            def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
                watch.epoch_done(float(state.epoch), metrics or {})
                if resume.impatient([row[watch.metric] for row in watch.history], watch.planned, watch.patience):
                    control.should_training_stop = True

        return Callback()
