"""Metrics equal scikit-learn's; intervals and differences behave as a paired bootstrap over groups must."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    precision_recall_curve,
    precision_score,
    recall_score,
    roc_auc_score,
)

from aufruf.errors import TrainingFailed
from aufruf.model import evaluation, metrics
from aufruf.model.evaluation import (
    METRICS,
    TRAINED,
    Judged,
    best_threshold,
    confusion,
    decide,
    difference,
    disagreements,
    draws,
    f1_by_label,
    intervals,
    intervals_by_label,
    measure,
    one_hot,
    precision_recall,
    probabilities_of,
    reliability,
    trainer_metrics,
)
from aufruf.model.evaluation_slices import slices


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
        "average_precision": average_precision_score(judged.hits, judged.scores, sample_weight=weights),
        "brier": brier_score_loss(judged.hits, judged.scores, sample_weight=weights),
        "calibration_error": expected_calibration_error(judged, weights),
    }


def expected_calibration_error(judged: Judged, weights=None) -> float:
    """Of scikit-learn's bins of equal mass; the weights are laid on by hand, as it has none."""
    w = np.ones(len(judged.scores)) if weights is None else weights
    found, said = calibration_curve(judged.hits, judged.scores, n_bins=metrics.BINS, strategy="quantile")
    edges = np.quantile(judged.scores, np.linspace(0, 1, metrics.BINS + 1))
    member = np.searchsorted(edges[1:-1], judged.scores)
    if weights is None:
        sizes = np.bincount(member)
        return float(np.sum(sizes[sizes > 0] * np.abs(found - said)) / len(w))
    gaps = [abs(np.sum((w * (judged.scores - judged.hits))[member == one])) for one in set(member)]
    return float(sum(gaps) / w.sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(5, 80), st.sampled_from([2, 3, "several"]), st.booleans())
def test_metrics_are_scikit_learns(seed, rows, classes, weighted):
    """On random tables with ties, of two classes, three or sets of three, weighted or not: the same eight figures."""
    judged = sets(seed, rows) if classes == "several" else table(seed, rows, classes)
    weights = np.random.default_rng(seed).integers(0, 4, rows).astype(float) if weighted else None
    found = measure(judged, weights)
    w = np.ones(rows) if weights is None else weights
    positives, others = (w @ part for part in (judged.hits, ~judged.hits))
    area = found.pop("roc_auc")
    if positives and others:
        assert area == pytest.approx(roc_auc_score(judged.hits, judged.scores, sample_weight=weights), abs=1e-12)
    else:
        assert area == 0.5
    if positives:
        assert found == pytest.approx(by_sklearn(judged, weights), abs=1e-12)
    else:
        assert (found["recall"], found["f1"], found["average_precision"]) == (0, 0, 0)


def test_a_ratio_of_nothing_is_zero():
    """Without positives, without claims and without rows every metric is 0, never NaN; the area under ROC is 0.5."""
    nothing = np.zeros((0, 2), dtype=np.bool_)
    found = measure(Judged(nothing, nothing, np.zeros(0), 1))
    assert found.pop("roc_auc") == 0.5
    assert set(found.values()) == {0.0}
    silent = Judged(one_hot(np.array([1, 0]), 2), one_hot(np.array([0, 0]), 2), np.array([0.1, 0.2]), 1)
    assert [measure(silent)[name] for name in ("precision", "recall", "f1")] == [0, 0, 0]


def test_groups_are_drawn_whole():
    """In every resample all rows of a group count equally often, and as many groups are drawn as there are."""
    groups = ["a", "b", "a", "c", "b", "a"]
    for weights in np.concatenate([*draws(groups, 50, seed=1)]):
        assert weights[0] == weights[2] == weights[5]
        assert weights[1] == weights[4]
        assert weights[0] + weights[1] + weights[3] == 3


