"""From the share that a classifier labels positive to the share that is: corrected for its errors, with intervals.

Assumed throughout: the classifier errs as often on the texts that are counted as it did on the test texts. Texts of one
account are alike, so intervals are those of as many independent texts as they are worth (``clusters``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, sqrt
from statistics import NormalDist

from aufruf.reports.clusters import Spread
from aufruf.reports.intervals import Interval, wilson

_ENOUGH = 5  # test texts of either side below which an error rate says nothing
_BETTER = 0.05  # by which sensitivity and specificity must sum to more than 1: shares are divided by it


@dataclass(frozen=True)
class Errors:
    """What the test set says of a classifier's errors: positives found of those there are, negatives left alone.

    The totals may be smaller than the numbers of texts, and broken: texts of one group count once together.
    """

    found: float  # of ``positives``
    positives: float
    spared: float  # of ``negatives``
    negatives: float

    @property
    def sensitivity(self) -> Interval:
        return _share(self.found, self.positives)

    @property
    def specificity(self) -> Interval:
        return _share(self.spared, self.negatives)

    @property
    def usable(self) -> bool:
        """Whether shares can be corrected: both sides were tested, and the classifier is better than chance."""
        if min(self.positives, self.negatives) < _ENOUGH:
            return False
        shrunk = (self.found + 1) / (self.positives + 2) + (self.spared + 1) / (self.negatives + 2)
        return min(shrunk, self.found / self.positives + self.spared / self.negatives) > 1 + _BETTER


@dataclass(frozen=True)
class Share:
    """Of one slice: texts, those labelled positive, their raw share, and the corrected one where there is one."""

    name: str | None  # None: not stated
    texts: int
    calls: int
    raw: Interval
    corrected: Interval | None
    spread: Spread = field(default_factory=Spread)
    beyond: int = 0  # 1: more calls than any share explains by the rates as tested; -1: fewer

    @property
    def held(self) -> bool:
        """Whether the corrected share is none that was computed, but the bound that it was held at."""
        return self.corrected is not None and self.beyond != 0

    @property
    def misfit(self) -> str | None:
        """Why a corrected share is held at 0 or 1, or why there is none though the rates are known."""
        if self.beyond:
            return f"the model labels {'more' if self.beyond > 0 else 'fewer'} than its tested error rates explain"
        return None

    @property
    def design_effect(self) -> float:
        """Texts for each independent one that they are worth in a 95 % interval; 1 where they are independent."""
        return self.texts / self.spread.worth(self.texts) if self.texts else 1.0


@dataclass(frozen=True)
class Contrast:
    """Two slices, and the corrected share of the first minus that of the second."""

    one: str
    other: str
    difference: Interval

    @property
    def within_error(self) -> bool:
        """Whether the classifier's errors and chance can make the difference by themselves."""
        return self.difference.low <= 0 <= self.difference.high


@dataclass(frozen=True)
class Prevalence:
    """Shares of positives, in all and by slice."""

    errors: Errors
    whole: Share
    slices: dict[str, list[Share]]  # party, text type, post type, week (2025-W09)
    contrasts: list[Contrast]  # of parties, each pair
    dealt: float | None = None  # share of the posts that are counted: those that no model learns from
    left_out: dict[str, int] = field(default_factory=dict)  # by slice: how many shares more there are than are told

    @property
    def not_compared(self) -> list[str]:
        """Parties for which no share could explain what the classifier says of their texts."""
        parties = self.slices["party"] if self.errors.usable else []
        return [one.name for one in parties if one.name and not one.corrected]


def share(
    name: str | None, calls: int, texts: int, errors: Errors, confidence: float = 0.95, spread: Spread | None = None
) -> Share:
    """The raw share with its Wilson interval, and the corrected one; ``spread``: of the share from account to account.

    Both intervals are those of as many independent texts as these are worth.
    """
    spread = spread or Spread()
    known = errors.usable and texts > 0
    corrected = correct(calls, texts, errors, confidence, spread) if known else None
    beyond = _beyond(_point(calls, texts, errors)) if known else 0
    return Share(name, texts, calls, raw(calls, texts, spread, confidence), corrected, spread, beyond)


def raw(calls: int, texts: int, spread: Spread, confidence: float = 0.95) -> Interval:
    """The share of ``calls``, with the Wilson interval of what its texts are worth. Raises ValueError for more calls
    than texts."""
    if not 0 <= calls <= texts:
        raise ValueError(f"{calls} calls of {texts} texts")
    worth = spread.worth(texts, confidence)
    return Interval(calls / texts if texts else 0.0, *wilson(_part(calls, texts, worth), worth, confidence))


