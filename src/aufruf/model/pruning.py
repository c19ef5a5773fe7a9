"""When a trial is given up before its end: rules that ``[sweep] pruner`` names."""

import statistics

import optuna
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial

from aufruf.model.found import finished

OTHERS = 3  # trials to compare with before one is pruned


class Halfway(BasePruner):
    """Prunes what is worse than half of the finished trials, at the same share of each one's own epochs.

    The learning rate falls to nothing over a trial's epochs, so epoch 4 of 4 and epoch 4 of 8 are not alike. Before
    half of its epochs a trial has said little, and at its last one there is nothing left to save.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        step, epochs = trial.last_step, trial.params["epochs"]
        if step is None or not epochs <= 2 * step < 2 * epochs:
            return False
        others = [_best(one, step, epochs) for one in finished(study) if one.intermediate_values]
        return len(others) >= OTHERS and _best(trial, step, epochs) < statistics.median(others)


def pruner(kind: str) -> BasePruner:
    """``median``: ``Halfway``. ``halving``: not among the better half at epochs 2, 4, 8. ``none``: never."""
    if kind == "median":
        return Halfway()
    if kind == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=2)
    return optuna.pruners.NopPruner()


def _best(trial: FrozenTrial, step: int, epochs: int) -> float:
    """The best value that a trial had in as large a share of its epochs as ``step`` is of ``epochs``."""
    until = max(min(trial.intermediate_values), step * trial.params["epochs"] // epochs)
    return max(value for at, value in trial.intermediate_values.items() if at <= until)