def test_blocks_change_no_draw(monkeypatch):
    """However many resamples are held at a time, they are the same resamples."""
    groups = [str(n // 2) for n in range(120)]
    whole = np.concatenate([*draws(groups, 100, seed=1)])
    monkeypatch.setattr(evaluation, "_AT_ONCE", 7 * 120)
    blocks = [*draws(groups, 100, seed=1)]
    assert [len(block) for block in blocks] == [7] * 14 + [2]
    assert (np.concatenate(blocks) == whole).all()


def test_an_interval_is_that_of_its_resamples():
    """Each end is the percentile of the metric measured resample by resample."""
    judged, groups = sets(3, 80), [str(n // 2) for n in range(80)]
    found = intervals(judged, groups, 0.9, 200, seed=1)
    one_by_one = [measure(judged, weights) for weights in np.concatenate([*draws(groups, 200, seed=1)])]
    for name in METRICS:
        low, high = np.quantile([one[name] for one in one_by_one], [0.05, 0.95])
        ends = min(low, found[name].value), max(high, found[name].value)
        assert (found[name].low, found[name].high) == pytest.approx(ends, abs=1e-12)
    labels = intervals_by_label(judged, groups, 0.9, 200, seed=1)
    assert [one.value for one in labels] == f1_by_label(judged)
    assert labels[judged.positive] == found["f1"]


def test_draws_without_a_positive_say_nothing_of_recall():
    """Of 3 positives among 100 texts, all found, one resample in twenty has none: it is left out, so that the table
    says of recall what a slice of the same texts does; as 0 it made an interval of 0 to 1. So with ROC-AUC."""
    truth = np.array([1] * 3 + [0] * 97)
    judged, groups = Judged(one_hot(truth, 2), one_hot(truth, 2), truth * 0.8 + 0.1, 1), [str(n) for n in range(100)]
    found = intervals(judged, groups, 0.95, 500, seed=1)
    (part,) = slices(judged, groups, {"party": ["X"] * 100}, 0.95, 500, 1, (30, 10))
    for name in ("f1", "precision", "recall", "average_precision", "roc_auc"):
        assert (found[name].low, found[name].high) == (1.0, 1.0)
    assert (part.recall, part.precision) == (found["recall"], found["precision"])
    assert intervals_by_label(judged, groups, 0.95, 500, seed=1)[1] == part.f1


def test_a_figure_without_a_single_draw_is_its_value():
    """Where no text is positive and none is said to be, recall is 0 and ROC-AUC a half, and so are both ends; the
    difference of two such models is 0. Nothing is NaN, which no gate could judge."""
    silent = Judged(one_hot(np.zeros(9, dtype=int), 2), one_hot(np.zeros(9, dtype=int), 2), np.full(9, 0.1), 1)
    groups = [str(n) for n in range(9)]
    found = intervals(silent, groups, 0.95, 100, seed=1)
    assert (found["recall"].value, found["recall"].low, found["recall"].high) == (0, 0, 0)
    assert (found["roc_auc"].low, found["roc_auc"].high) == (0.5, 0.5)
    for metric in METRICS:
        one = difference(silent, silent, groups, metric, 0.95, 100, 1)
        assert (one.value, one.low, one.high) == (0, 0, 0)


def test_a_label_that_no_text_has_counts_as_nothing_in_the_mean():
    """Two of three labels right on every text and the third on none: macro-F1 is two thirds, in every resample."""
    truth = one_hot(np.array([0, 1] * 30), 3)
    found = intervals(Judged(truth, truth, truth[:, 1] * 0.9, 1), [str(n) for n in range(60)], 0.95, 100, 1)["macro_f1"]
    assert (found.value, found.low, found.high) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


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


@pytest.mark.parametrize(("metric", "count"), [("f1", 2), ("macro_f1", 3), ("average_precision", 1)])
def test_disagreements_are_groups_as_far_as_the_metric_looks(metric, count):
    """Two rows of one group count once; answers on other labels count for macro F1 only, scores for a ranking only."""
    truth, said = np.zeros(6, dtype=int), np.array([0, 0, 0, 1, 0, 0])
    other = np.array([1, 1, 0, 0, 2, 0])
    scores = np.linspace(0, 1, 6)
    one = Judged(one_hot(truth, 3), one_hot(said, 3), scores, 1)
    two = Judged(one_hot(truth, 3), one_hot(other, 3), np.where(np.arange(6) == 5, 0.9, scores), 1)
    groups = ["a", "a", "b", "c", "d", "e"]
    assert disagreements(one, two, groups, metric) == count
    assert disagreements(one, one, groups, metric) == 0


def test_a_bootstrap_of_one_disagreement_is_surer_than_it_can_be():
    """A single text that the newcomer alone gets right clears one standard error: half of all equal models would."""
    truth = np.array([1] * 90 + [0] * 210)
    old = truth.copy()
    old[:19] = 0
    new = old.copy()
    new[0] = 1
    one, two = (Judged(one_hot(truth, 2), one_hot(said, 2), truth.astype(float), 1) for said in (new, old))
    groups = [str(n) for n in range(300)]
    found = difference(one, two, groups, "f1", 0.95, 2000, 1)
    assert found.value > (found.high - found.low) / (2 * 1.96)
    assert found.low > -0.001
    assert disagreements(one, two, groups, "f1") == 1


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
    """What the trainer is told at the likeliest label is what ``measure`` says of the same answers, five figures."""
    logits = np.array([[2.0, 1.0], [0.0, 3.0], [1000.0, -1000.0], [0.1, 0.2]])
    truth = np.array([0, 1, 1, 0])
    truth = one_hot(truth, 2)
    found = trainer_metrics(1)(SimpleNamespace(predictions=logits, label_ids=truth.astype(int)))
    odds = np.exp(logits - logits.max(1, keepdims=True))
    scores = (odds / odds.sum(1, keepdims=True))[:, 1]
    whole = measure(Judged(truth, one_hot(np.array([0, 1, 0, 1]), 2), scores, 1))
    assert found == {name: whole[name] for name in TRAINED}


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_answers_that_are_no_numbers_are_no_metrics(wrong, several):
    """One NaN, or a number without end, among the answers fails loudly; sorted, NaN made an average precision of 1."""
    truth, logits = np.eye(2)[[0, 0, 1, 1]], np.zeros((4, 2))
    assert set(trainer_metrics(1, several)(SimpleNamespace(predictions=logits, label_ids=truth))) == set(TRAINED)
    logits[2, 1] = wrong
    with pytest.raises(TrainingFailed, match="what the model says of validation is not a number"):
        trainer_metrics(1, several)(SimpleNamespace(predictions=logits, label_ids=truth))


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


def test_curves_are_scikit_learns():
    """Recall and precision at each distinct score; without positives there is no curve."""
    judged = table(8)
    recall, precision = precision_recall(judged)
    expected = precision_recall_curve(judged.hits, judged.scores)
    assert precision[::-1] == pytest.approx(expected[0][:-1].tolist())
    assert recall[::-1] == pytest.approx(expected[1][:-1].tolist())
    assert precision_recall(Judged(judged.truth & False, judged.predicted, judged.scores, 1)) == ([], [])


def test_reliability_is_what_the_calibration_error_sums_up():
    """Bins of equally many texts; their distances, weighted by texts, are the error, 0 for what is as said."""
    judged = table(9, 100)
    found = reliability(judged)
    assert sum(texts for *_, texts in found) == 100
    gap = sum(texts * abs(said - share) for said, share, texts in found) / 100
    assert gap == pytest.approx(measure(judged)["calibration_error"])
    honest = Judged(judged.truth, judged.predicted, judged.hits.astype(float), 1)
    assert measure(honest)["calibration_error"] == measure(honest)["brier"] == 0


def test_confusion_counts_labels_or_the_positive_against_the_rest():
    """Rows as labelled, columns as said; where a text may have several labels it is the positive and the rest."""
    judged, several = table(2, classes=3), sets(2)
    counts, names = confusion(judged.truth, judged.predicted, ("a", "b", "c"), 1, several=False)
    assert names == ["a", "b", "c"]
    assert (counts == confusion_matrix(judged.truth.argmax(1), judged.predicted.argmax(1))).all()
    counts, names = confusion(several.truth, several.predicted, ("a", "b", "c"), 1, several=True)
    assert names == ["not b", "b"]
    assert (counts == confusion_matrix(several.truth[:, 1], several.predicted[:, 1])).all()
