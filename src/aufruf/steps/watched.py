"""The texts that ``monitor`` looks at: those labelled, those that arrived last, those of the weeks before."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from aufruf.arrow import plain
from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.model import drift
from aufruf.model.drift import Floats
from aufruf.model.tokenization import Tokenizer
from aufruf.schemas import SPLITS
from aufruf.steps import backlog, corpus, missing
from aufruf.steps.least import Least, numbers
from aufruf.steps.missing import Asked
from aufruf.steps.unlearnt import COLLECTED, clusters, held_out, learnt
from aufruf.store import Store

_MOST = 20_000  # texts of a sample: more would say nothing new, and memory stays flat
_WHOSE = ("platform", "post_id", "author", "posted_at")
_FOUND = "coalesce(t.collected_at, f.ingested_at)"  # when a post was scraped, else when its file was ingested


@dataclass(frozen=True)
class Sample:
    """Texts as figures: values by figure, NaN where a text has none; labels, None where it counts for none."""

    values: dict[str, Floats]
    labels: list[str | None]
    calls: Floats  # 1, 0, or NaN
    blocks: npt.NDArray[np.uint64]  # texts of one are alike: an account's day, else the post

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self, figure: str, names: Sequence[str]) -> drift.Counts:
        """Texts of each block in each bin of the figure, (blocks, bins); ``names``: the labels in their order."""
        if figure == drift.LABELS:
            return drift.counted(self.labels, names, self.blocks)
        return drift.binned(figure, self.values[figure], self.blocks)

    def without(self, learnt: npt.NDArray[np.bool_]) -> "Sample":
        """The same texts; those that a model may have learnt from, (texts,), count for no figure that shows it."""
        values = {
            name: np.where(learnt, np.nan, of) if name in (drift.NEW_WORDS, drift.PROBABILITIES) else of
            for name, of in self.values.items()
        }
        labels = [None if gone else one for one, gone in zip(self.labels, learnt, strict=True)]
        return Sample(values, labels, np.where(learnt, np.nan, self.calls), self.blocks)

    def mean(self, figure: str) -> float:
        """The figure's mean; of labels the share of the positive."""
        values = self.calls if figure == drift.LABELS else self.values[figure]
        return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


@dataclass(frozen=True)
class Watched:
    """The samples, and the last day (UTC) on which a post arrived."""

    day: date
    last: Sample
    weeks: Sample
    training: Sample
    learnt: bool  # some of the posts are trained on: figures that show it are of the sides that are not


def last_arrival(store: Store, classifier: Classifier) -> date | None:
    """The day (UTC) of the last arrival of a post's text; None before the first."""
    sql = f"select max({_FOUND}) as last {_collected(classifier)}"
    found = [row["last"] for batch in store.query(sql, "texts", "files", "splits") for row in batch.to_pylist()]
    return found[0].date() if found and found[0] is not None else None


def watched(store: Store, classifier: Classifier, version: str, day: date, tokenizer: Tokenizer) -> Watched:
    """What arrived in the days up to ``day``, in the weeks before these, and the labelled texts, as figures.

    What arrived are texts that the version has scored, annotated or not; at most 20,000 of a window, by their digest.
    Where some of them are trained on, new words, labels and probabilities are of texts whose wording is held out only:
    texts sent to annotators for what a model says of them are chosen among the others, and what a model says of those
    that it has learnt from is surer.
    """
    labelled = corpus_frame(store, classifier, version)
    train = labelled["split"] == "train"
    vocabulary = {word for text in labelled.loc[train, "text"] for word in drift.words(text)}
    since = day - timedelta(days=classifier.monitor.days - 1)
    before = since - timedelta(weeks=classifier.monitor.weeks)
    windows = ((since, day + timedelta(days=1)), (before, since))
    frames = arrived(store, classifier, version, windows)
    last, weeks = (_sample(frame, classifier, tokenizer, vocabulary) for frame in frames)
    learnt_from = any((frame["split"] == "train").any() for frame in frames)
    if learnt_from:
        known = learnt(store, classifier)
        last, weeks = (
            sample.without(~held_out(frame, known, classifier))
            for sample, frame in zip((last, weeks), frames, strict=True)
        )
    training = _sample(labelled, classifier, tokenizer, vocabulary)
    training.values[drift.NEW_WORDS][train.to_numpy()] = np.nan  # none of theirs are new
    return Watched(day, last, weeks, training, learnt_from)


