"""Slices are the same figures on parts, and mismatches are ranked as confident learning has it."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from aufruf.model.evaluation import Judged, intervals, one_hot
from aufruf.model.evaluation_slices import slices
from aufruf.model.mismatches import mismatches, neighbours


def table(rows: int = 200) -> Judged:
    random = np.random.default_rng(1)
    truth = random.integers(0, 2, rows)
    scores = np.clip(0.3 * truth + 0.7 * random.random(rows), 0, 1)
    return Judged(one_hot(truth, 2), one_hot((scores > 0.5).astype(int), 2), scores, 1)


def test_a_slice_is_measured_like_a_set():
    """Counts and figures of each value are scikit-learn's on its rows; the interval holds them; the largest first."""
    judged, groups = table(), [str(n) for n in range(200)]
    party = np.array(["A"] * 120 + ["B"] * 80)
    found = slices(judged, groups, {"party": party.tolist()}, 0.95, 200, 1, (100, 10))
    assert [(one.dimension, one.value, one.n, one.small) for one in found] == [
        ("party", "A", 120, False),
        ("party", "B", 80, True),
    ]
    for one in found:
        truth, said = (part[party == one.value, 1] for part in (judged.truth, judged.predicted))
        assert one.positives == truth.sum()
        for figure, expected in ((one.f1, f1_score), (one.precision, precision_score), (one.recall, recall_score)):
            assert figure.value == pytest.approx(expected(truth, said))
            assert figure.low < figure.value < figure.high


def test_the_whole_as_one_slice_has_the_whole_interval():
    """A dimension with one value is the set itself, with the very same interval."""
    judged, groups = table(), [str(n // 2) for n in range(200)]
    [whole] = slices(judged, groups, {"platform": ["x"] * 200}, 0.95, 200, 1, (1, 1))
    assert whole.f1 == pytest.approx(intervals(judged, groups, 0.95, 200, 1)["f1"])


def test_a_slice_without_positives_has_no_figure():
    """A ratio of nothing is None, not 0; it is small and not hidden."""
    judged = Judged(one_hot(np.array([0, 0, 1]), 2), one_hot(np.array([0, 0, 1]), 2), np.array([0.1, 0.2, 0.9]), 1)
    found = slices(judged, ["a", "b", "c"], {"month": ["1", "1", "2"]}, 0.95, 50, 1, (1, 1))
    assert [(one.value, one.positives, one.small) for one in found] == [("1", 0, True), ("2", 1, False)]
    assert (found[0].f1, found[1].f1.value) == (None, 1.0)
    assert slices(judged, ["a", "b", "c"], {}, 0.95, 50, 1, (1, 1)) == []


def test_the_likeliest_wrong_label_comes_first():
    """By p(given) - max p(other), by hand; suspect where another label reaches its mean self-confidence."""
    odds = np.array([[0.9, 0.1], [0.95, 0.05], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3], [0.05, 0.95]])
    truth, said = one_hot(np.array([0, 1, 1, 0, 1, 0]), 2), one_hot(np.array([0, 0, 1, 1, 0, 1]), 2)
    found = mismatches(truth, said, odds, several=False)
    assert [one.row for one in found] == [1, 5, 4, 3]
    assert [one.margin for one in found] == pytest.approx([-0.9, -0.9, -0.4, -0.2])
    assert [one.confidence for one in found] == pytest.approx([0.05, 0.05, 0.3, 0.4])
    assert [one.suspect for one in found] == [True, True, True, True]  # usual: 0.45 without a call, 0.383 with one


def test_a_disagreement_at_the_threshold_is_no_suspect():
    """A text that is said to be a call at 0.3 is listed last, and its label is not under suspicion."""
    odds = np.array([[0.7, 0.3], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]])
    truth, said = one_hot(np.array([0, 0, 1, 1]), 2), one_hot(np.array([1, 0, 1, 1]), 2)
    [found] = mismatches(truth, said, odds, several=False)
    assert (found.row, found.suspect, found.margin) == (0, False, pytest.approx(0.4))


def test_of_several_labels_the_worst_counts():
    """Each label is a question of its own; the text's margin is that of the label most in doubt."""
    odds = np.array([[0.9, 0.9], [0.8, 0.1], [0.1, 0.8], [0.2, 0.3]])
    truth = np.array([[1, 0], [1, 0], [0, 1], [1, 1]], dtype=bool)
    found = mismatches(truth, odds >= 0.5, odds, several=True)
    assert [one.row for one in found] == [0, 3]
    assert [one.margin for one in found] == pytest.approx([-0.8, -0.6])
    assert [one.confidence for one in found] == pytest.approx([0.1, 0.2])


def test_neighbours_read_alike():
    """The nearest training text first, the same text at 1, nothing where nothing is in common."""
    train = ["Geht am Sonntag wählen!", "Kommt zum Infostand", "Der Haushalt wurde beraten"]
    same, near, far = neighbours(["Geht am Sonntag wählen!", "Am Infostand gibt es Kaffee", "🗳️"], train)
    assert (same[0].row, same[0].similarity) == (0, pytest.approx(1.0))
    assert near[0].row == 1
    assert near[0].similarity > near[-1].similarity or len(near) == 1
    assert far == []
    assert neighbours([], train) == []
    assert neighbours(["x"], []) == [[]]
