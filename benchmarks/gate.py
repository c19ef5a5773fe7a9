"""The gate over a year of nights, simulated: how often a new model is promoted, and how good the champion then is.

``python -m benchmarks.gate [worlds]`` prints the tables of docs/gate.md and draws docs/images/gate.png. Everything is
drawn from one seed, so the tables come out the same again.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from aufruf.model import evaluation
from aufruf.release.promotion import Evidence, Rule, judge

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

NIGHTS, WORLDS, SIZES = 365, 100, (300, 1400)
CALLS = 0.3  # share of the test rows with the label
START = 0.80  # true F1 of the first champion
ALIKE = 0.58  # correlation of two models' errors on the same rows: the mean that benchmarks/seeds.py measured
SPREAD = 0.015  # standard deviation of the true F1 of the nights that "seeds differ"
RULE = Rule(margin=0.02, beat_baseline=False, mode="auto", confidence=0.95)  # the defaults of [gate]
Z = float(ndtri(0.5 + RULE.confidence / 2))
RULES = ("new > old", "interval and margin", "our gate")
IMAGE = Path(__file__).resolve().parents[1] / "docs" / "images" / "gate.png"


@dataclass(frozen=True)
class Story:
    """What the nights bring: the true F1 of the challenger of a night, for each world."""

    name: str
    true: Callable[[int, np.random.Generator, int], Floats]  # night (from 1), random numbers, worlds


STORIES = (
    Story("equal", lambda night, random, worlds: np.full(worlds, START)),
    Story("3 points worse", lambda night, random, worlds: np.full(worlds, START - 0.03)),
    Story("5 points better", lambda night, random, worlds: np.full(worlds, START + 0.05)),
    Story("5 points better from night 183 on", lambda night, *of: np.full(of[1], START + 0.05 * (night >= 183))),
    Story("seeds differ", lambda night, random, worlds: START + SPREAD * random.standard_normal(worlds)),
)


@dataclass
class Reign:
    """The champions of one rule, one a world: what they say of the test rows, how good they are, when they came."""

    positive: Flags  # (worlds, rows with the label): said to have it
    negative: Flags  # (worlds, rows without)
    true: Floats
    promoted: Flags  # (nights, worlds)
    course: Floats  # (nights,): mean true F1


class Rows:
    """The test rows of all worlds: how hard each text is, which all models share."""

    def __init__(self, random: np.random.Generator, worlds: int, rows: int, part: float) -> None:
        """``part``: share of the variance of a model's score that is the text's and not the model's."""
        calls = round(rows * CALLS)
        self.own = np.sqrt(1 - part)
        shapes = ((worlds, calls), (worlds, rows - calls))
        self.hard = [(np.sqrt(part) / self.own * random.standard_normal(shape)).astype(np.float32) for shape in shapes]

    def said(self, true: Floats, random: np.random.Generator) -> tuple[Flags, Flags]:
        """A model's answers: recall and precision are both its true F1."""
        parts = []
        for hard, share in zip(self.hard, (true, (1 - true) * CALLS / (1 - CALLS)), strict=True):
            own = random.standard_normal(hard.shape, dtype=np.float32)
            parts.append(own + hard > (-ndtri(share) / self.own).astype(np.float32)[:, None])
        return parts[0], parts[1]


def main(worlds: int = WORLDS) -> None:
    """Print a row for each size, story and rule, and draw the course of the year."""
    start, courses = time.perf_counter(), {}
    print(f"{worlds} years of {NIGHTS} nights; errors of two models correlate by {ALIKE}")
    print(f"the bootstrap's interval and the one used here differ by {_checked():.2f} points at most")
    print(
        "| test rows | challengers | rule | promotions a year | years with one | by night 7 | ends worse "
        "| true F1 at the end |"
    )
    print("| --- " * 8 + "|")
    for rows in SIZES:
        for story in STORIES:
            for rule, reign in year(story, rows, worlds).items():
                courses[rows, story.name, rule] = reign.course
                print(_row(rows, story.name, rule, reign), flush=True)
    _draw(courses)
    print("| test rows | challengers | better on the sample | our gate |")
    print("| --- " * 4 + "|")
    for rows in SIZES:
        for story in STORIES[:3]:
            print(
                f"| {rows:,} | {story.name} | " + " | ".join(f"{one:.0%}" for one in first(story, rows, worlds)) + " |"
            )
    print(f"{time.perf_counter() - start:.0f} s")


