"""The step ``score``: every text that the version has not scored yet, in shards, each published as it is done.

``score`` is the whole of it in one process. Its parts - ``opened``, ``shard`` for each shard, ``closed`` - may as well
be taken by as many workers as there are. What makes it exactly once is the table's key, not who works when.
"""

import hashlib
import json
import logging
import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from tqdm import tqdm

from aufruf.classifier import Classifier
from aufruf.model import canaries
from aufruf.model.leases import FileLeases
from aufruf.model.predictor import Predictor
from aufruf.release.registry import CHAMPION, Registry, Version
from aufruf.schemas import SCORED, Prediction, QuarantinedRow
from aufruf.settings import Settings
from aufruf.steps import backlog
from aufruf.steps.backlog import window
from aufruf.steps.buried import Buried
from aufruf.steps.champion import speaking
from aufruf.steps.loaded import predictor_of
from aufruf.steps.missing import Asked
from aufruf.store import Store

log = logging.getLogger(__name__)
_KEY = ["text_id", "digest"]
_WORTH_A_BAR = 5.0  # seconds; what is done sooner is done before anybody has read it


def score(settings: Settings, classifier: Classifier, model: str | None = None) -> dict[str, Any]:
    """Score all texts without a prediction by the champion, or by version ``model``.

    The alias is resolved once. A champion that is not what was registered is refused, and the version that spoke before
    goes on: ``champion_refused`` says so. Raises NothingYet without a champion, BundleRefused when nobody may speak, or
    when the canary texts are not answered as they were.
    """
    run, version, predictor = _opened(settings, classifier, model)
    scored = refused = 0
    if run["shards"]:
        leases = FileLeases(settings.runs)
        first = leases.take(f"score-{classifier.name}-{version.version}")
        # whoever comes second takes the shards as they fall: two that went in one order would do each of them twice
        shards = run["shards"] if first else random.sample(run["shards"], len(run["shards"]))
        try:
            with _bar(run) as bar:
                for one in shards:
                    done = _shard(settings, classifier, version, predictor, run, one, bar)
                    scored, refused = scored + done["scored"], refused + done["refused"]
        finally:
            if first:
                first()
    return _told(settings, classifier, run, scored, refused)


def opened(settings: Settings, classifier: Classifier, model: str | None = None) -> dict[str, Any]:
    """Resolve the version, and cut what it has not scored into at most 100 shards, newest texts first.

    A champion scores again what others have scored, within the window of the classifier file; a version asked for by
    name scores everything. The canary texts come first. Raises NothingYet without a champion, UsageError for an unknown
    version, BundleRefused when the version does not answer its canaries as it did when it was registered.
    """
    return _opened(settings, classifier, model)[0]


def _opened(settings: Settings, classifier: Classifier, model: str | None) -> tuple[dict[str, Any], Version, Predictor]:
    """The run, its version, and the predictor that has answered the canaries."""
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    speaker = speaking(settings, classifier, registry, model)
    version = speaker.version
    predictor, asked_canaries = _asked_canaries(settings, classifier, version)
    since = None if model else window(classifier, datetime.now(UTC))
    asked = Asked(classifier.name, version.version, since)
    shards = backlog.cut(store, asked, classifier.scoring.shard_size)
    waiting = sum(one.texts for one in shards)
    everything = waiting if since is None else backlog.count(store, Asked(classifier.name, version.version))
    run = {
        "model_version": version.version,
        "canaries": asked_canaries,
        "since": since,
        "asked": model is not None,
        "shards": [one.as_dict() for one in shards],
        "waiting": waiting,
        "outside_window": everything - waiting,
        "already_scored": store.count("texts") - everything,
        "before": _published(store, classifier, version.version),
        "at": datetime.now(UTC).isoformat(),
        **speaker.told(),
    }
    return run, version, predictor


def shard(
    settings: Settings, classifier: Classifier, run: Mapping[str, Any], bounds: Mapping[str, Any]
) -> dict[str, Any]:
    """Score what is missing of one shard, by a process that has answered the canaries; counts. Raises BundleRefused."""
    version = Registry(settings, classifier.name).get(run["model_version"])
    store, asked = Store(settings.lake), _asked(classifier, run)
    if next(backlog.texts(store, asked, backlog.Shard(**bounds), 1), None) is None:
        return {"scored": 0, "refused": 0, "status": "nothing to do"}
    with _bar({"waiting": bounds["texts"]}) as bar:
        predictor, _ = _asked_canaries(settings, classifier, version)
        done = _shard(settings, classifier, version, predictor, run, bounds, bar)
    return {**done, "status": "new"}


def closed(settings: Settings, classifier: Classifier, run: Mapping[str, Any]) -> dict[str, Any]:
    """What was published since the run was opened, by whatever worker; returns what ``score`` does."""
    store, version = Store(settings.lake), run["model_version"]
    refused = store.read("quarantine", {"file": quarantined_as(classifier.name, version)}, ["refused_at"])["refused_at"]
    since = pd.Timestamp(run["at"])
    scored = max(0, _published(store, classifier, version) - run["before"])  # others may have deleted meanwhile
    return _told(settings, classifier, run, scored, int((refused >= since).sum()))


def unscored(store: Store, classifier: Classifier, version: str, texts: pd.DataFrame) -> pd.DataFrame:
    """Of the rows (text_id, digest) those without a prediction by this version."""
    mine = {"classifier": classifier.name, "model_version": version, "text_id": texts["text_id"].tolist()}
    marked = texts.merge(store.read("predictions", mine, _KEY), on=_KEY, how="left", indicator="there")
    return marked.loc[marked["there"] == "left_only", _KEY].reset_index(drop=True)


