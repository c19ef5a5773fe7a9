"""The texts that ``monitor`` looks at: those labelled, those that arrived last, those of the weeks before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from aufruf.arrow import plain
from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.model import drift
from aufruf.model.drift import Floats
from aufruf.model.tokenization import Tokenizer
from aufruf.steps import backlog, missing
from aufruf.steps.least import Least, numbers
from aufruf.steps.missing import Asked
from aufruf.store import Store

_MOST = 20_000  # texts of a sample: more would say nothing new, and memory stays flat
_FOUND = "coalesce(t.collected_at, f.ingested_at)"  # when a post was scraped, else when its file was ingested


@dataclass(frozen=True)
class Sample:
    """Texts as figures: values by figure, NaN where a text has none; labels, None where it counts for none."""

    values: dict[str, Floats]
    labels: list[str | None]
    calls: Floats  # 1, 0, or NaN

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self, figure: str, names: Sequence[str]) -> drift.Counts:
        """Texts in each bin of the figure; ``names``: the labels in their order."""
        if figure == drift.LABELS:
            return drift.counted([one for one in self.labels if one is not None], names)
        return drift.binned(figure, self.values[figure])

    def mean(self, figure: str) -> float:
        """The figure's mean; of labels the share of the positive."""
        values = self.calls if figure == drift.LABELS else self.values[figure]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class Watched:
    """The samples, and the last day (UTC) on which a post arrived that nobody has annotated."""

    day: date
    last: Sample
    weeks: Sample
    training: Sample


def last_arrival(store: Store, classifier: Classifier) -> date | None:
    """The day (UTC) of the last arrival of a text outside the ledger; None before the first."""
    sql = f"select max({_FOUND}) as last {_outside(classifier)}"
    found = [row["last"] for batch in store.query(sql, "texts", "files", "splits") for row in batch.to_pylist()]
    return found[0].date() if found and found[0] is not None else None


def watched(store: Store, classifier: Classifier, version: str, day: date, tokenizer: Tokenizer) -> Watched:
    """What arrived in the days up to ``day``, in the weeks before these, and the labelled texts, as figures.

    Unlabelled texts are those that the version has scored; at most 20,000 of a window, by their digest.
    """
    labelled = corpus_frame(store, classifier, version)
    train = labelled["split"] == "train"
    vocabulary = {word for text in labelled.loc[train, "text"] for word in drift.words(text)}
    since = day - timedelta(days=classifier.monitor.days - 1)
    before = since - timedelta(weeks=classifier.monitor.weeks)
    windows = ((since, day + timedelta(days=1)), (before, since))
    last, weeks = (
        _sample(frame, classifier, tokenizer, vocabulary) for frame in arrived(store, classifier, version, windows)
    )
    training = _sample(labelled, classifier, tokenizer, vocabulary)
    training.values[drift.NEW_WORDS][train.to_numpy()] = np.nan  # none of theirs are new
    return Watched(day, last, weeks, training)


def corpus_frame(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """The ledger's texts: text, split, label and probability as the version said - of train neither.

    What a model says of the texts it has learnt from is surer than what it says of others.
    """
    mine = {"classifier": classifier.name}
    ledger = store.read("splits", mine, ["text_id", "split"])
    ledger = ledger[ledger["split"] != "none"]
    texts = store.read("texts", {"text_id": ledger["text_id"].tolist()}, ["text_id", "digest", "text"])
    held = ledger.loc[ledger["split"] != "train", "text_id"].tolist()
    asked = {**mine, "model_version": version, "text_id": held}
    said = store.read("predictions", asked, ["text_id", "digest", "label", "probabilities"])
    frame = ledger.merge(texts, on="text_id").merge(said, on=["text_id", "digest"], how="left")
    return frame.sort_values("text_id", ignore_index=True)


def arrived(
    store: Store, classifier: Classifier, version: str, windows: Sequence[tuple[date, date]]
) -> list[pd.DataFrame]:
    """Per window the scored texts outside the ledger that arrived from its first day to just before its last: text,
    label, odds."""
    found = [Least(_MOST) for _ in windows]
    for low, high in backlog.parts(store):  # the lowest digests first
        if all(one.full for one in found):
            break
        scored = missing.find(store, Asked(classifier.name, version), missing.Part(low, high))
        for least, (since, before) in zip(found, windows, strict=True):
            sql = (
                f"select t.text_id, t.digest, t.text, t.hash {_outside(classifier)} "
                f"and {_FOUND} >= timestamp '{since}' and {_FOUND} < timestamp '{before}' "
                f"and {missing.within('t', low, high)}"
            )
            for batch in store.query(sql, "texts", "files", "splits"):
                rest = plain(batch, ["text_id", "digest", "text"])
                rest = rest.filter(pa.array(scored.scored(missing.hashes_of(batch))))
                least.take(rest, numbers(rest).astype(float))
    return [_said(store, classifier, version, least.frame()) for least in found]


def _said(store: Store, classifier: Classifier, version: str, texts: pd.DataFrame | None) -> pd.DataFrame:
    """Texts with what the version has said of them."""
    if texts is None:
        return pd.DataFrame(columns=["text", "label", "probabilities"], dtype=object)
    asked = {"classifier": classifier.name, "model_version": version, "text_id": texts["text_id"].tolist()}
    said = store.read("predictions", asked, ["text_id", "digest", "label", "probabilities"])
    return texts.merge(said, on=["text_id", "digest"])


def _outside(classifier: Classifier) -> str:
    """FROM and WHERE: texts that nobody has annotated."""
    return (
        f"from (select *, {missing.HASH} as hash from texts) t left join files f on f.digest = t.file "  # noqa: S608
        f"where t.text_id not in (select text_id from splits where classifier = {quoted(classifier.name)})"
    )


def _sample(frame: pd.DataFrame, classifier: Classifier, tokenizer: Tokenizer, vocabulary: set[str]) -> Sample:
    labels = [one if isinstance(one, str) else None for one in frame["label"]]
    odds = [one[classifier.positive] if isinstance(one, dict) else np.nan for one in frame["probabilities"]]
    values = dict(drift.of_texts(frame["text"].tolist(), tokenizer, vocabulary))
    values[drift.PROBABILITIES] = np.array(odds, dtype=float)
    calls = np.array([np.nan if one is None else float(classifier.is_call(one)) for one in labels], dtype=float)
    return Sample(values, labels, calls)
