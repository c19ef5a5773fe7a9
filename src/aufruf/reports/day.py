"""The page of one day: what was found, by which model, and why it thinks so."""

from pathlib import Path

from aufruf.reports import chart, finding
from aufruf.reports.facts import (
    FIT_FLOOR,
    STABILITY_FLOOR,
    DayReport,
    DecisionNote,
    Explained,
    Finding,
    ModelCard,
    PartyCount,
)
from aufruf.reports.intervals import Interval, wilson
from aufruf.reports.page import fill, write_whole
from aufruf.reports.prevalence import Contrast, Prevalence

__all__ = [
    "DayReport",
    "DecisionNote",
    "Explained",
    "Finding",
    "Interval",
    "ModelCard",
    "PartyCount",
    "render",
    "write",
]

_MANY = 30  # texts from which a slice has a say in the length of the axis
_PAIRS = 15  # pairs of parties that a page shows


def render(day: DayReport, mask: bool = True) -> str:
    """The day as one HTML page that needs nothing else: no script, no request, printable.

    With ``mask`` (the default) mentions, e-mail addresses, telephone numbers and the paths of links are
    replaced and authors are numbered; see ``privacy`` for what patterns cannot find. Text ids stay.
    Raises ValueError when more texts are labelled positive than were scored.
    """
    low, high = wilson(day.calls_total, day.scored_total)
    views = finding.views([*day.calls, *day.others], mask)
    calls, others = views[: len(day.calls)], views[len(day.calls) :]
    return fill(
        "day.html",
        day=day,
        model=day.model,
        mask=mask,
        fit_floor=FIT_FLOOR,
        stability_floor=STABILITY_FLOOR,
        share=Interval(day.calls_total / day.scored_total if day.scored_total else 0.0, low, high),
        metrics=chart.metrics(day.model.metrics, day.model.baseline),
        party_bars=chart.parties(day.parties),
        calls=finding.by_party(calls, [row.party for row in day.parties]),
        others=finding.by_reason(others),
        top=_top(day.prevalence) if day.prevalence else 1.0,
        contrasts=_largest(day.prevalence) if day.prevalence else [],
    )


def _top(found: Prevalence) -> float:
    """Where the one axis of all the shares ends. A slice of few texts may reach beyond it."""
    shares = [found.whole, *(one for rows in found.slices.values() for one in rows if one.texts >= _MANY)]
    return chart.axis_end(max(one.raw.high, one.corrected.high if one.corrected else 0.0) for one in shares)


def _largest(found: Prevalence) -> list[Contrast]:
    return sorted(found.contrasts, key=lambda one: -one.difference.value)[:_PAIRS]


def write(folder: Path, day: DayReport, mask: bool = True) -> Path:
    """Write the page as ``folder``/index.html, whole or not at all, and return its path.

    Raises AufrufError when the folder cannot be written.
    """
    return write_whole(folder / "index.html", render(day, mask))
