"""The step ``queue``: the unlabelled texts that would teach the model most, as Label Studio tasks for annotators."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aufruf.arrow import plain
from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.data import queue as queues
from aufruf.data.linkage import FACTS
from aufruf.data.shares import hashed, side
from aufruf.errors import UsageError
from aufruf.model.teaching import chosen
from aufruf.release.registry import Registry, Version
from aufruf.reports.index import TEACH, write_index
from aufruf.settings import Settings
from aufruf.steps import backlog, missing
from aufruf.steps.buried import anew
from aufruf.steps.champion import speaking
from aufruf.steps.least import Least, numbers
from aufruf.steps.missing import Asked
from aufruf.steps.wordings import alike
from aufruf.store import Store

_TIMES = 20  # as many candidates by each reason as texts are asked for
_MOST = 2000  # ... and no more: each is compared with all labelled texts


@anew
def queue(
    settings: Settings, classifier: Classifier, texts: int | None = None, out: Path | None = None
) -> dict[str, Any]:
    """Write the ``texts`` (default: as the classifier file asks) that would teach most; returns counts and the path.

    Candidates are texts that the champion has scored and that nobody has voted on, and that share no post, wording or
    near-duplicate group with one that has a vote or a place in the ledger. All but the random ones are such that the
    ledger will put them into train, and keep out no text that chance may bring into validation or test, so that these
    stay what they are: a random sample. ``out``: a file (default reports/<classifier>/queue/tasks.json). Raises
    NothingYet without a champion, UsageError for no texts.
    """
    most = classifier.teach.texts if texts is None else texts
    if most < 1:
        raise UsageError("--texts must be at least 1", next="Without it, the classifier file says how many.")
    if out is not None:
        queues.check(out)
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version = speaking(settings, classifier, registry).version
    candidates = _candidates(store, classifier, version, most)
    picks = _picked(store, classifier, version, candidates, most)
    path = out or settings.reports / classifier.name / TEACH
    path.parent.mkdir(parents=True, exist_ok=True)
    queues.write(path, queues.teaching(picks))
    if out is None:
        write_index(settings.reports / classifier.name, classifier.name, settings.front(classifier.name))
    return {
        "model_version": version.version,
        "queued": len(picks),
        "why": dict(sorted(Counter(picks["why"]).items())),
        "queue": str(path),
        "status": "new" if len(picks) else "nothing to do",
    }


def _candidates(store: Store, classifier: Classifier, version: Version, most: int) -> pd.DataFrame:
    """Per reason the best unlabelled texts, with what ``apart`` says of them: facts of linkage, text, probability."""
    size = min(most * _TIMES, _MOST)
    annotated = _annotated_ids(store, classifier)
    frame = ranked(store, classifier, version.version, float(version.tags["aufruf.threshold"]), annotated, size)
    return apart(store, classifier, frame, store.read("texts", {"text_id": sorted(annotated)}, FACTS))


def ranked(
    store: Store, classifier: Classifier, version: str, threshold: float, annotated: set[str], size: int
) -> pd.DataFrame:
    """The nearest to the threshold, the surest calls, and some by their digest, which no model has looked at (column
    ``drawn``), of the texts that the version has scored and nobody has annotated; ``size`` of each."""
    known = pa.array(sorted(annotated), pa.string())
    odds, (near, sure, drawn) = f"probabilities[{quoted(classifier.positive)}]", (Least(size) for _ in range(3))
    for low, high in backlog.parts(store):
        found = missing.find(store, Asked(classifier.name, version), missing.Part(low, high))
        sql = (
            f"select text_id, digest, {odds} as probability, {missing.HASH} as hash "  # noqa: S608 - quoted
            f"from predictions where classifier = {quoted(classifier.name)} "
            f"and model_version = {quoted(version)} and {missing.within('predictions', low, high)}"
        )
        for batch in store.query(sql, "predictions"):
            rest = plain(batch, ["text_id", "digest", "probability"])
            seen = pc.is_in(rest["text_id"], known).to_numpy(zero_copy_only=False)
            odd = ~np.isfinite(rest["probability"].to_numpy(zero_copy_only=False).astype(float))
            rest = rest.filter(pa.array(found.scored(missing.hashes_of(batch)) & ~seen & ~odd))
            said = rest["probability"].to_numpy(zero_copy_only=False)
            near.take(rest, np.abs(said - threshold))
            sure.take(rest, -said)
            drawn.take(rest, numbers(rest).astype(float))
    parts = [one for part in (near, sure, drawn) if (one := part.frame()) is not None]
    if not parts:
        return pd.DataFrame(columns=[*FACTS, "text", "probability", "drawn"], dtype=object)
    rows = pd.concat(parts, ignore_index=True).drop_duplicates("text_id")
    rows["drawn"] = rows["text_id"].isin(parts[-1]["text_id"])
    texts = store.read("texts", {"text_id": rows["text_id"].tolist()}, [*FACTS, "text"])
    return rows.merge(texts, on=["text_id", "digest"])


def _annotated_ids(store: Store, classifier: Classifier) -> set[str]:
    """The texts that have a vote or a place in the ledger."""
    return {
        text_id
        for table in ("annotations", "splits")
        for text_id in store.read(table, {"classifier": classifier.name}, ["text_id"])["text_id"]
    }


def apart(store: Store, classifier: Classifier, frame: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """The texts that share no post, wording or near-duplicates with a known one, in the order of their digests.

    ``post`` and ``near`` are numbers: of the texts with one number only one may go out. ``drawn`` is left to the first
    text of each post and each group of near-duplicates, whatever a model says of the others. ``choosable``: see
    ``_choosable``.
    """
    frame = frame[~posts_of(frame).isin(set(posts_of(known.dropna(subset=["post_id"]))))]
    names, theirs = sorted(set(frame["group_id"])), sorted(set(known["group_id"]))
    near = alike(store, pd.concat([frame[list(FACTS)], known]), classifier.split.near_duplicate)
    taken = {new for new, _ in near.touching(names, theirs, np.zeros(len(theirs), dtype=np.int64))} | set(theirs)
    frame = frame[~frame["group_id"].isin(taken)].sort_values(["digest", "text_id"], ignore_index=True)
    group = dict(zip(names, near.groups(names).tolist(), strict=True))
    post, _ = pd.factorize(posts_of(frame))
    frame = frame.assign(post=post, near=frame["group_id"].map(group).astype(np.int64))
    drawn = frame[frame["drawn"].astype(bool)].drop_duplicates("post").drop_duplicates("near")
    frame["drawn"] = frame.index.isin(drawn.index)
    return frame.assign(choosable=_choosable(store, classifier, frame))


def posts_of(texts: pd.DataFrame) -> "pd.Series[str]":
    """What names the post of each text; a text without one is a post of its own."""
    post = texts["platform"].fillna("") + "\0" + texts["post_id"]
    return post.where(texts["post_id"].notna(), "\0\0" + texts["text_id"])


def _choosable(store: Store, classifier: Classifier, frame: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which texts may be taken for what a model says of them, (texts,).

    They will be trained on, and keep nothing out of validation and test. A post goes where its annotated text goes:
    were a call taken that is trained on while chance, which takes the first by digest, would bring another text of its
    post into test, posts with calls would leave the test set. The same holds for near-duplicates.
    """
    every = store.read("texts", {"post_id": sorted(set(frame["post_id"].dropna()))}, FACTS)
    every = pd.concat([every, frame[frame["post_id"].isna()]]).sort_values(["digest", "text_id"], ignore_index=True)
    learnt = pd.Series(_trained_on(every, classifier)).groupby(posts_of(every)).cummin()
    elsewhere = frame.loc[frame["drawn"] & ~_trained_on(frame, classifier), "near"]
    mine = frame["text_id"].isin(every.loc[learnt, "text_id"]) & ~frame["near"].isin(elsewhere)
    return mine.to_numpy(dtype=np.bool_)


