"""The page on which a day starts: who scores, what happened at night, what waits for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from aufruf.reports import chart, finding
from aufruf.reports.champions import HOW, VERDICTS
from aufruf.reports.facts import DecisionNote, Finding
from aufruf.reports.inert import page_address, web_address
from aufruf.reports.intervals import Interval
from aufruf.reports.page import fill, style_of
from aufruf.reports.prevalence import Contrast, Prevalence, Share

_NIGHTS = 14
_WEEKS = 8
_MANY = 30  # texts from which a slice has a say in the length of the axis


@dataclass(frozen=True)
class Link:
    """Where a word leads: a place below this page, or the address of another server."""

    title: str
    address: str
    download: bool = False

    @property
    def href(self) -> str | None:
        """The address when it is safe to follow, else None."""
        inside = not self.address.startswith(("http://", "https://", "/"))
        if inside:
            return page_address(self.address)
        return self.address if self.address.startswith("/") and self.address[1:2] != "/" else web_address(self.address)


@dataclass(frozen=True)
class Model:
    """A version with its figures on the frozen test set; ``since`` when it scores, in the classifier's zone."""

    version: str
    metrics: dict[str, Interval]
    test_rows: int
    links: list[Link]
    since: datetime | None = None
    how: str | None = None
    refused: str | None = None  # the version that should score and may not, and why
    encoder: str | None = None  # where its evaluation says so
    stand_in_for: str | None = None  # the configured encoder, when a stand-in was trained instead
    in_words: bool = True  # its figures may be told as so many of 100


@dataclass(frozen=True)
class Verdict:
    """The last decision; ``difference`` in shares of 1, None for a first model."""

    challenger: str
    champion: str | None
    note: DecisionNote
    difference: Interval | None


@dataclass(frozen=True)
class Event:
    """Something that happened, ``at`` in the classifier's zone."""

    at: datetime
    kind: str  # first | promoted | kept | waiting | scored | taken | held | failed | running
    sentence: str
    links: list[Link] = field(default_factory=list)


@dataclass(frozen=True)
class Learnt:
    """A version that was judged: its figure, and how many labelled texts the ledger had by then."""

    version: str
    at: datetime
    value: Interval
    promoted: bool
    labels: int
    waits: bool = False  # for a person, to be promoted


@dataclass(frozen=True)
class Waiting:
    """Something that waits for a person."""

    title: str
    count: int
    sentence: str
    links: list[Link]


@dataclass(frozen=True)
class Desk:
    """All facts of the page."""

    classifier: str
    positive: str
    metric: str
    at: datetime  # now, in the classifier's zone
    champion: Model | None
    challenger: Model | None
    verdict: Verdict | None
    scored_on: date | None  # the day on which texts were last scored
    scored: int  # on it
    calls: list[Finding]  # the ones to show
    calls_of: int  # ... of so many of that day
    prevalence: Prevalence | None
    events: list[Event]
    learnt: list[Learnt]
    waiting: list[Waiting]
    checks: list[Link]
    pages: list[Link]
    texts_at: str | None  # folder of the pages of single texts, relative
    text_pages: frozenset[str]  # their names
    mask: bool = True
    numbered: bool = True
    inbox: str = ""  # the folder that takes annotations in
    confidence: float = 0.95  # of the intervals of metrics
    files: bool = True  # the page tells of files and of what waits in them
    unscored: int = 0  # texts that the champion has yet to score, or could not
    outside_window: int = 0  # ... and those that it leaves to the versions before it
    since: str | None = None  # the day on which that window begins


def render(desk: Desk) -> str:
    """The page: no request, one script that only opens links in a tab of their own where the page is framed."""
    ours = desk.champion.metrics if desk.champion else {}
    theirs = desk.challenger.metrics if desk.challenger else {}
    newest = sorted(desk.events, key=lambda event: event.at, reverse=True)
    nights = [(day, list(some)) for day, some in groupby(newest, key=lambda event: event.at.date())]
    found = desk.prevalence
    dated = [one for one in found.slices["week"] if one.name] if found else []
    weeks = dated[-_WEEKS:]
    return fill(
        "desk.html",
        rules=style_of("desk.css"),
        script="frame.js",
        desk=desk,
        metrics=chart.metrics(ours, theirs)[:6],
        metric_name=chart.name_of(desk.metric),
        how=HOW,
        verdicts=VERDICTS,
        nights=nights[:_NIGHTS],
        views=finding.views(desk.calls, desk.mask, numbered=desk.numbered),
        most_labels=max((one.labels for one in desk.learnt), default=1) or 1,
        weeks=weeks,
        weeks_of=len(dated),
        top=_top([found.whole, *found.slices["party"], *weeks]) if found else 1.0,
        contrasts=_contrasts(found) if found else [],
    )


def render_front(classifiers: Sequence[tuple[str, str]]) -> str:
    """The list of classifiers: name, and a sentence on each."""
    rows = [(name, page_address(f"{name}/"), said) for name, said in classifiers]
    return fill("front.html", rules=style_of("desk.css"), rows=rows)


def render_problem(title: str, sentence: str, next_: str, link: Link | None = None) -> str:
    """A page that says what is wrong and what to do."""
    return fill(
        "problem.html",
        rules=style_of("desk.css"),
        script="frame.js",
        title=title,
        sentence=sentence,
        next=next_,
        link=link,
    )


def _top(shares: Sequence[Share]) -> float:
    counted = [one for one in shares if one.texts >= _MANY] or list(shares)
    return chart.axis_end(max(one.raw.high, one.corrected.high if one.corrected else 0.0) for one in counted)


def _contrasts(found: Prevalence) -> list[Contrast]:
    return sorted(found.contrasts, key=lambda one: -one.difference.value)[:3]
