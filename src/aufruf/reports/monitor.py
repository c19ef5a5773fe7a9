"""The page on whether posts and answers have moved: distances, shares by bin, and the development over weeks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from math import isfinite, isinf
from pathlib import Path
from typing import Any

from aufruf.reports.chart import axis_end, percent
from aufruf.reports.page import fill, write_whole
from aufruf.schemas import Shift

FOLDER = "monitor"
AGAINST = {"training": "the labelled texts", "weeks": "the weeks before"}
FIGURES = {  # and what its mean is called
    "lengths": ("Length", "characters on average"),
    "unknown_tokens": ("Unknown tokens", "of the tokens of a text on average"),
    "new_words": ("New words", "of the words of a text on average"),
    "labels": ("Labels", "labelled positive"),
    "probabilities": ("Probabilities", "the mean probability of the positive"),
}
_ABOUT = {
    "lengths": "How long the texts are, in characters.",
    "unknown_tokens": "Which share of a text the model’s tokenizer has no piece for: other scripts, signs, spellings.",
    "new_words": "Which share of a text’s words no training text has. Of the labelled texts the others count.",
    "labels": "What the model labels them. Of the labelled texts those count that it was not trained on.",
    "probabilities": "How sure the model is. Of the labelled texts those count that it was not trained on.",
}
_SHORTEST = 2  # days of history that make a line


@dataclass(frozen=True)
class Bars:
    """Names of bins, and the share of texts (0..1) in each, before and now."""

    names: Sequence[str]
    before: Sequence[float]
    now: Sequence[float]


@dataclass(frozen=True)
class MonitorReport:
    """What the page says; ``compared``: texts by what the last days are compared with."""

    classifier: str
    positive: str
    day: date
    days: int
    weeks: int
    version: str
    texts: int
    compared: Mapping[str, int]
    minimum: int
    told: Sequence[str]
    shifts: Sequence[Shift]
    bars: Mapping[tuple[str, str], Bars]
    history: Sequence[Shift]  # of earlier days too, the first one first
    learnt: bool = False  # some of the posts are trained on
    checked: Sequence[str] = tuple(AGAINST)  # comparisons that can fail the check


def sentence(shift: Shift, since: date) -> str:
    """What moved, from what to what, and since when."""
    title, unit = FIGURES[shift.figure]
    before, now = (amount(shift.figure, value) for value in (shift.mean_before, shift.mean_now))
    by_chance = f" (by chance up to {shift.noise:.2f})" if shift.noise > shift.allowed else ""
    return (
        f"{title.lower()} moved from {AGAINST[shift.against]}: {before} to {now} {unit}, "
        f"distance {shift.distance:.2f}, limit {shift.allowed:.2f}{by_chance}, since {since.isoformat()}"
    )


def further(shift: Shift) -> bool:
    """Whether it lies further off than allowed and than chance explains, checked or not."""
    return shift.moved or shift.distance > max(shift.allowed, shift.noise)


def outcome(shift: Shift) -> str:
    """What the table calls it."""
    return "moved" if shift.moved else "further off, not checked" if further(shift) else "as before"


def amount(figure: str, value: float) -> str:
    """A figure's mean in its unit."""
    if not isfinite(value):
        return "–"
    return f"{value:.0f}" if figure == "lengths" else f"{100 * value:.1f} %"


def bins(edges: Sequence[float], figure: str) -> list[str]:
    """The names of the bins between these edges."""
    found = []
    for low, high in pairwise(edges):
        if figure == "lengths":
            found.append(f"{low:.0f} or more" if isinf(high) else f"{low:.0f}–{high - 1:.0f}")
        elif 0 < high < 1e-6:
            found.append("none")
        else:
            begin = 0 if low < 1e-6 else 100 * low
            found.append(f"{begin:.0f}–100 %" if isinf(high) else f"{begin:.0f}–{100 * high:.0f} %")
    return found


def render(report: MonitorReport, listed: bool = True) -> str:
    """The page: no script, no request, no text of a post. ``listed``: the list of days lies above."""
    figures = [one for one in FIGURES if any(shift.figure == one for shift in report.shifts)]
    compared = {shift.against for shift in report.shifts}
    return fill(
        "monitor.html",
        report=report,
        listed=listed,
        figures=[_figure(report, one) for one in figures],
        against=AGAINST,
        outcome=outcome,
        checked=[AGAINST[one] for one in report.checked],
        alike=[AGAINST[one] for one in report.checked if one in compared],
        lacking=[AGAINST[one] for one in report.checked if one not in compared],
        unchecked=sum(further(one) and not one.moved for one in report.shifts),
    )


def write(folder: Path, report: MonitorReport, facts: str) -> Path:
    """Write ``folder``/monitor/index.html and, beside it, the figures as JSON. Raises AufrufError when it cannot."""
    write_whole(folder / FOLDER / "monitor.json", facts)
    page = render(report, listed=(folder / "index.html").is_file())
    return write_whole(folder / FOLDER / "index.html", page)


def _figure(report: MonitorReport, name: str) -> dict[str, Any]:
    shifts = [one for one in report.shifts if one.figure == name]
    drawn = [report.bars[name, one.against] for one in shifts]
    top = axis_end(share for bars in drawn for share in (*bars.before, *bars.now))
    rows = [
        (bin_name, drawn[0].now[at], [bars.before[at] for bars in drawn]) for at, bin_name in enumerate(drawn[0].names)
    ]
    return {
        "name": name,
        "title": FIGURES[name][0],
        "unit": FIGURES[name][1],
        "about": _ABOUT[name],
        "shifts": [(one, amount(name, one.mean_before), amount(name, one.mean_now)) for one in shifts],
        "rows": [row for row in rows if row[1] or any(row[2])],
        "top": top,
        "lines": [_line(report, name, one.against) for one in shifts],
    }


def _line(report: MonitorReport, name: str, against: str) -> dict[str, Any] | None:
    """The distances of the past as a path on 100 x 100, time to the right, and as rows; None of a single day."""
    past = [one for one in report.history if (one.figure, one.against) == (name, against)]
    if len(past) < _SHORTEST:
        return None
    days = [date.fromisoformat(one.day).toordinal() for one in past]
    top = axis_end(value for one in past for value in (one.distance, one.allowed, one.noise))

    def path(values: Sequence[float]) -> str:
        points = (
            f"{percent(day - days[0], max(1, days[-1] - days[0]))} {100 - percent(value, top):.2f}"
            for day, value in zip(days, values, strict=True)
        )
        return "M" + "L".join(points)

    return {
        "against": AGAINST[against],
        "top": top,
        "first": date.fromisoformat(past[0].day),
        "last": date.fromisoformat(past[-1].day),
        "distance": path([one.distance for one in past]),
        "bar": path([max(one.allowed, one.noise) for one in past]),
        "dots": [
            (percent(day - days[0], max(1, days[-1] - days[0])), 100 - percent(one.distance, top))
            for day, one in zip(days, past, strict=True)
            if further(one)
        ],
        "rows": [(date.fromisoformat(one.day), one, amount(name, one.mean_now)) for one in reversed(past)],
        "further": sum(map(further, past)),
    }
