"""Active learning: how many labels until the same F1, chosen by `aufruf queue` or by chance, on GermEval C2A.

``python -m benchmarks.active_learning [SEEDS]``: a table, and the curves as ``docs/images/active_learning.svg`` with
``--draw``. A simulation: a label is uncovered when a text is chosen. About six minutes of one core.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.data.identity import group_id
from aufruf.model.evaluation import best_threshold
from aufruf.model.teaching import chosen
from aufruf.sections import Teach
from benchmarks.material import comments

START, BATCH, ROUNDS = 200, 100, 14
FARTHER = 18  # rounds by chance, of twice the labels each: as many as it takes to catch up
VALIDATION, TEST = 800, 1600
SEEDS = 8
CHANCE = "by chance"
WAYS: dict[str, Mapping[str, float]] = {
    CHANCE: {"random": 1.0},
    "uncertain only": {"uncertain": 1.0},
    "queue": Teach().mix,
}
_RESAMPLES = 2000
Floats = npt.NDArray[np.float64]


def main(seeds: int = SEEDS, draw: Path | None = None) -> None:
    """Print F1 by number of labels for each way, and how many labels chance needs for the same F1."""
    texts, truth, groups = _material()
    if not texts:
        print("active learning: GermEval C2A is not there")
        return
    features = _features(texts)
    counts, curves = dict[str, npt.NDArray[np.int64]](), dict[str, Floats]()
    for name, mix in WAYS.items():
        batch, rounds = (2 * BATCH, FARTHER) if name == CHANCE else (BATCH, ROUNDS)
        counts[name] = START + batch * np.arange(rounds + 1)
        found = [run(texts, truth, groups, features, mix, seed, batch, rounds) for seed in range(seeds)]
        curves[name] = np.stack(found)
    print(f"active learning on {len(texts):,} comments, {truth.mean():.1%} calls, {seeds} seeds; F1 on {TEST:,} others")
    for name, found in curves.items():
        every = slice(None, None, 1 if name == CHANCE else 2)
        told = "  ".join(f"{n}: {f:.3f}" for n, f in zip(counts[name][every], found.mean(axis=0)[every], strict=True))
        print(f"  {name:15} {told}")
    for name in list(WAYS)[1:]:
        for labels in (600, 1000, 1400):
            print(f"  {_compared(name, labels, curves, counts)}")
    if draw is not None:
        _draw(draw, curves, counts)


def run(
    texts: list[str],
    truth: npt.NDArray[np.bool_],
    groups: list[str],
    features: Any,
    mix: Mapping[str, float],
    seed: int,
    batch: int = BATCH,
    rounds: int = ROUNDS,
) -> Floats:
    """F1 on test texts after each round, (rounds + 1,). The same seed has the same first labels, whatever the mix."""
    order = np.random.default_rng(seed).permutation(len(texts))
    test, validation, pool = order[:TEST], order[TEST : TEST + VALIDATION], order[TEST + VALIDATION :]
    held = {groups[at] for at in (*test, *validation)}
    pool = np.array([at for at in pool if groups[at] not in held])
    labelled, rest, scores = list(pool[:START]), list(pool[START:]), []
    for number in range(rounds + 1):
        model = _fit(features[labelled], truth[labelled])
        threshold = best_threshold(truth[validation], _says(model, features[validation]))
        said = _says(model, features[test]) >= threshold
        scores.append(2 * (said & truth[test]).sum() / max(1, said.sum() + truth[test].sum()))
        odds, open_ = _says(model, features[rest]), [texts[at] for at in rest]
        picks = chosen(odds, threshold, open_, [texts[at] for at in labelled], batch, mix, seed * 100 + number)
        taken = {pick.row for pick in picks}
        labelled += [rest[at] for at in sorted(taken)]
        rest = [one for at, one in enumerate(rest) if at not in taken]
    return np.array(scores)


def _material() -> tuple[list[str], npt.NDArray[np.bool_], list[str]]:
    """Comments that read alike are taken once, as the split ledger's groups would have it."""
    kept: dict[str, tuple[str, bool]] = {}
    for text, call in comments(10**6):
        kept.setdefault(group_id(text), (text, call))
    return [text for text, _ in kept.values()], np.array([call for _, call in kept.values()]), list(kept)


