"""The page of one day: what was found, by which model, and why it thinks so."""

from pathlib import Path

from aufruf.reports import chart, finding
from aufruf.reports.facts import (
    DayReport,
    DecisionNote,
    Explained,
    Finding,
    Interval,
    ModelCard,
    PartyCount,
)
from aufruf.reports.intervals import wilson
from aufruf.reports.page import fill, write_whole

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
        share=Interval(day.calls_total / day.scored_total if day.scored_total else 0.0, low, high),
        metrics=chart.metrics(day.model.metrics, day.model.baseline),
        party_bars=chart.parties(day.parties),
        calls=finding.by_party(calls, [row.party for row in day.parties]),
        others=finding.by_reason(others),
    )


def write(folder: Path, day: DayReport, mask: bool = True) -> Path:
    """Write the page as ``folder``/index.html, whole or not at all, and return its path.

    Raises AufrufError when the folder cannot be written.
    """
    return write_whole(folder / "index.html", render(day, mask))
