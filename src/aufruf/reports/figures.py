"""Drawings of trainings, sweeps and evaluations as small PNG files: curves, matrices, parallel coordinates, shares.

Colours are those of Okabe and Ito (2008), which colour-blind people tell apart; line styles say the same again.
"""

import io
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.ticker import MaxNLocator
from PIL import Image

from aufruf.reports.inert import points

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_STYLES = ("-", "--", "-.", ":")
_GREY = "#999999"
_LOSSES = ("train_loss", "loss")
_NOT_DRAWN = ("epoch", "learning_rate", "grad_norm")
_ENDED_WELL = ("FINISHED", "COMPLETE")  # a state in MLflow's words, or in Optuna's
_OF_TRIAL = ("number", "value", "state")
_LABEL_LENGTH = 24
_PAPER = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5}


@dataclass(frozen=True)
class _Axis:
    """Where values lie on an axis from 0 to 1 (NaN: nowhere), and what is written beside it."""

    heights: list[float]
    ticks: list[tuple[float, str]]


def learning_curves(history: Sequence[Mapping[str, float]]) -> bytes:
    """Losses on the left, validation metrics on the right, one point an epoch; ``history`` is a training's."""
    figure = _figure(9, 3.6)
    losses, metrics = figure.subplots(1, 2)
    names = [name for name in dict.fromkeys(name for row in history for name in row) if name not in _NOT_DRAWN]
    for axes, drawn, title in (
        (losses, [name for name in names if name in _LOSSES], "loss"),
        (metrics, [name for name in names if name not in _LOSSES], "validation"),
    ):
        for at, name in enumerate(drawn):
            told = {"train_loss": "training", "loss": "validation"}.get(name, name.replace("_", " "))
            _line(axes, at, list(range(1, len(history) + 1)), [row.get(name, math.nan) for row in history], told)
        axes.set(title=title, xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if drawn:
            axes.legend(fontsize=8)
    metrics.set_ylim(-0.02, 1.02)
    return _png(figure)


def confusion(matrix: npt.ArrayLike, labels: Sequence[str], title: str = "validation texts") -> bytes:
    """Counts of texts, rows as labelled, columns as predicted; the shade is the share of its row."""
    counts = np.asarray(matrix, dtype=np.int64)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(3.6, 1.8 + 0.7 * len(labels)), 9.0)
    figure = _figure(side + 0.8, side)
    axes = figure.subplots()
    shade = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        colour = "black" if shares[row, column] > 0.5 else "white"
        told = f"{count:,}\n{points(float(shares[row, column]))}%"
        axes.text(column, row, told, ha="center", va="center", color=colour, fontsize=9 if len(labels) < 10 else 5)
    ticks, names = range(len(labels)), [_plain(label) for label in labels]
    axes.set_xticks(ticks, names, rotation=45 if len(labels) > 3 else 0, ha="right" if len(labels) > 3 else "center")
    axes.set_yticks(ticks, names)
    axes.set(xlabel="predicted", ylabel="labelled", title=title)
    axes.grid(visible=False)
    figure.colorbar(shade, ax=axes, label="share of the row")
    return _png(figure)


def precision_recall(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], at: tuple[float, float] | None, share: float
) -> bytes:
    """Precision over recall as steps, one line a model; a dot where the threshold is, dots in a row what chance gives.

    ``curves``: name -> (recall, precision) from the highest probability on; ``at``: recall and precision at the
    threshold of the first; ``share``: of positives.
    """
    figure = _figure(4.8, 4.0)
    axes = figure.subplots()
    for number, (name, (recall, precision)) in enumerate(curves.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number % len(_STYLES)]
        before = ([0.0], precision[:1]) if recall else ([], [])  # from no text on
        steps = ([*start, *rest] for start, rest in zip(before, (recall, precision), strict=True))
        axes.step(*steps, where="pre", color=colour, ls=style, label=_plain(name))
    axes.axhline(share, color=_GREY, ls=":", label="by chance")
    if at is not None:
        axes.plot(*at, "o", color=_COLOURS[0], ms=8, label="at the threshold")
    axes.set(xlabel="recall", ylabel="precision", title="test texts", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)
    return _png(figure)


def reliability(bins: Mapping[str, Sequence[tuple[float, float, int]]]) -> bytes:
    """Share of positives over mean probability, a dot a bin as large as its texts are many; on the diagonal is right.

    ``bins``: name of the model -> mean probability, share and texts of each bin.
    """
    figure = _figure(4.8, 4.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=_GREY, ls=":", label="as said")
    for number, (name, of) in enumerate(bins.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], _STYLES[number % len(_STYLES)]
        said, found, texts = zip(*of, strict=True) if of else ((), (), ())
        axes.plot(said, found, color=colour, ls=style, label=_plain(name))
        axes.scatter(said, found, s=[10 + 90 * n / max(texts) for n in texts], color=colour, alpha=0.7)
    axes.set(xlabel="mean probability", ylabel="share of positives", title="test texts")
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.grid(visible=True, alpha=0.3)
    axes.legend(fontsize=8)
    return _png(figure)


