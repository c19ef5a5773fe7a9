"""The page on how far annotators agree: alpha, kappas, people, and what waits for another vote."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aufruf.reports.chart import percent
from aufruf.reports.finding import key_of
from aufruf.reports.page import fill, write_whole
from aufruf.reports.privacy import masked, masked_name

_SHOWN = 100  # undecided texts on the page; the queue has them all
_PAIRS = 100  # of annotators on the page; they grow with the square of the people


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha with its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    texts: int  # with two votes or more
    note: str = ""  # why the interval says little


@dataclass(frozen=True)
class Pair:
    """Cohen's kappa of two annotators, and the number of texts that both voted on."""

    one: str
    other: str
    kappa: float | None
    texts: int


@dataclass(frozen=True)
class Coder:
    """One annotator in figures; None where there is nothing to measure."""

    name: str
    votes: Mapping[str, int]  # per label
    abstained: float  # share
    agreement: float | None
    kappa: float | None
    seconds: float | None
    held_out: int  # votes that do not count because their batch is held out
    excluded: bool


@dataclass(frozen=True)
class Batch:
    """A batch of votes that is held out."""

    file: str
    votes: int
    alpha: Alpha
    reason: str


@dataclass(frozen=True)
class Undecided:
    """A text without a label: its id, why, and its votes as counts."""

    text_id: str
    why: str
    votes: Mapping[str, int]


@dataclass(frozen=True)
class AgreementReport:
    """Everything that the page says."""

    classifier: str
    labels: Sequence[str]
    decided: int  # texts with a label
    outcomes: Mapping[str, int]  # how -> texts
    floor: float
    minimum: int
    overall: Alpha
    by_type: Mapping[str, Alpha]
    by_label: Mapping[str, Alpha]  # where a text may have several, else empty
    pairs: Sequence[Pair]
    coders: Sequence[Coder]
    batches: Sequence[Batch]
    undecided: Sequence[Undecided]
    doubles: Sequence[tuple[str, str, int]] = ()  # two names that seem to be one person's, and votes that say so
    second_looks: int = 0  # votes cast when a text was sent out again


@dataclass(frozen=True)
class _AlphaRow:
    name: str
    alpha: Alpha
    strong: bool


@dataclass(frozen=True)
class _Bar:
    label: str
    votes: int
    width: float  # percent of the widest


def render(report: AgreementReport, listed: bool = True) -> str:
    """The page: no script, no request; people as the report names them, addresses and handles masked.

    ``listed``: the list of the classifier's days lies beside it, and can be linked to.
    """
    labels = [_AlphaRow(f"label {name}", one, False) for name, one in report.by_label.items()]
    types = [_AlphaRow(name, one, False) for name, one in sorted(report.by_type.items())]
    top = max((votes for coder in report.coders for votes in coder.votes.values()), default=0)
    return fill(
        "agreement.html",
        report=report,
        alphas=[_AlphaRow("all texts", report.overall, True), *labels, *types],
        who=lambda name: masked(name, numbers=False),
        listed=listed,
        named=masked_name,
        bars=[
            (coder, [_bar(label, coder.votes.get(label, 0), top) for label in report.labels]) for coder in report.coders
        ],
        pairs=_pairs(report.pairs),
        timed=any(coder.seconds is not None for coder in report.coders),
        shown=report.undecided[:_SHOWN],
        key_of=key_of,
        shown_id=lambda text_id: masked(text_id, numbers=False),
        below=report.overall.value is not None and report.overall.value < report.floor,
    )


def write(folder: Path, report: AgreementReport) -> tuple[Path, bool]:
    """Write ``folder``/agreement.html unless it says the same already; returns its path and whether it was written.

    Raises AufrufError when the folder cannot be written.
    """
    path = folder / "agreement.html"
    page = render(report, listed=(folder / "index.html").is_file())
    if path.is_file() and path.read_text(encoding="utf-8") == page:
        return path, False
    return write_whole(path, page), True


def _pairs(pairs: Sequence[Pair]) -> Sequence[Pair]:
    """All of them, or those with the most texts in common, which say most."""
    return pairs if len(pairs) <= _PAIRS else sorted(pairs, key=lambda pair: -pair.texts)[:_PAIRS]


def _bar(label: str, votes: int, top: int) -> _Bar:
    return _Bar(label, votes, percent(votes, top) if top else 0.0)
