"""What a sweep tries next: Optuna's TPE, but no configuration that the study has tried before."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from aufruf.model.found import is_fault

_DRAWS = 10  # of TPE for one trial, before chance decides among what is left


class Untried(BaseSampler):
    """TPE over a small grid. ``space``: the values of each hyperparameter; ``startup``: trials before TPE begins.

    In a grid of some hundred points TPE repeats itself, and a training that is repeated learns nothing. Each trial
    is drawn with a seed of its own, so that workers side by side do not draw the same, and a repeated search does.
    Where all have been tried, those come again that a fault has ended.
    """

    def __init__(self, space: Mapping[str, Sequence[Any]], seed: int, startup: int) -> None:
        self.space, self.seed, self.startup = space, seed, startup

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: CategoricalDistribution(values) for name, values in self.space.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        others = [other for other in study.get_trials(deepcopy=False) if len(other.params) == len(self.space)]
        tried = {self._point(other.params) for other in others if other.number != trial.number}
        tpe = TPESampler(
            seed=self.seed + trial.number, n_startup_trials=self.startup, multivariate=True, constant_liar=True
        )
        several = {name: values for name, values in search_space.items() if not values.single()}
        single = {name: values[0] for name, values in self.space.items() if name not in several}
        for _ in range(_DRAWS):
            drawn = tpe.sample_relative(study, trial, several)
            if not drawn:
                break
            if self._point(drawn | single) not in tried:
                return drawn | single
        points = list(itertools.product(*self.space.values()))
        known = {self._point(other.params) for other in others if other.number != trial.number and not is_fault(other)}
        left = next(filter(None, ([p for p in points if p not in seen] for seen in (tried, known, ()))))
        return dict(zip(self.space, random.Random(self.seed + trial.number).choice(left), strict=True))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise NotImplementedError(f"{param_name} is not in the space")

    def _point(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(params[name] for name in self.space)
