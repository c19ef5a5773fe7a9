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
VALIDATION, TEST = 800, 1600
SEEDS = 8
WAYS: dict[str, Mapping[str, float]] = {
    "by chance": {"random": 1.0},
    "uncertain only": {"uncertain": 1.0},
    "queue": Teach().mix,
}
Floats = npt.NDArray[np.float64]


def main(seeds: int = SEEDS, draw: Path | None = None) -> None:
    """Print F1 by number of labels for each way, and where the queue is as good as chance is at the end."""
    texts, truth, groups = _material()
    if not texts:
        print("active learning: GermEval C2A is not there")
        return
    features = _features(texts)
    curves = {name: np.stack([run(texts, truth, groups, features, mix, seed) for seed in range(seeds)])
              for name, mix in WAYS.items()}  # fmt: skip
    counts = START + BATCH * np.arange(ROUNDS + 1)
    print(f"active learning on {len(texts):,} comments, {truth.mean():.1%} calls, {seeds} seeds; F1 on {TEST:,} others")
    for name, found in curves.items():
        row = "  ".join(f"{n}: {f.mean():.3f}" for n, f in list(zip(counts, found.T, strict=True))[::2])
        print(f"  {name:15} {row}")
    for name in list(WAYS)[1:]:
        gain = curves[name] - curves["by chance"]
        told = "  ".join(
            f"{n}: {g.mean():+.3f} [{low:+.3f}, {high:+.3f}]"
            for n, g, (low, high) in list(zip(counts, gain.T, map(_interval, gain.T), strict=True))[2::4]
        )
        print(f"  {name} - by chance, paired over seeds: {told}")
        for target in (0.40, 0.45):
            print(f"  {_needed(name, curves, counts, target)}")
    if draw is not None:
        _draw(draw, curves, counts)


def run(
    texts: list[str],
    truth: npt.NDArray[np.bool_],
    groups: list[str],
    features: Any,
    mix: Mapping[str, float],
    seed: int,
) -> Floats:
    """F1 on test texts after each round, (rounds + 1,). The same seed has the same first labels, whatever the mix."""
    order = np.random.default_rng(seed).permutation(len(texts))
    test, validation, pool = order[:TEST], order[TEST : TEST + VALIDATION], order[TEST + VALIDATION :]
    held = {groups[at] for at in (*test, *validation)}
    pool = np.array([at for at in pool if groups[at] not in held])
    labelled, rest, scores = list(pool[:START]), list(pool[START:]), []
    for number in range(ROUNDS + 1):
        model = _fit(features[labelled], truth[labelled])
        threshold = best_threshold(truth[validation], _says(model, features[validation]))
        said = _says(model, features[test]) >= threshold
        scores.append(2 * (said & truth[test]).sum() / max(1, said.sum() + truth[test].sum()))
        odds, open_ = _says(model, features[rest]), [texts[at] for at in rest]
        picks = chosen(odds, threshold, open_, [texts[at] for at in labelled], BATCH, mix, seed * 100 + number)
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


def _needed(name: str, curves: Mapping[str, Floats], counts: npt.NDArray[np.int64], target: float) -> str:
    """Labels until F1 reaches the target and stays there, the mean curve."""

    def first(curve: Floats) -> float:
        below = np.flatnonzero(curve < target)
        after = int(below[-1]) + 1 if len(below) else 0
        return float(counts[after]) if after < len(counts) else np.inf

    pairs = [(first(a), first(b)) for a, b in zip(curves[name], curves["by chance"], strict=True)]
    mine, chance = (float(np.median([pair[at] for pair in pairs])) for at in (0, 1))
    spread = [np.percentile([pair[at] for pair in pairs], [25, 75], method="nearest") for at in (0, 1)]
    return (
        f"F1 {target:.2f}: {name} {_count(mine)} labels (quartiles {_count(spread[0][0])}-{_count(spread[0][1])}), "
        f"by chance {_count(chance)} ({_count(spread[1][0])}-{_count(spread[1][1])})"
    )


def _count(value: float) -> str:
    return f"{value:.0f}" if np.isfinite(value) else f"more than {START + BATCH * ROUNDS}"


def _draw(path: Path, curves: Mapping[str, Floats], counts: npt.NDArray[np.int64]) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for (name, found), colour, style in zip(curves.items(), ("#000000", "#E69F00", "#0072B2"), (":", "--", "-"),
                                            strict=True):  # fmt: skip
        ends = np.array([_interval(one) for one in found.T])
        axes.plot(counts, found.mean(axis=0), color=colour, ls=style, label=name)
        axes.fill_between(counts, ends[:, 0], ends[:, 1], color=colour, alpha=0.12, lw=0)
    axes.set(xlabel="labels", ylabel="F1 on test", title="GermEval C2A, TF-IDF with logistic regression")
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path)


if __name__ == "__main__":
    numbers = [int(one) for one in sys.argv[1:] if one.isdecimal()]
    drawn = Path(__file__).resolve().parents[1] / "docs" / "images" / "active_learning.svg"
    main(numbers[0] if numbers else SEEDS, drawn if "--draw" in sys.argv else None)
