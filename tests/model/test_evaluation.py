"""Metrics equal scikit-learn's; intervals and differences behave as a paired bootstrap over groups must."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, precision_score, recall_score

from aufruf.model.evaluation import (
    METRICS,
    Judged,
    _draws,
    best_threshold,
    decide,
    difference,
    f1_by_label,
    intervals,
    measure,
    one_hot,
    probabilities_of,
    trainer_metrics,
)


def table(seed: int, rows: int = 60, classes: int = 2) -> Judged:
    random = np.random.default_rng(seed)
    truth = random.integers(0, classes, rows)
    scores = np.round(np.clip((truth == 1) * 0.3 + random.random(rows) * 0.7, 0, 1), 2)  # rounded: with ties
    predicted = np.where(scores > 0.5, 1, random.choice([one for one in range(classes) if one != 1], rows))
    return Judged(one_hot(truth, classes), one_hot(predicted, classes), scores, 1)


def sets(seed: int, rows: int = 60) -> Judged:
    """A table in which a text has any number of three labels."""
    random = np.random.default_rng(seed)
    truth, predicted = random.random((rows, 3)) < 0.4, random.random((rows, 3)) < 0.4
    return Judged(truth, predicted, np.round(random.random(rows), 1), 1)


def by_sklearn(judged: Judged, weights=None) -> dict[str, float]:
    rest = {"sample_weight": weights, "zero_division": 0}
    one = {"labels": [judged.positive], "average": "macro", **rest}
    return {
        "f1": f1_score(judged.truth, judged.predicted, **one),
        "precision": precision_score(judged.truth, judged.predicted, **one),
        "recall": recall_score(judged.truth, judged.predicted, **one),
        "macro_f1": f1_score(judged.truth, judged.predicted, average="macro", **rest),
        "average_precision": average_precision_score(judged.truth[:, 1], judged.scores, sample_weight=weights),
    }


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 80), st.sampled_from([2, 3, "several"]), st.booleans())
def test_metrics_are_scikit_learns(seed, rows, classes, weighted):
    """On random tables with ties, of two classes, three or sets of three, weighted or not: the same five figures."""
    judged = sets(seed, rows) if classes == "several" else table(seed, rows, classes)
    weights = np.random.default_rng(seed).integers(0, 4, rows).astype(float) if weighted else None
    found = measure(judged, weights)
    there = judged.truth[:, 1]
    if (there if weights is None else weights * there).sum() == 0:
        assert (found["recall"], found["f1"], found["average_precision"]) == (0, 0, 0)
    else:
        assert found == pytest.approx(by_sklearn(judged, weights), abs=1e-12)


def test_a_ratio_of_nothing_is_zero():
    """Without positives, without claims and without rows every metric is 0, never NaN."""
    nothing = np.zeros((0, 2), dtype=np.bool_)
    assert set(measure(Judged(nothing, nothing, np.zeros(0), 1)).values()) == {0.0}
    silent = Judged(one_hot(np.array([1, 0]), 2), one_hot(np.array([0, 0]), 2), np.array([0.1, 0.2]), 1)
    assert [measure(silent)[name] for name in ("precision", "recall", "f1")] == [0, 0, 0]


def test_groups_are_drawn_whole():
    """In every resample all rows of a group count equally often, and as many groups are drawn as there are."""
    groups = ["a", "b", "a", "c", "b", "a"]
    for weights in _draws(groups, 50, seed=1):
        assert weights[0] == weights[2] == weights[5]
        assert weights[1] == weights[4]
        assert weights[0] + weights[1] + weights[3] == 3


def test_intervals_hold_their_value():
    """The interval lies around the value, is wider with more confidence, and is the same for the same seed."""
    judged, groups = table(3, 120), [str(n // 2) for n in range(120)]
    wide, narrow = (intervals(judged, groups, confidence, 300, seed=1) for confidence in (0.95, 0.6))
    assert tuple(wide) == METRICS
    for name in METRICS:
        assert wide[name].low <= narrow[name].low <= wide[name].value <= narrow[name].high <= wide[name].high
        assert wide[name].low < wide[name].high
    assert intervals(judged, groups, 0.95, 300, seed=1) == wide
    assert intervals(judged, groups, 0.95, 300, seed=2) != wide


def test_few_groups_make_wide_intervals():
    """Rows that hang together are less evidence: the same table in six groups has the wider interval."""
    judged = table(4, 120)
    apart = intervals(judged, [str(n) for n in range(120)], 0.95, 300, 1)["f1"]
    together = intervals(judged, [str(judged.truth[n, 1] * 3 + n % 3) for n in range(120)], 0.95, 300, 1)["f1"]
    assert together.high - together.low > apart.high - apart.low


@pytest.mark.parametrize("metric", METRICS)
def test_a_model_differs_from_itself_by_nothing(metric):
    """The paired difference of a model with itself is exactly 0, its interval has no width."""
    judged = table(5)
    found = difference(judged, judged, [str(n) for n in range(60)], metric, 0.95, 100, 1)
    assert (found.value, found.low, found.high) == (0.0, 0.0, 0.0)


def test_a_difference_is_paired_and_signed():
    """Two models that err on the same rows but one: the difference is sure of its sign, and turns with the order."""
    truth = np.array([1, 0] * 50)
    wrong = truth.copy()
    wrong[:20] = 1 - wrong[:20]
    better = wrong.copy()
    better[:10] = truth[:10]
    scores = truth.astype(float)
    good, bad = (Judged(one_hot(truth, 2), one_hot(one, 2), scores, 1) for one in (better, wrong))
    groups = [str(n) for n in range(100)]
    up, down = difference(good, bad, groups, "f1", 0.95, 300, 1), difference(bad, good, groups, "f1", 0.95, 300, 1)
    assert 0 < up.low <= up.value <= up.high
    assert (down.value, down.low, down.high) == pytest.approx((-up.value, -up.high, -up.low))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), min_size=1, max_size=30))
def test_the_threshold_is_the_best_there_is(rows):
    """No threshold gives a higher F1 than the one found: proved against every one that could matter."""
    truth = np.array([hit for hit, _ in rows])
    scores = np.array([score / 20 for _, score in rows])

    def f1(threshold: float) -> float:
        return f1_score(truth, scores >= threshold, zero_division=0)

    found = best_threshold(truth, scores)
    assert 0 <= found <= 1
    if truth.any():
        assert f1(found) == pytest.approx(max(f1(one) for one in [*scores, 0.0, 1.1]))
    else:
        assert found == 0.5


def test_deciding():
    """The positive from its threshold on, even when another label is likelier; else the likeliest other."""
    odds = np.array([[0.55, 0.30, 0.15], [0.10, 0.29, 0.61], [0.05, 0.95, 0.0], [0.3, 0.3, 0.4]])
    assert decide(odds, positive=1, threshold=0.3).argmax(axis=1).tolist() == [1, 2, 1, 1]
    assert decide(odds, positive=1, threshold=1.0).argmax(axis=1).tolist() == [0, 2, 0, 2]
    assert decide(odds, positive=1, threshold=0.3).sum(axis=1).tolist() == [1, 1, 1, 1]
    assert odds[2, 1] == 0.95


def test_training_and_evaluation_measure_alike():
    """What the trainer is told at the likeliest label is what ``measure`` says of the same answers."""
    from types import SimpleNamespace

    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1000.0, -1000.0], [0.1, 0.2]])
    truth = np.array([0, 1, 1, 0])
    truth = one_hot(truth, 2)
    found = trainer_metrics(1)(SimpleNamespace(predictions=logits, label_ids=truth.astype(int)))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    scores = (odds / odds.sum(1, keepdims=True))[:, 1]
    assert found == measure(Judged(truth, one_hot(np.array([0, 1, 0, 1]), 2), scores, 1))


def test_deciding_several():
    """Each label from 0.5 on, the positive from its own threshold on; a text may have none of them."""
    odds = np.array([[0.9, 0.4, 0.5], [0.1, 0.2, 0.3], [0.49, 0.3, 0.51]])
    low, half = (decide(odds, positive=1, threshold=at, several=True).astype(int).tolist() for at in (0.3, 0.5))
    assert low == [[1, 1, 1], [0, 0, 0], [0, 1, 1]]
    assert half == [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


def test_logits_become_probabilities():
    """Softmax and logistic function as torch has them, without overflow at the largest logits."""
    logits = np.array([[2.0, 1.0, -3.0], [1000.0, -1000.0, 0.0]])
    tensor = torch.from_numpy(logits)
    assert probabilities_of(logits, several=False) == pytest.approx(torch.softmax(tensor, -1).numpy(), abs=1e-15)
    assert probabilities_of(logits, several=True) == pytest.approx(torch.sigmoid(tensor).numpy(), abs=1e-15)


def test_f1_of_each_label():
    """One figure a label, as scikit-learn has it; 0 for one that nobody says and nothing has."""
    judged = sets(7)
    expected = f1_score(judged.truth, judged.predicted, average=None)
    assert f1_by_label(judged) == pytest.approx(expected.tolist())
    silent = np.zeros((4, 2), dtype=np.bool_)
    assert f1_by_label(Judged(silent, silent, np.zeros(4), 1)) == [0.0, 0.0]