def year(story: Story, rows: int, worlds: int, seed: int = 5460) -> dict[str, Reign]:
    """The same challengers before each rule; a world is a test set and its 365 challengers."""
    random = np.random.default_rng([seed, rows])
    hard = Rows(random, worlds, rows, shared())
    first = np.full(worlds, START)
    said = hard.said(first, random)
    reigns = {
        rule: Reign(*(part.copy() for part in said), first.copy(), np.zeros((NIGHTS, worlds), bool), np.zeros(NIGHTS))
        for rule in RULES
    }
    for night in range(1, NIGHTS + 1):
        true = story.true(night, random, worlds)
        new = hard.said(true, random)
        for rule, reign in reigns.items():
            taken = _taken(rule, *differences(new, (reign.positive, reign.negative)), night)
            reign.promoted[night - 1] = taken
            reign.positive[taken], reign.negative[taken] = new[0][taken], new[1][taken]
            reign.true = np.where(taken, true, reign.true)
            reign.course[night - 1] = reign.true.mean()
    return reigns


def first(story: Story, rows: int, worlds: int, nights: int = 60, seed: int = 5460) -> tuple[float, float]:
    """The share of worlds in which one of the nights makes a first champion, the baseline's true F1 being START: where
    the better on the sample is taken, and by our gate."""
    random = np.random.default_rng([seed, rows, nights])
    hard = Rows(random, worlds, rows, shared())
    baseline, rule = hard.said(np.full(worlds, START), random), replace(RULE, beat_baseline=True)
    ahead, taken = np.zeros(worlds, bool), np.zeros(worlds, bool)
    for night in range(1, nights + 1):
        value, error = differences(hard.said(story.true(night, random, worlds), random), baseline)
        ahead |= value > 0
        for at, (v, half) in enumerate(zip(value.tolist(), (Z * error).tolist(), strict=True)):
            lead = (v, v - half, v + half)
            evidence = Evidence("f1", "new", None, START + v, START, None, looks=night, over_baseline=lead)
            taken[at] |= judge(evidence, rule).verdict == "first"
    return float(ahead.mean()), float(taken.mean())


def differences(new: tuple[Flags, Flags], old: tuple[Flags, Flags]) -> tuple[Floats, Floats]:
    """F1 of new minus old, and its standard error, for each world: the infinitesimal jackknife, rows paired.

    Efron 1982, The Jackknife, the Bootstrap and Other Resampling Plans, chapter 6.
    """
    rows = new[0].shape[1] + new[1].shape[1]
    f1, both = [], []
    for hits, claims in (new, old):
        right = hits.sum(axis=1)
        both.append(right + claims.sum(axis=1) + hits.shape[1])
        f1.append(2 * right / both[-1])
    total = np.zeros(len(f1[0]))
    for part, label in ((0, 1), (1, 0)):
        a, b = new[part], old[part]
        both_say, new_says, old_says = (np.count_nonzero(one, axis=1) for one in (a & b, a, b))
        neither = a.shape[1] - new_says - old_says + both_say
        cells = {(1, 1): both_say, (1, 0): new_says - both_say, (0, 1): old_says - both_say, (0, 0): neither}
        for said, count in cells.items():
            pull = [(2 * label * x - f * (label + x)) / whole for x, f, whole in zip(said, f1, both, strict=True)]
            total += count * (pull[0] - pull[1]) ** 2
    return f1[0] - f1[1], np.sqrt(total * rows / (rows - 1))


