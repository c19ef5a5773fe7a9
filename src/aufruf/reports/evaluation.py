"""The page on one version on the frozen test set: figures, pictures, slices, behaviour, and labels in doubt."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup

from aufruf.reports import chart
from aufruf.reports.finding import key_of
from aufruf.reports.intervals import Interval
from aufruf.reports.page import fill, write_whole
from aufruf.reports.privacy import masked

FOLDER = "evaluation"  # under the classifier's reports; a folder a version in it
_LONG = 400  # characters of a text; a neighbour has half of them


@dataclass(frozen=True)
class LabelRow:
    """F1 of one label, and how many test texts have it."""

    label: str
    texts: int
    f1: Interval


@dataclass(frozen=True)
class Picture:
    """A drawing as PNG, and what it shows in words."""

    title: str
    png: bytes
    told: str


@dataclass(frozen=True)
class SliceRow:
    """One part of the test set; a figure is None where it is a ratio of nothing."""

    dimension: str
    value: str
    n: int
    positives: int
    f1: Interval | None
    precision: Interval | None
    recall: Interval | None
    small: bool


@dataclass(frozen=True)
class Failure:
    """A behaviour test that failed: its texts, each with the probability of the positive, and what was expected."""

    texts: Sequence[tuple[str, float]]
    expected: str


@dataclass(frozen=True)
class Behaviour:
    """One capability."""

    name: str
    kind: str
    about: str
    passed: int
    of: int
    failures: Sequence[Failure]


@dataclass(frozen=True)
class Near:
    """A training text that reads like another, with its label; ``similarity``: cosine, 0 to 1."""

    text_id: str
    text: str
    label: str
    similarity: float


@dataclass(frozen=True)
class Doubt:
    """A test text whose label is not what the version says."""

    text_id: str
    text: str
    label: str
    said: str
    probability: float  # of the positive
    confidence: float  # the probability that the version gives the label
    margin: float
    suspect: bool
    votes: str
    near: Sequence[Near]


@dataclass(frozen=True)
class EvaluationReport:
    """Everything that the page says."""

    classifier: str
    positive: str
    version: str
    encoder: str
    stand_in_for: str | None
    evaluated_at: datetime
    n: int
    groups: int
    positives: int
    confidence: float  # of all intervals
    resamples: int
    threshold: float
    calibration: Mapping[str, Any] | None  # method, scale, shift, texts
    metrics: dict[str, Interval]
    baseline: dict[str, Interval]
    labels: Sequence[LabelRow]
    pictures: Sequence[Picture]
    slices: Sequence[SliceRow]
    unknown: Sequence[str]  # dimensions of which no test text has a value
    enough: tuple[int, int]  # texts and positives below which a slice is small
    behaviours: Sequence[Behaviour]
    doubts: Sequence[Doubt]
    doubts_of: int
    accounts: int | None = None  # that the texts come from; None: not known of each
    looks: int = 1  # at these rows, this one included; at fewer rows counts in part
    fixed: float | None = None  # the threshold that the classifier file names, the baseline's too; None: tuned
    ways: Sequence[tuple[str, str]] = ()  # what the page leads to: name and address


def place(reports: Path, classifier: str, version: str) -> Path:
    """Where the page of a version lies."""
    return reports / classifier / FOLDER / version / "index.html"


def render(report: EvaluationReport) -> str:
    """The page: no script, no request; drawings are in it, persons in texts are masked."""
    return fill(
        "evaluation.html",
        images=True,
        report=report,
        metrics=chart.metrics(report.metrics, report.baseline),
        pictures=[(one, Markup(b64encode(one.png).decode("ascii"))) for one in report.pictures],  # noqa: S704 - base64
        dimensions=_by_dimension(report.slices),
        passed=sum(one.passed for one in report.behaviours),
        asked=sum(one.of for one in report.behaviours),
        widthless=any(one is not None and one.low == one.high for one in _intervals(report)),
        short=lambda text: _short(text, _LONG),
        near_text=lambda text: _short(text, _LONG // 2),
        key_of=key_of,
        shown_id=lambda text_id: masked(text_id, numbers=False),
    )


def write(reports: Path, report: EvaluationReport, found: Mapping[str, Any]) -> Path:
    """Write the page and ``evaluation.json`` beside it; returns the page's path.

    The page comes last: where it is, the figures are too. Raises AufrufError when the folder cannot be written.
    """
    path = place(reports, report.classifier, report.version)
    built = {"encoder": report.encoder, "stand_in_for": report.stand_in_for}
    told = {**found, **built, "mismatches": [_numbers(one) for one in report.doubts]}
    write_whole(path.with_name("evaluation.json"), json.dumps(told, indent=1) + "\n")
    return write_whole(path, render(report))


def _intervals(report: EvaluationReport) -> Iterator[Interval | None]:
    """All that the page shows."""
    for of in (report.metrics, report.baseline):
        yield from (one for name, one in of.items() if name != chart.BIASED)
    yield from (row.f1 for row in report.labels)
    for row in report.slices:
        yield from (row.f1, row.precision, row.recall)


def _by_dimension(rows: Sequence[SliceRow]) -> dict[str, list[SliceRow]]:
    found: dict[str, list[SliceRow]] = {}
    for one in rows:
        found.setdefault(one.dimension, []).append(one)
    return found


def _short(text: str, most: int) -> str:
    """A text without persons, cut where it is long."""
    shown = masked(text)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


def _numbers(doubt: Doubt) -> dict[str, Any]:
    """Ids, labels and numbers of a doubt and its neighbours, no text."""
    return {**_textless(doubt), "near": [_textless(one) for one in doubt.near]}


def _textless(one: Doubt | Near) -> dict[str, Any]:
    return {key: value for key, value in vars(one).items() if key != "text"}