def _features(texts: list[str]) -> Any:
    """The baseline's features. They look at no label, so they are made of all texts, once."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_union

    return make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2, dtype=np.float32),
    ).fit_transform(texts).tocsr()  # fmt: skip


def _fit(features: Any, truth: npt.NDArray[np.bool_]) -> Any:
    from sklearn.linear_model import LogisticRegression

    used = np.unique(features.indices)  # the others have the weight 0 anyway
    model = LogisticRegression(class_weight="balanced", max_iter=1000)
    return model.fit(features[:, used], truth), used


def _says(model: Any, features: Any) -> Floats:
    regression, used = model
    odds: Floats = regression.predict_proba(features[:, used])[:, 1]
    return odds


def _interval(values: Floats) -> tuple[float, float]:
    """The 95 % interval of a mean over seeds (Student's t)."""
    from scipy.stats import t

    half = t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(values.mean() - half), float(values.mean() + half)


def _compared(name: str, labels: int, curves: Mapping[str, Floats], counts: Mapping[str, npt.NDArray[np.int64]]) -> str:
    """How far ahead a way is at so many labels, and where chance is as good; intervals from resampled seeds."""
    mine = curves[name][:, list(counts[name]).index(labels)]
    gain = mine - curves[CHANCE][:, list(counts[CHANCE]).index(labels)]
    low, high = _interval(gain)
    draw, seeds = np.random.default_rng(5460), len(mine)
    drawn = [draw.integers(0, seeds, seeds) for _ in range(_RESAMPLES)]
    needed = [_reached(curves[CHANCE][at].mean(axis=0), counts[CHANCE], float(mine[at].mean())) for at in drawn]
    ends = np.percentile(needed, [2.5, 97.5], method="nearest")
    whole = _reached(curves[CHANCE].mean(axis=0), counts[CHANCE], float(mine.mean()))
    return (
        f"{name}, {labels} labels: F1 {mine.mean():.3f}, {gain.mean():+.3f} [{low:+.3f}, {high:+.3f}] to chance, "
        f"which needs {_count(whole)} [{_count(ends[0])}, {_count(ends[1])}] labels for it"
    )


def _reached(curve: Floats, counts: npt.NDArray[np.int64], target: float) -> float:
    """The labels at which a mean curve comes to the target, between its points in a straight line; inf: never."""
    rising = np.maximum.accumulate(curve)
    at = int(np.searchsorted(rising, target))
    if at == 0:
        return float(counts[0])
    if at == len(rising):
        return np.inf
    part = (target - rising[at - 1]) / (rising[at] - rising[at - 1])
    return float(counts[at - 1] + part * (counts[at] - counts[at - 1]))


def _count(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else f"more than {START + 2 * BATCH * FARTHER}"


def _draw(path: Path, curves: Mapping[str, Floats], counts: Mapping[str, npt.NDArray[np.int64]]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (name, found), colour, style in zip(curves.items(), ("#000000", "#E69F00", "#0072B2"), (":", "--", "-"),
                                            strict=True):  # fmt: skip
        ends = np.array([_interval(one) for one in found.T])
        axes.plot(counts[name], found.mean(axis=0), color=colour, ls=style, label=name)
        axes.fill_between(counts[name], ends[:, 0], ends[:, 1], color=colour, alpha=0.12, lw=0)
    axes.set(xlabel="labels", ylabel="F1 on test", title="GermEval C2A, TF-IDF with logistic regression")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    drawn = Path(__file__).resolve().parents[1] / "docs" / "images" / "active_learning.svg"
    main(numbers[0] if numbers else SEEDS, drawn if "--draw" in sys.argv else None)