def _taken(rule: str, value: Floats, error: Floats, night: int) -> Flags:
    if rule == "new > old":
        return value > 0
    if rule == "interval and margin":
        return (value > 0) & (value - Z * error >= -RULE.margin)
    return np.array([_judged(float(v), Z * float(e), night) for v, e in zip(value, error, strict=True)])


def _judged(value: float, half: float, night: int) -> bool:
    evidence = Evidence("f1", "new", "old", 0.0, 0.0, None, (value, value - half, value + half), looks=night)
    return judge(evidence, RULE).verdict == "promoted"


def shared(alike: float = ALIKE) -> float:
    """How much of a score must be the text's for errors to correlate so: bisection over Gauss-Hermite sums."""
    at, weight = np.polynomial.hermite_e.hermegauss(200)
    weight = weight / weight.sum()
    wrong = {1: 1 - START, 0: (1 - START) * CALLS / (1 - CALLS)}
    of = {1: CALLS, 0: 1 - CALLS}
    rate = sum(of[label] * wrong[label] for label in (0, 1))

    def correlation(part: float) -> float:
        both = 0.0
        for label in (0, 1):
            one = ndtr((ndtri(wrong[label]) - np.sqrt(part) * at) / np.sqrt(1 - part))
            both += of[label] * float(weight @ one**2)
        return (both - rate**2) / (rate * (1 - rate))

    low, high = 0.0, 0.999
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if correlation(middle) < alike else (low, middle)
    return (low + high) / 2


def _checked(pairs: int = 12, rows: int = 300) -> float:
    """The largest difference in points between an end of the real paired bootstrap's interval and of ours."""
    random, calls = np.random.default_rng(1), round(rows * CALLS)
    hard = Rows(random, pairs, rows, shared())
    new, old = (hard.said(np.full(pairs, true), random) for true in (START + 0.02, START))
    value, error = differences(new, old)
    truth = np.arange(rows) < calls
    worst = 0.0
    for at in range(pairs):
        two = [_as_judged(truth, np.concatenate([said[0][at], said[1][at]])) for said in (new, old)]
        found = evaluation.difference(*two, [str(n) for n in range(rows)], "f1", RULE.confidence, 2000, at)
        assert abs(found.value - value[at]) < 1e-9
        ends = (found.low - (value[at] - Z * error[at]), found.high - (value[at] + Z * error[at]))
        worst = max(worst, *(100 * abs(float(end)) for end in ends))
    return worst


def _as_judged(truth: Flags, said: Flags) -> evaluation.Judged:
    both = [np.stack([~part, part], axis=1) for part in (truth, said)]
    return evaluation.Judged(both[0], both[1], said.astype(np.float64), 1)


def _row(rows: int, story: str, rule: str, reign: Reign) -> str:
    ever, week = reign.promoted.any(axis=0), reign.promoted[:7].any(axis=0)
    end = 100 * reign.true
    return (
        f"| {rows:,} | {story} | {rule} | {reign.promoted.sum(axis=0).mean():.1f} | {ever.mean():.0%} "
        f"| {week.mean():.0%} | {(end < 100 * START - 1).mean():.0%} | {end.mean():.1f} |"
    )


def _draw(courses: dict[tuple[int, str, str], Floats]) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(len(SIZES), len(STORIES), figsize=(15, 5.2), sharex=True, sharey=True)
    for row, rows in enumerate(SIZES):
        for axis, story in zip(axes[row], STORIES, strict=True):
            for rule, style in zip(RULES, (":", "--", "-"), strict=True):
                axis.plot(range(1, NIGHTS + 1), 100 * courses[rows, story.name, rule], style, label=rule)
            axis.set_title(f"{story.name}\n{rows:,} test rows", fontsize=9)
            axis.grid(alpha=0.3)
    for axis in axes[:, 0]:
        axis.set_ylabel("true F1 of the champion")
    for axis in axes[-1]:
        axis.set_xlabel("night")
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(IMAGE, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
