"""Sweeps: the epochs that ours and a random search spend until they reach the same F1.

Both are run many times over a table of measured trainings (``benchmarks.sweep_table`` makes it): a single sweep says
little, because luck decides it. What is replayed is the learning curve of each configuration, epoch by epoch.

The bound: a search without a pruner that is told a configuration's value after its first epochs, and stops there if it
is not better than all before. A pruner that waits for as many epochs knows less, so with this sampler it is not to be
expected to need fewer.

The next night: the same search on the data of a later night, which begins with the best of the night before.
"""

import json
import logging
import random
import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aufruf.classifier import Sweep
from aufruf.model.resume import impatient
from aufruf.model.studies import Studies
from aufruf.model.sweep import SPACE, OnEpoch, Search

_TABLE = Path(__file__).with_name("sweep_table.json")
_GROWN = _TABLE.with_stem("sweep_table_grown")  # on the data of a later night
_PATIENCE = 3  # of the recipe's early stopping, which both have
Curves = Mapping[tuple[float, ...], list[float]]
Spent = list[tuple[int, float]]  # after each trial: epochs so far, best value so far


def main(trials: int = 20, repeats: int = 100) -> None:
    """Print the epochs of both and their ratio: for each pruner, and for the bounds."""
    logging.getLogger("aufruf").setLevel(logging.ERROR)
    if not _TABLE.exists():
        print(f"sweep: {_TABLE.name} is not there, not measured; `python -m benchmarks.sweep_table FOLDER` makes it")
        return
    curves = _read(_TABLE)
    goal, spent = _random_search(curves, trials, repeats)
    ways: list[tuple[str, Any, int | None]] = [(f"the {name} pruner", name, None) for name in ("median", "halving")]
    ways += [("no pruner", "none", None)]
    ways += [(f"no pruner, told the value after epoch {known} (bound)", "none", known) for known in (1, 2, 3)]
    for name, pruner, known in ways:
        _tell(name, goal, spent, [_ours([curves], trials, seed, pruner, known) for seed in range(repeats)])
    if not _GROWN.exists():
        return
    grown = _read(_GROWN)
    goal, spent = _random_search(grown, trials, repeats)
    for name, nights in (("a first night", [grown]), ("the next night", [curves, grown])):
        _tell(f"the median pruner, {name}", goal, spent, [_ours(nights, trials, seed) for seed in range(repeats)])


def _read(table: Path) -> Curves:
    return {tuple(row["config"]): row["macro_f1"] for row in json.loads(table.read_text("utf-8"))}


def _random_search(curves: Curves, trials: int, repeats: int) -> tuple[float, float]:
    """What it reaches, and the epochs that it spends."""
    runs = [_random(curves, trials, seed) for seed in range(repeats)]
    goal, spent = (statistics.fmean(run[-1][at] for run in runs) for at in (1, 0))
    best = max(max(_until_stopped(curve)) for curve in curves.values())
    print(
        f"sweep: {trials} random trials reach macro-F1 {goal:.3f} (the best of all {len(curves)}: {best:.3f}) "
        f"in {spent:.0f} epochs; {repeats} times each"
    )
    return goal, spent


def _tell(name: str, goal: float, spent: float, ours: list[Spent]) -> None:
    needed = _epochs_to(goal, ours)
    print(
        f"sweep: TPE with {name} reaches it in {needed or 'more'} epochs"
        + (f", {needed / spent:.0%} of them" if needed else "")
        + f"; after {len(ours[0])} trials {statistics.fmean(run[-1][1] for run in ours):.3f}"
        + f" in {statistics.fmean(run[-1][0] for run in ours):.0f} epochs"
    )


def _replayed(curves: Curves, spent: Callable[[], None], known: int | None = None) -> Callable[..., float]:
    """A training that takes a configuration's values from the table; ``spent`` is called for each epoch.

    ``known``: the epoch after which its value is known, so that only what is better than all before goes on.
    """
    record = 0.0

    def train(params: Mapping[str, Any], folder: Path, on_epoch: OnEpoch) -> float:
        nonlocal record
        curve = _until_stopped(curves[tuple(params[name] for name in SPACE)])
        for epoch, value in enumerate(curve, 1):
            spent()
            on_epoch(epoch, {"macro_f1": value})
            if epoch == known and max(curve) <= record:
                break
        record = max(record, *curve)
        return max(curve)

    return train


def _until_stopped(curve: list[float]) -> list[float]:
    """The epochs that early stopping lets happen."""
    stops = (epoch for epoch in range(1, len(curve)) if impatient(curve[:epoch], len(curve), _PATIENCE))
    return curve[: next(stops, len(curve))]


def _random(curves: Curves, trials: int, seed: int) -> Spent:
    """A search that draws each configuration anew and trains it to its end."""
    draw, epochs, best, run = random.Random(seed), 0, 0.0, Spent()

    def spent() -> None:
        nonlocal epochs
        epochs += 1

    train = _replayed(curves, spent)
    for _ in range(trials):
        config = draw.choice(list(curves))
        best = max(best, train(dict(zip(SPACE, config, strict=True)), Path(), lambda *_: None))
        run.append((epochs, best))
    return run


def _ours(nights: Sequence[Curves], trials: int, seed: int, pruner: Any = "median", known: int | None = None) -> Spent:
    """The last night's search of ``aufruf sweep``. ``known``: see ``_replayed``."""
    epochs, run = 0, Spent()

    def spent() -> None:
        nonlocal epochs
        epochs += 1

    with tempfile.TemporaryDirectory(prefix="aufruf-bench-") as folder:
        home = Path(folder)
        sweep = Sweep(trials=trials, pruner=pruner, seed=seed)
        for night, curves in enumerate(nights):
            epochs, run = 0, Spent()
            search = Search(Studies(home), f"bench-search-{night}", sweep, "macro_f1", [seed], home / "runs")
            search.begin(trials)
            train = _replayed(curves, spent, known)
            while taken := search.take(_Nobody()):
                search.run(taken, train, _Nobody())
                values = [
                    trial.value
                    for trial in search.study.trials
                    if trial.value is not None and trial.state.name == "COMPLETE"
                ]
                run.append((epochs, max(values, default=0.0)))
    return run


def _epochs_to(goal: float, runs: list[Spent]) -> int | None:
    """Epochs after which the mean of the runs' best values is the goal; None when it never is."""
    for epochs in range(1, max(run[-1][0] for run in runs) + 1):
        if statistics.fmean(max((v for e, v in run if e <= epochs), default=0.0) for run in runs) >= goal:
            return epochs
    return None


class _Nobody:
    """Who is told of the trials, and of each epoch: nobody."""

    def trial(self, number: int, params: Mapping[str, Any], folder: Path) -> "_Nobody":
        return self

    def lost(self, number: int) -> None: ...
    def epoch(self, seed: int, epoch: int, row: Mapping[str, float]) -> None: ...
    def seed(self, seed: int, value: float) -> None: ...
    def end(self, state: str, value: float | None) -> None: ...


if __name__ == "__main__":
    main()