def corpus_frame(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """The ledger's texts: text, split, label and probability as the version said - of train neither - and whose.

    What a model says of the texts it has learnt from is surer than what it says of others.
    """
    mine = {"classifier": classifier.name}
    ledger = corpus.in_use(store, classifier, *SPLITS)[["text_id", "split"]]
    texts = store.read("texts", {"text_id": ledger["text_id"].tolist()}, ["text_id", "digest", "text", *_WHOSE])
    held = ledger.loc[ledger["split"] != "train", "text_id"].tolist()
    asked = {**mine, "model_version": version, "text_id": held}
    said = store.read("predictions", asked, ["text_id", "digest", "label", "probabilities"])
    frame = ledger.merge(texts, on="text_id").merge(said, on=["text_id", "digest"], how="left")
    return frame.sort_values("text_id", ignore_index=True)


def arrived(
    store: Store, classifier: Classifier, version: str, windows: Sequence[tuple[date, date]]
) -> list[pd.DataFrame]:
    """Per window the scored texts of posts that arrived from its first day to just before its last: text, label, odds,
    group_id, split (None outside the ledger), and whose they are.

    A post that is collected again has the later time of collection: it came when it was first scored, at the latest.
    """
    found, whose = [Least(_MOST) for _ in windows], ", ".join(f"t.{name}" for name in _WHOSE)
    bounds = [[pd.Timestamp(day, tz="UTC").value // 1000 for day in window] for window in windows]
    for low, high in backlog.parts(store):  # the lowest digests first
        if all(one.full for one in found):
            break
        part = missing.Part(low, high)
        scored = missing.find(store, Asked(classifier.name, version), part)
        first = missing.first_said(store, classifier.name, scored, part)
        sql = (
            f"select t.text_id, t.digest, t.text, t.hash, t.group_id, s.split, {_FOUND} as found, {whose} "
            f"{_collected(classifier)} and {_FOUND} >= timestamp '{min(since for since, _ in windows)}' "
            f"and {missing.within('t', low, high)}"
        )
        for batch in store.query(sql, "texts", "files", "splits"):
            hashes = missing.hashes_of(batch)
            came = np.minimum(missing.microseconds(batch["found"]), scored.of(hashes, first))
            rest = plain(batch, ["text_id", "digest", "text", "group_id", "split", *_WHOSE])
            for least, (since, before) in zip(found, bounds, strict=True):
                some = rest.filter(pa.array(scored.scored(hashes) & (came >= since) & (came < before)))
                least.take(some, numbers(some).astype(float))
    return [_said(store, classifier, version, least.frame()) for least in found]


def _said(store: Store, classifier: Classifier, version: str, texts: pd.DataFrame | None) -> pd.DataFrame:
    """Texts with what the version has said of them."""
    if texts is None:
        names = ["text_id", "text", "label", "probabilities", "group_id", "split", *_WHOSE]
        return pd.DataFrame(columns=names, dtype=object)
    asked = {"classifier": classifier.name, "model_version": version, "text_id": texts["text_id"].tolist()}
    said = store.read("predictions", asked, ["text_id", "digest", "label", "probabilities"])
    return texts.merge(said, on=["text_id", "digest"])


def _collected(classifier: Classifier) -> str:
    """FROM and WHERE: texts of posts; not what arrived with its annotation only, which may be chosen from anywhere."""
    return (
        f"from (select *, {missing.HASH} as hash from texts) t left join files f on f.digest = t.file "  # noqa: S608
        f"left join (select text_id, split from splits where classifier = {quoted(classifier.name)}) s "
        f"on s.text_id = t.text_id where {COLLECTED}"
    )


def _blocks(frame: pd.DataFrame) -> npt.NDArray[np.uint64]:
    """Of each text: its account's day of posting (UTC), else its post."""
    rows = clusters(frame.assign(post_id=frame["post_id"].fillna(frame["text_id"])))
    at = pd.to_datetime(rows["posted_at"], utc=True)
    days = rows["account"].astype(str) + at.dt.strftime(" %Y-%m-%d").fillna("").astype(str)
    blocks = days.where(at.notna(), rows["post"].astype(str))
    return np.asarray(pd.util.hash_array(blocks.to_numpy(dtype=object)), dtype=np.uint64)


def _sample(frame: pd.DataFrame, classifier: Classifier, tokenizer: Tokenizer, vocabulary: set[str]) -> Sample:
    labels = [one if isinstance(one, str) else None for one in frame["label"]]
    odds = [one[classifier.positive] if isinstance(one, dict) else np.nan for one in frame["probabilities"]]
    values = dict(drift.of_texts(frame["text"].tolist(), tokenizer, vocabulary))
    values[drift.PROBABILITIES] = np.array(odds, dtype=float)
    calls = np.array([np.nan if one is None else float(classifier.is_call(one)) for one in labels], dtype=float)
    return Sample(values, labels, calls, _blocks(frame))
