"""The folder of one day: a page with what was found, by which model and why, and a page for each text."""

import re
from pathlib import Path
from typing import Literal

from aufruf.reports import chart, filters, finding
from aufruf.reports.champions import VERDICTS
from aufruf.reports.facts import (
    DayReport,
    DecisionNote,
    Explained,
    Finding,
    ModelCard,
    Neighbour,
    PartyCount,
    Record,
)
from aufruf.reports.intervals import Interval
from aufruf.reports.page import fill, write_whole
from aufruf.reports.prevalence import Contrast, Prevalence, raw

__all__ = [
    "DayReport",
    "DecisionNote",
    "Explained",
    "Finding",
    "Interval",
    "ModelCard",
    "Neighbour",
    "PartyCount",
    "Record",
    "render",
    "render_texts",
    "write",
]
Accounts = Literal["numbers", "pseudonyms", "names"]

_WORDS = re.compile(r' <a href="[^"<>]*">Words</a></nav>')  # what comes from outside is escaped, and is none of it
_MANY = 30  # texts from which a slice has a say in the length of the axis
_PAIRS = 15  # pairs of parties that a page shows
_PARTIES = 40  # with the most calls; what posts come with may name any number


def render(day: DayReport, mask: bool = True, accounts: Accounts = "numbers") -> str:
    """The day as one HTML page that needs nothing else: no request, printable, whole without its one script.

    With ``mask`` (the default) mentions, e-mail addresses, telephone numbers, IBANs and the paths of links are
    replaced; see ``privacy`` for what patterns cannot find. Text ids stay. ``accounts``: authors are numbered, or
    shown as they are given, which are pseudonyms or names. Raises ValueError when more texts are labelled positive
    than were scored.
    """
    calls, others, mismatches = _views(day, mask, accounts)
    bars = chart.parties(day.parties)
    parties = [bar.row.party for bar in bars.bars]
    calls = finding.in_order(calls, parties)
    shown = [*calls, *others, *mismatches]
    found = filters.build(shown, parties)
    numbered = list(zip(shown, found.numbers, strict=True))
    return fill(
        "day.html",
        rules=found.rules,
        script="search.js" if found.all else "",
        day=day,
        verdicts=VERDICTS,
        model=day.model,
        mask=mask,
        accounts=accounts,
        share=raw(day.calls_total, day.scored_total, day.spread),
        metrics=chart.metrics(day.model.metrics, day.model.baseline),
        party_bars=chart.PartyChart(_most(bars.bars), bars.top),
        records=any(view.fact.record for view, _ in numbered),
        filters=found,
        calls=numbered[: len(calls)],
        others=numbered[len(calls) : len(calls) + len(others)],
        mismatches=numbered[len(calls) + len(others) :],
        top=_top(day.prevalence) if day.prevalence else 1.0,
        contrasts=_largest(day.prevalence) if day.prevalence else [],
    )


def render_texts(day: DayReport, mask: bool = True, accounts: Accounts = "numbers") -> dict[str, str]:
    """A page for each text of the day, by its name; arguments as for ``render``."""
    every = [view for part in _views(day, mask, accounts) for view in part]
    return {f"{view.key}.html": fill("text.html", day=day, view=view) for view in every}


def _top(found: Prevalence) -> float:
    """Where the one axis of all the shares ends. A slice of few texts may reach beyond it."""
    shares = [found.whole, *(one for rows in found.slices.values() for one in rows if one.texts >= _MANY)]
    return chart.axis_end(max(one.raw.high, one.corrected.high if one.corrected else 0.0) for one in shares)


def _most(bars: list[chart.PartyBar]) -> list[chart.PartyBar]:
    return [bar for at, bar in enumerate(bars) if at < _PARTIES or bar.row.party is None]


def _largest(found: Prevalence) -> list[Contrast]:
    return sorted(found.contrasts, key=lambda one: -one.difference.value)[:_PAIRS]


def write(folder: Path, day: DayReport, mask: bool = True, accounts: Accounts = "numbers") -> Path:
    """Write ``folder``/index.html and ``folder``/texts/, each file whole or not at all; returns the day's page.

    Pages of texts that the day does not show any more are removed. Raises AufrufError when the folder cannot be
    written.
    """
    pages = render_texts(day, mask, accounts)
    for name, page in pages.items():
        write_whole(folder / "texts" / name, page)
    path = write_whole(folder / "index.html", render(day, mask, accounts))
    for old in (folder / "texts").glob("*.html"):
        if old.name not in pages:
            old.unlink(missing_ok=True)  # another report may be at it
    return path


def without_words(folder: Path) -> bool:
    """Take the link to the page on words off the days' pages in ``folder`` where that page is gone.

    Returns whether there was one.
    """
    found = False
    if (folder / "words" / "index.html").is_file():
        return found
    for path in folder.glob("????-??-??/index.html"):
        page = path.read_text("utf-8", "replace")
        if (rest := _WORDS.sub("</nav>", page)) != page:
            write_whole(path, rest)
            found = True
    return found


def _views(day: DayReport, mask: bool, accounts: Accounts) -> list[list[finding.FindingView]]:
    """Calls, others and mismatches; one account has one number in all of them."""
    parts = (day.calls, day.others, day.mismatches)
    views = iter(finding.views([one for part in parts for one in part], mask, numbered=accounts == "numbers"))
    return [[next(views) for _ in part] for part in parts]