def correct(
    calls: int, texts: int, errors: Errors, confidence: float = 0.95, spread: Spread | None = None
) -> Interval | None:
    """The share of positives behind ``calls`` of ``texts`` labelled positive.

    The value: Rogan and Gladen (1978), American Journal of Epidemiology 107, 71-76, held within 0..1. The interval:
    Lang and Reiczigel (2014), Preventive Veterinary Medicine 113, 13-22, a delta method on counts that are moved
    towards a half, which takes in the uncertainty of sensitivity and specificity. Where the value is held, the interval
    reaches at least as far into 0..1 from there as it would from the value: cut off, it would be the narrower the worse
    the rates fit. None where all of it lies outside, so no share explains the calls: the classifier then errs otherwise
    on these texts than it did on the test's. Needs ``errors.usable``.
    """
    value = _point(calls, texts, errors)
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    worth = (spread or Spread()).worth(texts, confidence)
    n, positives, negatives = worth + z**2, errors.positives + 2, errors.negatives + 2
    p, se, sp = (
        (_part(calls, texts, worth) + z**2 / 2) / n,
        (errors.found + 1) / positives,
        (errors.spared + 1) / negatives,
    )
    centre, youden = _rogan_gladen(p, se, sp), se + sp - 1
    of_se, of_sp = se * (1 - se) / positives, sp * (1 - sp) / negatives
    shift = 2 * z**2 * (centre * of_se - (1 - centre) * of_sp)
    half = z * sqrt(p * (1 - p) / n + of_se * centre**2 + of_sp * (1 - centre) ** 2) / youden
    low, high = centre + shift - half, centre + shift + half
    if high < 0 or low > 1:
        return None
    low, high = (min(low, 1 - half) if value > 1 else low), (max(high, half) if value < 0 else high)
    value, low, high = (min(max(one, 0.0), 1.0) for one in (value, low, high))
    return Interval(value, min(low, value), max(high, value))


def contrasts(shares: Sequence[Share], errors: Errors, confidence: float = 0.95) -> list[Contrast]:
    """Each pair of named slices, the larger corrected share first; all of them right together with ``confidence``.

    The interval of a difference is made of the two shares' own (MOVER: Zou and Donner 2008, Statistics in Medicine 27,
    1693-1702). Each share brings the whole uncertainty of the error rates: the classifier may be wrong
    about one party as often as the test set leaves open, and about another less. Bonferroni for the number of pairs.
    """
    named = sorted((one for one in shares if one.name and one.corrected), key=lambda one: -_value(one))
    pairs = comb(len(named), 2)
    told = [_told_of(one, errors, 1 - (1 - confidence) / pairs) for one in named] if pairs else []
    return [_contrast(*pair) for pair in combinations([one for one in told if one is not None], 2)]


def _told_of(one: Share, errors: Errors, confidence: float) -> tuple[str, Interval] | None:
    found = correct(one.calls, one.texts, errors, confidence, one.spread)
    return None if found is None else (str(one.name), found)


def _contrast(one: tuple[str, Interval], other: tuple[str, Interval]) -> Contrast:
    (name, a), (other_name, b) = one, other
    value = a.value - b.value
    low = value - sqrt((a.value - a.low) ** 2 + (b.high - b.value) ** 2)
    high = value + sqrt((a.high - a.value) ** 2 + (b.value - b.low) ** 2)
    return Contrast(name, other_name, Interval(value, low, high))


def _point(calls: int, texts: int, errors: Errors) -> float:
    """The corrected share, wherever it lies."""
    return _rogan_gladen(calls / texts, errors.found / errors.positives, errors.spared / errors.negatives)


def _beyond(value: float) -> int:
    return (value > 1) - (value < 0)


def _rogan_gladen(share: float, sensitivity: float, specificity: float) -> float:
    return (share + specificity - 1) / (sensitivity + specificity - 1)


def _part(calls: int, texts: int, worth: float) -> float:
    """Calls among the independent texts."""
    return min(worth, calls * (worth / texts)) if texts else 0.0


def _value(one: Share) -> float:
    return one.corrected.value if one.corrected else 0.0


def _share(part: float, of: float) -> Interval:
    """With its Wilson interval; texts that count in part are rounded down to whole ones."""
    n = int(of)
    return Interval(part / of if of else 0.0, *wilson(min(n, round(part / of * n)) if n else 0, n))