def _trained_on(texts: pd.DataFrame, classifier: Classifier) -> npt.NDArray[np.bool_]:
    return np.asarray(side(texts["group_id"].tolist(), classifier.split) == "train", dtype=np.bool_)


def _picked(store: Store, classifier: Classifier, version: Version, frame: pd.DataFrame, most: int) -> pd.DataFrame:
    """The chosen candidates, and why, in an order that tells nothing."""
    ledger = store.read("splits", {"classifier": classifier.name, "split": "train"}, ["text_id"])
    learnt = store.read("texts", {"text_id": ledger["text_id"].tolist()}, ["text"])["text"].tolist()
    picks = chosen(
        frame["probability"].to_numpy(dtype=float),
        float(version.tags["aufruf.threshold"]),
        frame["text"].tolist(),
        learnt,
        most,
        classifier.teach.mix,
        classifier.split.seed,
        choosable=frame["choosable"].to_numpy(dtype=np.bool_),
        drawable=frame["drawn"].to_numpy(dtype=np.bool_),
        kin=frame[["post", "near"]].to_numpy(dtype=np.int64),
    )
    found = frame.iloc[[pick.row for pick in picks]].assign(why=[pick.why for pick in picks])
    return found.sort_values("text_id", key=lambda ids: ids.map(lambda one: hashed(one, 0)), ignore_index=True)