def quarantined_as(classifier: str, version: str) -> str:
    """What stands in the quarantine for a classifier's version, where the digest of a file stands else."""
    return f"{SCORED}{classifier}:{version}"


def item_of(text_id: str, digest: str) -> int:
    """A number, where that of a line stands else, which is the same whenever a text is refused."""
    name = hashlib.sha256(f"{text_id}|{digest}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(name[:7], "big")


def store_predictions(
    store: Store,
    classifier: Classifier,
    version: Version,
    predictor: Predictor,
    rows: pd.DataFrame,
    progress: Callable[[int], Any] | None = None,
) -> tuple[int, int]:
    """Score rows (text_id, digest, text) and publish them in one commit; returns how many predictions came of it, and
    how many texts could not be scored.

    Of texts that are forgotten meanwhile, or that others have published, nothing is.
    """
    buried, found = Buried(store), predictor.score(rows["text"].tolist(), progress)
    _refuse(store, buried, quarantined_as(classifier.name, version.version), rows, found.refused)
    names, now = predictor.card.labels, datetime.now(UTC)
    threshold, band = predictor.card.threshold, classifier.scoring.abstain_band
    sound = [at for at in range(len(rows)) if at not in found.refused]
    kept, probabilities = rows.iloc[sound], found.probabilities[sound]
    added = store.add(
        "predictions",
        [
            Prediction(
                classifier=classifier.name,
                text_id=text_id,
                digest=digest,
                model_version=version.version,
                label=classifier.value_of(labels),
                probabilities=dict(zip(names, map(float, one), strict=True)),
                confident=bool(abs(one[predictor.positive] - threshold) >= band),
                scored_at=now,
                run=version.run_id,
            )
            for text_id, digest, one, labels in zip(
                kept["text_id"], kept["digest"], probabilities, predictor.said(probabilities), strict=True
            )
        ],
        buried.spared,
    )
    return added, len(found.refused)


def _shard(
    settings: Settings,
    classifier: Classifier,
    version: Version,
    predictor: Predictor,
    run: Mapping[str, Any],
    bounds: Mapping[str, Any],
    bar: Any,
) -> dict[str, int]:
    """Score a shard, as many texts at a time as the classifier's shard has; the bar learns what others have done."""
    store, asked, size = Store(settings.lake), _asked(classifier, run), classifier.scoring.shard_size
    scored = refused = worked = 0
    for rows in backlog.texts(store, asked, backlog.Shard(**bounds), size):
        added, failed = store_predictions(store, classifier, version, predictor, rows, bar.update)
        scored, refused, worked = scored + added, refused + failed, worked + len(rows)
    bar.total = max(0, bar.total - bounds["texts"] + worked)
    bar.update(0)
    return {"scored": scored, "refused": refused}


def _told(
    settings: Settings, classifier: Classifier, run: Mapping[str, Any], scored: int, refused: int
) -> dict[str, Any]:
    found = {key: run[key] for key in ("model_version", "canaries", "already_scored", "outside_window", "since")}
    told = {**found, "scored": scored, "refused": refused, "status": "new" if run["waiting"] else "nothing to do"}
    champion = None if run["asked"] else Registry(settings, classifier.name).by_alias(CHAMPION)
    before = run["model_version"]
    if refused_one := run.get("champion_refused"):
        told["champion_refused"], before = refused_one, refused_one["version"]
    if champion is not None and champion.version != before:
        told["next"] = f"version {champion.version} has become champion meanwhile: the next run scores with it"
        log.warning("%s", told["next"])
    return told


def _asked(classifier: Classifier, run: Mapping[str, Any]) -> Asked:
    return Asked(classifier.name, run["model_version"], run["since"])


def _asked_canaries(settings: Settings, classifier: Classifier, version: Version) -> tuple[Predictor, int]:
    """The version as this process has loaded it, and how many canaries it has answered as when it was registered."""
    registry = Registry(settings, classifier.name)
    predictor = predictor_of(registry, classifier, version)
    asked = canaries.ask(registry.fetch(version), predictor, version.version, classifier.name)
    if asked:
        log.info("version %s answers its %d canary texts as when it was registered", version.version, asked)
    else:
        log.info("version %s was registered without canary texts: its answers cannot be checked", version.version)
    return predictor, asked


def _published(store: Store, classifier: Classifier, version: str) -> int:
    return store.count("predictions", {"classifier": classifier.name, "model_version": version})


def _bar(run: Mapping[str, Any]) -> Any:
    """Texts done and to do, texts a second, time left; nothing of what is done in a moment."""
    return tqdm(total=run["waiting"], unit=" texts", desc="score", mininterval=2, smoothing=0.1, delay=_WORTH_A_BAR)


def _refuse(store: Store, buried: Buried, source: str, rows: pd.DataFrame, reasons: Mapping[int, str]) -> None:
    if not reasons:
        return
    now, refused = datetime.now(UTC), []
    for at, reason in reasons.items():
        text_id, digest = rows["text_id"].iloc[at], rows["digest"].iloc[at]
        row = json.dumps({"text_id": text_id, "digest": digest})
        refused.append(QuarantinedRow(source, item_of(text_id, digest), reason, row, now))
    store.put("quarantine", refused, allowed=buried.spared_refused)
    log.warning("%d texts could not be scored; `aufruf why TEXT_ID` says why: %s ...", len(refused), refused[0].reasons)
