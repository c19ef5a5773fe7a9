"""Sections of a classifier file on what happens once a model speaks: what is explained, watched, annotated, told."""

import re
import unicodedata
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
Days = Annotated[float, Field(ge=0, le=36_500)]  # what is longer, dates cannot hold
Hours = Annotated[float, Field(gt=0, le=720)]  # a month: Airflow reckons with them while it reads the DAG files
Seed = Annotated[int, Field(ge=0, lt=2**32 - 10_000)]  # NumPy's have 32 bits, and a sweep counts on from its own
Occasion = Literal["failure", "held_back", "promoted", "waiting", "drift", "late"]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # "Europe" is a folder
        raise ValueError(f"there is no time zone {name!r}; write one like Europe/Berlin") from None
    return name


Zone = Annotated[str, AfterValidator(_known_zone)]


class Explain(Section):
    calls: Literal["all"] | Whole = 20  # most certain new calls, or all of them
    uncertain: Whole = 5  # nearest to the threshold
    control: Whole = 5  # drawn at random
    mismatches: Whole = 5  # test texts on which the model and the annotators differ most
    perturbations: Annotated[int, Field(ge=50)] = 5000  # the ceiling; the library's default
    words: Count = 6
    exact: Annotated[int, Field(ge=0, le=14)] = 12  # up to so many distinct words all variants are scored, 2 to the n
    certainty: Literal["all"] | Annotated[float, Field(ge=0.5, le=1)] = 0.8  # of the words, to stop; "all": never stop
    fold_case: bool = False  # as LIME: "Wählen" and "wählen" are two words
    fit_floor: Share = 0.3  # weighted R2 below which the words say little about the model
    stability_floor: Share = 0.5  # overlap of two halves below which another draw would name other words
    faithfulness_floor: Share = 0.5  # below it random words matter more than those named
    faithfulness: Whole = 10  # texts of a job on which that is measured
    # names that are no reason for a label
    parties: tuple[str, ...] = ("CDU", "SPD", "CSU", "Grüne", "Grünen", "FDP", "Linke", "Linken", "AfD", "BSW")
    seed: Seed = 5460

    @model_validator(mode="after")
    def _parties_are_words(self) -> "Explain":
        for name in self.parties:
            if not re.fullmatch(r"[^\W_]\w*", unicodedata.normalize("NFC", name)):
                raise ValueError(
                    f"parties: {name!r} is not one word, and an explanation names single words; "
                    'write the one that tells the party, "Wähler" for "Freie Wähler"'
                )
        return self


class Limits(Section):
    """Jensen-Shannon distances from which on a figure has moved: above those of ordinary weeks (docs/monitoring.md)."""

    lengths: Share = 0.2  # one account against 31 others has 0.2 too
    unknown_tokens: Share = 0.1  # nearly every text has none, so a small distance means much
    new_words: Share = 0.2
    labels: Share = 0.1  # calls doubling from 10 to 20 of 100 texts
    probabilities: Share = 0.2


class Monitor(Section):
    limits: Limits = Limits()
    drift: Share | None = None  # one limit for all figures, instead
    minimum: Count = 100  # texts below which nothing is said
    days: Annotated[Count, Field(le=3650)] = 7  # up to the last arrival: the texts that are looked at
    # before these days: what they are compared with, beside the labelled texts
    weeks: Annotated[Count, Field(le=520)] = 4
    against: tuple[Literal["training", "weeks"], ...] = ("training", "weeks")  # what a check may fail for

    def limit(self, figure: str) -> float:
        """The distance from which on the figure has moved."""
        return self.drift if self.drift is not None else float(getattr(self.limits, figure))


class Teach(Section):
    """Which texts go out to be labelled next: shares of the reasons, as measured in docs/monitoring.md."""

    texts: Count = 100  # an hour's work of one annotator
    uncertain: Share = 0.35  # nearest to the threshold
    positive: Share = 0.35  # a rare label teaches more
    diverse: Share = 0.1  # unlike all that is labelled
    random: Share = 0.2  # the only ones that reach validation and test, which must stay a random sample

    @model_validator(mode="after")
    def _some_reason(self) -> "Teach":
        if not any(self.mix.values()):
            raise ValueError("one of uncertain, positive, diverse and random must be above 0")
        return self

    @property
    def mix(self) -> dict[str, float]:
        """Share of each reason."""
        return {name: getattr(self, name) for name in ("uncertain", "positive", "diverse", "random")}


class Notify(Section):
    """Where notifications go, and on which occasions. Nothing is sent without an address."""

    webhook: Annotated[str, Field(pattern=r"^([A-Z_][A-Z0-9_]*)?$")] = ""  # variable that holds the address: a secret
    email: tuple[Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()
    connection: str = "smtp_default"  # Airflow's connection to the mail server
    on: tuple[Occasion, ...] = get_args(Occasion)
    late_hours: Hours = 10.0  # from a night's start until it counts as late

    def wants(self, occasion: Occasion) -> bool:
        """Whether somebody is told of it."""
        return bool(self.webhook or self.email) and occasion in self.on


class Retention(Section):
    """What ``aufruf prune`` removes: days after which a thing goes; None: never."""

    checkpoints: Days | None = 7.0  # work folders of trainings and trials that nobody has gone on with
    runs: Days | None = 365.0  # runs in MLflow that have ended, but those of registered versions
    versions: Count | None = 20  # how many of the newest registered versions stay, beside those with an alias
    reports: Days | None = None  # pages are what papers cite
    tables: Days | None = 365.0  # old versions of tables; here and below the longest of all classifiers counts
    originals: Days | None = None  # files as they came, and rows refused from them
    texts: Days | None = None  # collected texts that nobody annotated, with all that models said of them