def parallel_coordinates(trials: Sequence[Mapping[str, Any]], metric: str) -> bytes:
    """One line a trial through its hyperparameters to the metric; the colour is the metric, grey is stopped or failed.

    ``trials``: number, value (None or not finite where there is none), state, and the hyperparameters.
    """
    names = [name for name in dict.fromkeys(key for one in trials for key in one) if name not in _OF_TRIAL]
    places = {name: _positions([one.get(name) for one in trials]) for name in names}
    values = [_number(one.get("value")) for one in trials]
    places["value"] = _positions(values)
    figure = _figure(max(5.0, 1.7 * (len(names) + 1)), 4.2)
    axes = figure.subplots()
    known = [value for value in values if value is not None]
    scale = ScalarMappable(Normalize(min(known, default=0.0), max(known, default=1.0)), "viridis")
    ranks = [-math.inf if value is None else value for value in values]
    for at in sorted(range(len(trials)), key=ranks.__getitem__):  # the best are drawn over the others
        style: dict[str, Any] = {"color": _GREY, "lw": 0.8, "ls": ":"}
        if values[at] is not None and trials[at].get("state") in _ENDED_WELL:
            style = {"color": scale.to_rgba(np.asarray(ranks[at : at + 1]))[0]}
        axes.plot(range(len(places)), [place.heights[at] for place in places.values()], **style)
    for at, place in enumerate(places.values()):
        _axis(axes, at, place)
    titles = [_plain(name.replace("_", " ")) for name in names] + [_plain(metric.replace("_", " "))]
    axes.set_xticks(range(len(places)), titles)
    axes.set(yticks=[], xlim=(-0.2, len(places) - 0.5), title=f"{len(trials)} trials; dotted: stopped or failed")
    axes.grid(visible=False)
    figure.colorbar(scale, ax=axes, label=titles[-1])
    return _png(figure)


def importances(shares: Mapping[str, float]) -> bytes:
    """How much of the differences between trials each hyperparameter explains, largest first."""
    ordered = sorted(shares.items(), key=lambda item: item[1])
    figure = _figure(6, max(2.0, 0.8 + 0.4 * len(ordered)))
    axes = figure.subplots()
    bars = axes.barh([_plain(name.replace("_", " ")) for name, _ in ordered], [share for _, share in ordered])
    axes.bar_label(bars, [f"{points(share)}%" for _, share in ordered], padding=3, fontsize=8)
    for bar in bars:
        bar.set_color(_COLOURS[0])
    axes.set(xlim=(0, 1.1), xlabel="share of the differences between trials", title="importance of hyperparameters")
    return _png(figure)


def _positions(values: Sequence[Any]) -> _Axis:
    """Numbers lie between the least and the greatest, in powers of ten where they span several; words in a row."""
    numbers = [_number(value) for value in values]
    if all(value is None or number is not None for value, number in zip(values, numbers, strict=True)):
        known = sorted({number for number in numbers if number is not None})
        as_log = len(known) > 1 and known[0] > 0 and known[-1] / known[0] >= 20
        low, high = (_scaled(known[0], as_log), _scaled(known[-1], as_log)) if known else (0.0, 1.0)
        span = (high - low) or 1.0
        heights = [math.nan if one is None else (_scaled(one, as_log) - low) / span for one in numbers]
        shown = known if len(known) <= 6 else [known[0], known[-1]]
        return _Axis(heights, [((_scaled(one, as_log) - low) / span, f"{one:.3g}") for one in shown])
    words = sorted({str(value) for value in values if value is not None})
    at = {word: index / max(len(words) - 1, 1) for index, word in enumerate(words)}
    return _Axis([at.get(str(value), math.nan) for value in values], [(height, word) for word, height in at.items()])


def _scaled(value: float, as_log: bool) -> float:
    return math.log10(value) if as_log else value


def _number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _figure(width: float, height: float) -> Figure:
    """A figure of its own: pyplot, which keeps figures for the whole process, is not used."""
    return Figure(figsize=(width, height), dpi=110, layout="constrained")


def _line(axes: Any, at: int, steps: list[int], values: list[float], name: str) -> None:
    colour, style = _COLOURS[at % len(_COLOURS)], _STYLES[at % len(_STYLES)]
    axes.plot(steps, values, color=colour, ls=style, marker="o", ms=3, label=_plain(name))
    axes.grid(visible=True, alpha=0.3)


def _axis(axes: Any, at: int, place: _Axis) -> None:
    axes.axvline(at, color="black", lw=0.8)
    for height, told in place.ticks:
        side: dict[str, Any] = {"xytext": (3, 0), "textcoords": "offset points", "va": "center", "fontsize": 7}
        axes.annotate(_plain(told), (at, height), bbox=_PAPER, **side)


def _plain(text: str) -> str:
    """A name as it is written: no formula, one line, not too long, and not hidden from a legend."""
    font = get_font(findfont("DejaVu Sans"))  # matplotlib's own
    seen = "".join(_drawable(one, font) for one in str(text)).strip()
    short = seen if len(seen) <= _LABEL_LENGTH else seen[: _LABEL_LENGTH - 1] + "…"
    return short.replace("$", r"\$").lstrip("_") or "?"


def _drawable(one: str, font: Any) -> str:
    """A character as it is, a box where the font lacks it, a blank where it is none to see."""
    if not one.isprintable() or unicodedata.category(one) == "Mn":
        return " "
    return one if font.get_char_index(ord(one)) else "□"


def _png(figure: Figure) -> bytes:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    out = io.BytesIO()
    drawn.quantize(64).save(out, format="png", optimize=True)  # a quarter of the bytes
    return out.getvalue()
