"""The nouns: one class per table of the lake, its fields typed, its key beside it.

A field's type decides the column's type in the lake; ``| None`` makes it nullable.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal

Split = Literal["train", "validation", "test", "none"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
UNTYPED = "unknown"  # the type of a text where nobody has told which of a post's texts it is
TEXT_TYPES = ("caption", "ocr", "transcript", UNTYPED)
UNKNOWN = "unknown"  # the value of a dimension, a party say, where nobody has told it
ABSTAIN = "abstain"  # the label of a vote that declines to decide
NONE = "none"  # the label of a text to which none of several labels applies
JOINT = "|"  # between the labels of a text that has several; no label's name holds it
TEACH = "teach"  # why `aufruf queue` sends a text out: it would teach most, or is of the random share
SECOND_LOOK = ("tie", "contradiction", "mismatch")  # why our queues send a text out that has been judged before
CHOSEN = (*SECOND_LOOK, TEACH)  # all of these: labels of texts that were chosen are no sample of all labels
PROMOTED = ("first", "promoted")  # verdicts by which a challenger becomes champion
SCORED = "score:"  # so begins, in the quarantine, the name of a model's version in place of a file's digest
DECIDED_ELSEWHERE = ""  # the annotator of a label that arrived decided


@dataclass(frozen=True)
class IngestedFile:
    """A file that was read, once per content."""

    KEY: ClassVar = ("digest",)
    digest: str  # SHA-256 of the bytes
    classifiers: str  # space-separated: who took its votes from it; "" for posts
    name: str
    format: str
    kind: str  # annotations | posts
    rows: int
    kept: int
    refused: int
    status: str  # new | refused
    reasons: str  # why a whole file was refused; "" otherwise
    ingested_at: datetime


@dataclass(frozen=True)
class QuarantinedRow:
    """A refused row, whole, with every reason."""

    KEY: ClassVar = ("file", "item")
    file: str  # digest of the file; of a text that a model could not score: see ``SCORED``
    item: int  # 1-based: the line, record or task number in the file
    reasons: str  # "; "-separated
    row: str  # the row as JSON
    refused_at: datetime
    rescued_at: datetime | None = None  # when it was taken in after all; a rescued row is refused no longer


@dataclass(frozen=True)
class Text:
    """A text: a caption, the words read off an image, or a transcript."""

    KEY: ClassVar = ("text_id",)
    text_id: str  # stable across re-collection: platform:post_id:text_type, or the id the file gave; see data/identity
    post_id: str | None
    text: str
    text_type: str  # caption | ocr | transcript | unknown
    post_type: str | None  # post | story | reel
    platform: str | None
    author: str | None
    party: str | None
    posted_at: datetime | None
    collected_at: datetime | None
    digest: str  # SHA-256 of the text after NFC and white-space folding
    group_id: str  # texts that read the same after folding case, links, mentions, emoji, punctuation
    file: str  # digest of the file it came from


@dataclass(frozen=True)
class Annotation:
    """One vote."""

    KEY: ClassVar = ("classifier", "text_id", "annotator")
    classifier: str
    text_id: str
    annotator: str  # "" when the label was decided elsewhere
    label: str  # a label of the classifier, several joined by "|" or "none" where it allows that, or "abstain"
    annotated_at: datetime | None
    file: str
    seconds: float | None = None  # the time the vote took, where the export says so
    group_id: str | None = None  # how the text read that was voted on; None in lakes of before this was kept
    why: str | None = None  # of CHOSEN: why our queue had sent the text out; None: it had not
    first: str | None = None  # what the same annotator had said before a second look
    first_file: str | None = None  # the file that brought it; None also in lakes of before this was kept


@dataclass(frozen=True)
class Author:
    """An account and its party, from a table of authors."""

    KEY: ClassVar = ("author",)
    author: str  # case-folded
    party: str


@dataclass(frozen=True)
class Label:
    """The decided label of a text, or the reason why there is none yet."""

    KEY: ClassVar = ("classifier", "text_id")
    classifier: str
    text_id: str
    label: str | None  # None while undecided
    votes: int  # abstentions not counted
    margin: float  # (votes for the label - votes for the runner-up) / votes; of several labels the smallest
    how: str  # majority | unanimous | elsewhere | tie | too_few_votes | contradiction | held_back | edited
    decided_at: datetime


@dataclass(frozen=True)
class SplitRow:
    """One line of the split ledger. Never changed, never removed."""

    KEY: ClassVar = ("classifier", "text_id")
    classifier: str
    text_id: str
    digest: str
    group_id: str  # post and near-duplicate group: never on two sides
    split: str  # train | validation | test, or none with a reason
    reason: str
    assigned_at: datetime


@dataclass(frozen=True)
class Signature:
    """What a search for near-duplicates needs of a wording. It belongs to the wording, so it never changes."""

    KEY: ClassVar = ("scheme", "wording")
    scheme: str  # how it was made; another threshold has other bands
    wording: str  # group_id of the texts that read so
    grams: int  # different character 5-grams
    bands: bytes  # one 64-bit number a band; empty for a wording too short to have near-duplicates
    sketch: bytes  # 1,024 bits: where each 5-gram falls
    renamed: bool | None = None  # the wording has another name today: it was given when texts were folded otherwise


@dataclass(frozen=True)
class Prediction:
    """What one model version says of one text."""

    KEY: ClassVar = ("classifier", "text_id", "digest", "model_version")
    classifier: str
    text_id: str
    digest: str
    model_version: str
    label: str
    probabilities: dict[str, float]  # one per label of the classifier
    confident: bool  # False inside the classifier's abstain band
    scored_at: datetime
    run: str  # MLflow run of the model


@dataclass(frozen=True)
class Explanation:
    """Why a model version said so: words and weights of a local linear model."""

    KEY: ClassVar = ("classifier", "text_id", "digest", "model_version")
    classifier: str
    text_id: str
    digest: str
    model_version: str
    chosen: str  # why this text: call | uncertain | control | mismatch | where
    label: str
    words: str  # JSON: [[word, weight], ...], strongest first
    fit: float  # weighted R2 of the local model
    stability: float  # overlap of the top words of two independent halves, 0..1
    explained_at: datetime
    way: str | None = None  # exact | adaptive | drawn | none; None, like all below, in rows of before this was kept
    drawn: int | None = None  # perturbations taken; 0 where every variant was scored
    scored: int | None = None  # distinct texts that the model had to score
    certainty: float | None = None  # share of resamples that name the same words; None where nothing was resampled
    faithfulness: float | None = None  # share of random words that matter less than the top words; None: not measured
    unreliable: str | None = None  # why not to rely on it, "" where nothing speaks against it


@dataclass(frozen=True)
class Decision:
    """One verdict on a challenger."""

    KEY: ClassVar = ("classifier", "challenger", "at")
    classifier: str
    challenger: str
    champion: str | None
    at: datetime
    verdict: str  # first | promoted | kept | waiting
    reasons: str  # JSON list of sentences
    challenger_metrics: str  # JSON {name: {value, low, high}}
    champion_metrics: str | None
    value: float | None  # difference of the gate's metric, challenger - champion
    low: float | None
    high: float | None
    test_rows: int
    fingerprint: str  # digest of the test rows, labels and gate that were judged
    looks: int | None = None  # challengers judged on these test rows, this one included
    step: float | None = None  # what the difference had to exceed; without a champion, that to the baseline
    decided_by: str | None = None  # None: the gate; person, person:ACCOUNT as Airflow calls it, nobody (not in time)


@dataclass(frozen=True)
class Tombstone:
    """A text or a post that was forgotten and is not taken in again. Nothing in it says which."""

    KEY: ClassVar = ("tomb",)
    tomb: str  # SHA-256 of the salt and the id
    salt: str
    forgotten_at: datetime
    done_at: datetime | None  # when everything of it was gone; None: the command broke off before


@dataclass(frozen=True)
class Champion:
    """One change of who speaks: a version came into use, was refused, or the alias was taken away."""

    KEY: ClassVar = ("classifier", "since")
    classifier: str
    since: datetime  # when aufruf moved the alias, or noticed that somebody had
    version: str | None  # None: the alias was taken away
    how: str  # gate | approval | hand | rollback
    replaced: str | None  # the version that spoke before
    refused: str | None  # why the version may not speak, and the one before goes on; None: it speaks


@dataclass(frozen=True)
class Shift:
    """How far one figure of the posts that arrived last lies from what it is compared with."""

    KEY: ClassVar = ("classifier", "day", "figure", "against")
    classifier: str
    day: str  # of the last arrival, YYYY-MM-DD, UTC
    figure: str  # lengths | unknown_tokens | new_words | labels | probabilities
    against: str  # training | weeks
    model_version: str
    texts: int  # of the last days
    compared: int  # texts that they are compared with
    mean_before: float  # of these; of labels the share of the positive; NaN where there is none
    mean_now: float
    distance: float  # Jensen-Shannon, base 2, 0..1
    noise: float  # what chance stays below, 999 times of 1,000
    allowed: float  # by the classifier file
    moved: bool  # further than both
    measured_at: datetime


def names_in(value: str) -> tuple[str, ...]:
    """The names that a value of a column ``label`` is made of: one, or the labels of a text that has several."""
    return tuple(value.split(JOINT))


TABLES: dict[str, Any] = {
    "files": IngestedFile,
    "quarantine": QuarantinedRow,
    "texts": Text,
    "authors": Author,
    "annotations": Annotation,
    "labels": Label,
    "splits": SplitRow,
    "signatures": Signature,
    "predictions": Prediction,
    "explanations": Explanation,
    "decisions": Decision,
    "champions": Champion,
    "tombstones": Tombstone,
    "shifts": Shift,
}
