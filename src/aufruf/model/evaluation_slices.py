"""How good a model is on parts of the test set: each with its counts, and an interval over the groups in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aufruf.model.evaluation import Interval, Judged, around, draws
from aufruf.model.metrics import Flags, Floats, ratio


@dataclass(frozen=True)
class Slice:
    """The texts with one value of a dimension. A figure is None where it is a ratio of nothing."""

    dimension: str
    value: str
    n: int
    positives: int
    f1: Interval | None
    precision: Interval | None
    recall: Interval | None
    small: bool  # too few texts or positives for its figures to say much


def slices(
    judged: Judged,
    groups: Sequence[str],
    values: Mapping[str, Sequence[str]],
    confidence: float,
    resamples: int,
    seed: int,
    enough: tuple[int, int],
) -> list[Slice]:
    """Each value of each dimension (name -> the value of each row) as a slice, the most texts first.

    ``enough``: texts and positives below which a slice is small. Groups are drawn from the whole set, so that the size
    of a slice varies as it would in another test set; draws that leave a figure undefined are left out of its interval.
    """
    named = [(name, value) for name, of in values.items() for value in _by_size(of)]
    if not named:
        return []
    masks = np.array([np.asarray(values[name], dtype=object) == value for name, value in named], dtype=np.float64).T
    drawn = [_figures(judged, masks, weights) for weights in draws(groups, resamples, seed)]
    once = _figures(judged, masks, np.ones((1, len(judged.truth))))
    return [
        Slice(
            dimension=name,
            value=value,
            n=(n := int(masks[:, at].sum())),
            positives=(positives := int(masks[judged.hits, at].sum())),
            **{
                key: _interval(once[key][0, at], np.concatenate([one[key][:, at] for one in drawn]), confidence)
                for key in ("f1", "precision", "recall")
            },
            small=n < enough[0] or positives < enough[1],
        )
        for at, (name, value) in enumerate(named)
    ]


def _figures(judged: Judged, masks: Floats, weights: Floats) -> dict[str, Floats]:
    """F1, precision and recall of the positive for each draw and slice, (draws, slices); NaN of nothing."""
    said: Flags = judged.predicted[:, judged.positive]
    hits, claims, there = (weights @ (masks * part[:, None]) for part in (judged.hits & said, said, judged.hits))
    return {"f1": ratio(2 * hits, claims + there), "precision": ratio(hits, claims), "recall": ratio(hits, there)}


def _interval(value: float, drawn: Floats, confidence: float) -> Interval | None:
    return None if np.isnan(value) else around(float(value), drawn, confidence)


def _by_size(values: Sequence[str]) -> list[str]:
    names, counts = np.unique(np.asarray(values, dtype=str), return_counts=True)
    return [str(names[at]) for at in sorted(range(len(names)), key=lambda at: (-counts[at], names[at]))]
