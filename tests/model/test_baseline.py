"""The baseline is fitted on train, its threshold is tuned on validation, and it is judged like a model."""

from dataclasses import replace

import pytest

from aufruf.model import baseline
from aufruf.model.evaluation import best_threshold, decide, measure


def test_it_learns_what_words_give_away(examples):
    """Texts whose words give the label away are told apart."""
    found = baseline.judge(examples(60, 1), examples(40, 2), examples(40, 3), 1, seed=1)
    assert measure(found)["f1"] > 0.9
    assert ((found.scores >= 0) & (found.scores <= 1)).all()


def test_its_threshold_is_tuned_on_validation(examples):
    """The test rows are decided at the threshold that validation gives, whatever the test labels are."""
    train, validation, test = examples(60, 1), examples(40, 2), examples(40, 3)
    turned = replace(validation, targets=[row[::-1] for row in validation.targets])
    for rows in (validation, turned):
        pipeline = baseline.fit(train, 1)
        scores = pipeline.predict_proba(list(rows.texts))[:, 1]
        tuned = best_threshold(rows.truth[:, 1], scores)
        found = baseline.judge(train, rows, test, 1, seed=1)
        assert found.predicted.tolist() == decide(pipeline.predict_proba(list(test.texts)), 1, tuned).tolist()
    assert found.predicted.tolist() != baseline.judge(train, validation, test, 1, seed=1).predicted.tolist()


def test_a_fixed_threshold_is_its_own_too(examples):
    """Where the classifier file names a threshold nothing is tuned: from it on a calibrated probability is positive."""
    train, validation, test = examples(60, 1), examples(40, 2), examples(40, 3)
    tuned = baseline.judge(train, validation, test, 1, seed=1)
    for fixed in (0.0, 0.9, 1.0):
        found = baseline.judge(train, validation, test, 1, seed=1, fixed=fixed)
        assert found.scores.tolist() == tuned.scores.tolist()
        assert found.predicted[:, 1].tolist() == (found.scores >= fixed).tolist()


def test_a_class_that_training_lacks_has_no_probability(examples):
    """Three labels, two of them seen: the third keeps its column, with 0 in it."""
    train, validation, test = (examples(n, n, 3) for n in (60, 40, 30))
    train = replace(train, targets=[[1, 0, 0] if row[2] else row for row in train.targets])
    found = baseline.judge(train, validation, test, positive=2, seed=1)
    assert found.scores.tolist() == [0.0] * 30
    assert measure(found)["macro_f1"] == pytest.approx(measure(replace(found, positive=0))["macro_f1"])


def test_it_is_repeatable(examples):
    """The same rows and seed give the same answers."""
    one, again = (baseline.judge(examples(60, 1), examples(40, 2), examples(40, 3), 1, seed=1) for _ in range(2))
    assert one.scores.tolist() == again.scores.tolist()
