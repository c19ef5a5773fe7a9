"""The facts a page is made of. A caller fills them in; nothing on a page comes from elsewhere."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from aufruf.reports.clusters import Spread
from aufruf.reports.intervals import Interval
from aufruf.reports.prevalence import Prevalence

FIT_FLOOR = 0.3  # local R2 below which the words say little about the model
STABILITY_FLOOR = 0.5  # overlap of two halves below which another draw would name other words


@dataclass(frozen=True)
class ModelCard:
    """The model version that speaks, and how well it did on the frozen test set beside the baseline."""

    version: str
    run_id: str
    run_url: str | None  # shown as a link only when http or https, without credentials
    encoder: str  # what was fine-tuned
    stand_in_for: str | None  # the configured encoder, when the hub-free stand-in was used instead
    metrics: dict[str, Interval]  # f1, precision, recall, macro_f1, average_precision; 0..1
    baseline: dict[str, Interval]  # the same of TF-IDF and logistic regression
    test_rows: int
    threshold: float  # probability of the positive class from which a text counts
    trained_at: datetime | None
    max_tokens: int  # word pieces of a text that the encoder reads
    in_words: bool = True  # its figures may be told as so many of 100


@dataclass(frozen=True)
class DecisionNote:
    """The last verdict on a challenger."""

    verdict: Literal["first", "promoted", "kept", "waiting"]
    sentence: str
    reasons: list[str]
    at: datetime


@dataclass(frozen=True)
class PartyCount:
    """Calls among the scored texts of one party; ``low`` and ``high`` bound the raw share (``prevalence.raw``)."""

    party: str | None
    texts: int
    calls: int
    low: float
    high: float


@dataclass(frozen=True)
class Explained:
    """Words with weights towards (+) or away from (-) the positive class, and how far to trust them."""

    words: list[tuple[str, float]]
    fit: float  # weighted R2 of the local model
    stability: float  # overlap of the top words of two independent halves, 0..1
    faithfulness: float | None = None  # share of random sets of words that matter less, 0..1; None where not measured
    unreliable: str | None = None  # why, as it was stored, "; " between reasons; None where that was not kept yet
    fold_case: bool = False  # a word stands wherever it does but for case

    @property
    def doubts(self) -> list[str]:
        """Why the words are not reliable; empty when they are."""
        if self.unreliable is not None:
            return [reason for reason in self.unreliable.split("; ") if reason]
        found = []
        if not self.fit >= FIT_FLOOR:  # also true for NaN
            found.append(f"fit below {FIT_FLOOR}")
        if not self.stability >= STABILITY_FLOOR:
            found.append(f"stability below {STABILITY_FLOOR}")
        return found


@dataclass(frozen=True)
class Record:
    """What became of test texts to which the version gave a similar probability; an interval for its answer."""

    texts: int  # the nearest ones
    calls: int  # of them, labelled positive by people
    least: float  # the lowest and
    most: float  # the highest probability among them
    low: float  # 95 % interval of calls / texts (``wilson``)
    high: float


@dataclass(frozen=True)
class Neighbour:
    """A training text that reads alike, and what people called it."""

    text_id: str
    text: str
    label: str
    similarity: float  # cosine of TF-IDF vectors, 0..1


@dataclass(frozen=True)
class Finding:
    """One text with what the model says of it."""

    text_id: str
    text: str
    party: str | None
    author: str | None
    text_type: str  # caption | ocr | transcript | unknown
    posted_at: datetime | None
    label: str
    probability: float  # of the positive class
    confident: bool  # False inside the abstain band around the threshold
    chosen: str | None  # call | uncertain | control | mismatch | where
    explained: Explained | None
    record: Record | None = None  # None without a measured test set
    neighbours: list[Neighbour] = field(default_factory=list)  # the most similar first
    decided: str | None = None  # what people called it, where they did


@dataclass(frozen=True)
class DayReport:
    """All facts of one page."""

    classifier: str
    positive: str  # the label that counts
    day: date
    generated_at: datetime
    model: ModelCard
    decision: DecisionNote | None
    scored_total: int  # texts that this version has scored
    scored_last: int  # of scored_total, by the last scoring
    scored_on: date | None  # the day of that; None where nothing was scored
    calls_total: int  # of scored_total, labelled positive
    undecided: int  # of scored_total, not confident
    ledger: dict[str, int]  # train, validation, test: texts in the split ledger
    parties: list[PartyCount]
    calls: list[Finding]  # as many as the page shall show
    calls_shown_of: int  # ... of so many
    others: list[Finding]  # uncertain texts and the random control
    mismatches: list[Finding] = field(default_factory=list)  # test texts that people labelled otherwise
    prevalence: Prevalence | None = None  # None: no text to count
    fit_floor: float = FIT_FLOOR
    stability_floor: float = STABILITY_FLOOR
    spread: Spread = field(default_factory=Spread)  # of the calls from account to account
    confidence: float = 0.95  # of the intervals of the model's metrics
    words_page: str | None = None  # relative address of the page on words, where there is one
    unscored: int = 0  # texts of the lake that this version has yet to score, or could not
    outside_window: int = 0  # ... and those that it leaves to the versions before it
    since: str | None = None  # the day on which that window begins
    moved: list[str] = field(default_factory=list)  # what ``monitor`` last found of this version, in sentences
