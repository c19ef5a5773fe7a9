"""Drawings are real PNG files, small, of what they were given, and no name can break one."""

import io
import re
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from aufruf.reports import figures

HISTORY = [
    {"epoch": 1.0, "train_loss": 0.7, "loss": 0.6, "f1": 0.4, "macro_f1": 0.5},
    {"epoch": 2.0, "train_loss": 0.4, "loss": 0.5, "f1": 0.6, "macro_f1": 0.7},
    {"epoch": 3.0, "train_loss": 0.2, "loss": 0.6, "f1": 0.55, "macro_f1": 0.66},
]
TRIALS = [
    {"number": 0, "value": 0.71, "state": "FINISHED", "learning_rate": 1e-5, "batch_size": 16, "frozen": "none"},
    {"number": 1, "value": 0.3, "state": "PRUNED", "learning_rate": 3e-4, "batch_size": 32, "frozen": "half"},
    {"number": 2, "value": 0.83, "state": "FINISHED", "learning_rate": 1e-3, "batch_size": 16, "frozen": "half"},
    {"number": 3, "value": float("nan"), "state": "FAILED", "learning_rate": 1e-3, "batch_size": 32, "frozen": "none"},
]
HOSTILE = ["$\\frac{$", "_hidden", "<script>alert(1)</script>", "a" * 5000, "\u2028\x00\u202e", "", "🗳️", "\ud800", "$$"]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, to look at their words."""
    seen: list[Figure] = []
    saved = figures._png
    monkeypatch.setattr(figures, "_png", lambda figure: seen.append(figure) or saved(figure))
    return seen


def words(figure: Figure) -> str:
    return " | ".join(text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text")))


def pixels(png: bytes) -> np.ndarray:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(png) < 100_000
    return imread(io.BytesIO(png), format="png")


def test_learning_curves_show_loss_and_metrics(drawn):
    """Both losses and both metrics have a line with a point for each epoch; the number of the epoch is none."""
    assert pixels(figures.learning_curves(HISTORY)).std() > 0
    losses, metrics = drawn[0].axes
    assert [list(line.get_ydata()) for line in losses.lines] == [[0.7, 0.4, 0.2], [0.6, 0.5, 0.6]]
    assert [line.get_label() for line in metrics.lines] == ["f1", "macro f1"]
    assert (losses.get_xlabel(), metrics.get_title()) == ("epoch", "validation")


def test_a_confusion_matrix_counts(drawn):
    """Each cell says how many texts and which share of its row; rows are the labels as given."""
    pixels(figures.confusion([[90, 10], [5, 15]], ["no_call", "call"]))
    said = words(drawn[0])
    for expected in ("90\n90%", "10\n10%", "5\n25%", "15\n75%", "no_call", "predicted", "labelled"):
        assert expected in said


def test_a_precision_recall_curve_has_its_threshold_and_chance(drawn):
    """A line of steps for each model, a dot at the threshold, a dotted line at the share of positives."""
    curve = ([0.2, 0.8, 1.0], [1.0, 0.5, 0.3])
    pixels(figures.precision_recall({"version": curve, "baseline": curve}, (0.8, 0.5), 0.3))
    axes = drawn[0].axes[0]
    version, baseline, chance, dot = axes.lines
    assert list(version.get_xdata()) == [0.0, *curve[0]]
    assert list(version.get_ydata()) == [1.0, *curve[1]]
    assert version.get_linestyle() != baseline.get_linestyle()
    assert list(chance.get_ydata()) == [0.3, 0.3]
    assert (dot.get_xdata()[0], dot.get_ydata()[0]) == (0.8, 0.5)


def test_a_reliability_curve_has_a_dot_a_bin(drawn):
    """Each bin lies at its mean probability and share; the diagonal is what was said."""
    pixels(figures.reliability({"version": [(0.1, 0.0, 10), (0.6, 0.9, 30)]}))
    diagonal, version = drawn[0].axes[0].lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == [0, 1]
    assert (list(version.get_xdata()), list(version.get_ydata())) == ([0.1, 0.6], [0.0, 0.9])
    [dots] = drawn[0].axes[0].collections
    assert dots.get_sizes()[1] > dots.get_sizes()[0]


def test_parallel_coordinates_have_a_line_a_trial(drawn):
    """Each trial is a line; the stopped and the failed are dotted grey; rates lie in powers of ten, words in a row."""
    pixels(figures.parallel_coordinates(TRIALS, "macro_f1"))
    axes = drawn[0].axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert [line.get_linestyle() for line in lines].count(":") == 2
    heights = [list(line.get_ydata()) for line in lines]
    assert [0.0, 0.0, 1.0, pytest.approx(0.41 / 0.53)] in heights  # least rate, small batch, "none"
    assert [1.0, 0.0, 0.0, 1.0] in heights
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "learning rate",
        "batch size",
        "frozen",
        "macro f1",
    ]


def test_importances_are_ordered(drawn):
    """The most important hyperparameter stands on top, with its share."""
    pixels(figures.importances({"epochs": 0.1, "learning_rate": 0.85, "batch_size": 0.05}))
    axes = drawn[0].axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["batch size", "epochs", "learning rate"]
    assert "85%" in words(drawn[0])


def test_nothing_to_draw_is_drawn():
    """No epochs, no trials, no shares, and a class that nobody predicted give a drawing all the same."""
    one = {"number": 0, "value": 0.5, "state": "FINISHED", "epochs": 2}
    for png in (
        figures.learning_curves([]),
        figures.learning_curves([{"epoch": 1.0, "train_loss": float("nan"), "f1": 0.0}]),
        figures.parallel_coordinates([], "f1"),
        figures.parallel_coordinates([one], "f1"),
        figures.importances({}),
        figures.confusion([[0, 0], [0, 0]], ["a", "b"]),
        figures.precision_recall({"version": ([], [])}, None, 0.0),
        figures.reliability({"version": []}),
    ):
        pixels(png)


@pytest.mark.filterwarnings("error::UserWarning:aufruf")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_only_names(drawn, name):
    """A name with formulas, tags, control characters or of any length is written as it is, cut, and breaks nothing."""
    for png in (
        figures.confusion([[1, 2], [3, 4]], [name, "call"]),
        figures.parallel_coordinates([{"number": 0, "value": 1.0, "state": "FINISHED", name: name}], name),
        figures.importances({name: 0.5}),
        figures.learning_curves([{"epoch": 1, name: 0.5}]),
        figures.precision_recall({name: ([1.0], [0.5])}, None, 0.5),
    ):
        assert pixels(png).shape[1] < 2000
    for figure in drawn:
        said = words(figure)
        assert re.search(r"(?<!\\)\$", said) is None
        assert all(one.isprintable() or one == "\n" for one in said)


def test_twenty_labels_still_fit():
    """A matrix of twenty labels is drawn larger, and the file stays small."""
    rows = np.arange(400).reshape(20, 20)
    assert pixels(figures.confusion(rows, [f"label number {n}" for n in range(20)])).shape[0] > 900


def test_pyplot_is_not_used():
    """Drawing keeps no figure in the process: pyplot is not even loaded."""
    code = (
        "import sys; from aufruf.reports import figures; figures.importances({'a': 1.0});"
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
