"""What a sweep tries next: Optuna's TPE, but never a configuration that the study has tried before."""

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

_DRAWS = 10  # of TPE for one trial, before chance decides among what is left


class Untried(BaseSampler):
    """TPE over a small grid. ``space``: the values of each hyperparameter; ``startup``: trials before TPE begins.

    In a grid of some hundred points TPE repeats itself, and a training that is repeated learns nothing. Each trial
    is drawn with a seed of its own, so that workers side by side do not draw the same, and a repeated search does.
    """

    def __init__(self, space: Mapping[str, Sequence[Any]], seed: int, startup: int) -> None:
        self.space, self.seed, self.startup = space, seed, startup

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return {name: CategoricalDistribution(values) for name, values in self.space.items()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        others = (other for other in study.get_trials(deepcopy=False) if other.number != trial.number)
        tried = {self._point(other.params) for other in others if len(other.params) == len(self.space)}
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
        left = [point for point in points if point not in tried]
        return dict(zip(self.space, random.Random(self.seed + trial.number).choice(left or points), strict=True))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        raise NotImplementedError(f"{param_name} is not in the space")

    def _point(self, params: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(params[name] for name in self.space)
