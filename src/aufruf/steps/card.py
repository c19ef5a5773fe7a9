"""The model card: what is sealed with a version when it is trained, and what is added once it is measured."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

import aufruf
from aufruf.classifier import Classifier, Energy
from aufruf.data import agreement
from aufruf.model.bundle import Card
from aufruf.model.training import Trained
from aufruf.release.registry import Registry, Version
from aufruf.release.tracking import Tracker
from aufruf.reports import model_card
from aufruf.schemas import NONE
from aufruf.settings import Settings
from aufruf.steps import label
from aufruf.store import Store

NAME = "README.md"  # in the sealed folder
WHOLE = "model_card.md"  # in the run, with what was measured
_HOW = {"elsewhere": "decided elsewhere", "unanimous": "by unanimous votes", "majority": "by majority"}


def cost(seconds: float, kind: str, energy: Energy) -> dict[str, float]:
    """Energy (kWh) and carbon (g CO2e) of so many seconds at the power that the classifier file assumes."""
    watts = energy.gpu_watts if kind == "cuda" else energy.watts
    kwh = watts * seconds / 3_600_000
    return {"watts": watts, "kwh": kwh, "grams_per_kwh": energy.grams_per_kwh, "grams": kwh * energy.grams_per_kwh}


def trained(
    settings: Settings,
    classifier: Classifier,
    frame: pd.DataFrame,
    at: Mapping[str, int],
    card: Card,
    made: Trained,
    commit: str | None,
) -> str:
    """The card of a version whose figures on the test split are not known yet.

    ``frame``: what it was trained on, read at the Delta versions ``at``.
    """
    names = [*classifier.labels, *([NONE] if classifier.multi_label else [])]
    return model_card.trained(
        name=classifier.name,
        version=aufruf.__version__,
        commit=commit,
        several=classifier.multi_label,
        **{key: value for key, value in vars(card).items() if key not in ("fingerprint", "multi_label")},
        tuned=classifier.scoring.threshold == "tuned",
        counted=names,
        splits=[_split(classifier, name, frame[frame["split"] == name]) for name in ("train", "validation")],
        tables=at,
        **_votes(settings, classifier, frame),
        metric=classifier.gate.metric.replace("_", " "),
        best_value=made.best_value,
        best_epoch=made.best_epoch,
        truncated=made.truncated,
        trained_on=int((frame["split"] == "train").sum()),
        seconds=made.seconds,
        device=made.device.name,
        **cost(made.seconds, made.device.kind, classifier.energy),
    )


def complete(settings: Settings, classifier: Classifier, registry: Registry, version: Version) -> None:
    """Add what an evaluation has written on a version to its description, and to the card in its run.

    What a person has changed in the description stays; one without the section on the test split is left alone. A
    version of before there were cards gets none.
    """
    facts = _measured(classifier, version)
    wanted = model_card.with_measured(version.description, model_card.LONGEST, **facts)
    if wanted == version.description:
        return
    sealed = registry.fetch(version) / NAME
    if sealed.is_file():
        run = Tracker(settings, classifier.name).attach_if_there(version.run_id)
        if run is not None:
            run.text(WHOLE, model_card.with_measured(sealed.read_text("utf-8"), **facts))
            run.close()
    registry.tag(version.version, {"aufruf.baseline_f1": facts["baseline"]["f1"]["value"]})
    registry.describe(version.version, wanted)  # last: a killed one is done again


def _measured(classifier: Classifier, version: Version) -> dict[str, Any]:
    tags = version.tags
    pages = {"Evaluation": tags.get("aufruf.report"), "The run that trained it": tags.get("aufruf.run_url")}
    return {
        "pages": {name: url for name, url in pages.items() if url},
        "positive": classifier.positive,
        "rows": int(tags["aufruf.test_rows"]),
        "accounts": json.loads(tags.get("aufruf.test_accounts", "null")),
        "looks": int(tags.get("aufruf.looks", 0)),
        "confidence": classifier.gate.confidence,
        "metrics": json.loads(tags["aufruf.metrics"]),
        "baseline": json.loads(tags["aufruf.baseline"]),
        "slices": json.loads(tags.get("aufruf.slices", "{}")),
        "behaviour": json.loads(tags.get("aufruf.behaviour", "{}")),
    }


def _split(classifier: Classifier, name: str, rows: pd.DataFrame) -> dict[str, Any]:
    targets = pd.DataFrame(classifier.targets(rows["label"]), columns=list(classifier.labels))
    labels = {label: int(targets[label].sum()) for label in classifier.labels}
    return {"name": name, "texts": len(rows), "labels": {**labels, NONE: int((targets.sum(axis=1) == 0).sum())}}


def _votes(settings: Settings, classifier: Classifier, frame: pd.DataFrame) -> dict[str, Any]:
    """How many voted, how far they agreed, and how the labels came about.

    Votes and agreement are those of the agreement page, of texts that stayed undecided too; what was decided is told of
    the texts in ``frame``.
    """
    store, mine = Store(settings.lake), {"classifier": classifier.name}
    votes = agreement.own_votes(label.counting(settings, classifier))
    found = agreement.measure(votes, classifier.labels, several=classifier.multi_label)
    how = store.read("labels", mine, ["text_id", "how"])
    decided = how.loc[how["text_id"].isin(frame["text_id"]), "how"].value_counts().sort_index()
    return {
        "votes": len(votes),
        "annotators": int(votes["annotator"].nunique()),
        "alpha": {"value": found.alpha, "low": found.low, "high": found.high, "texts": found.texts, "note": found.note},
        "decided": {_HOW.get(str(key), str(key)): int(texts) for key, texts in decided.items()},
    }
