"""The step ``label``: votes become labels, and agreement is measured."""

from datetime import UTC, datetime
from typing import Any

from aufruf.classifier import Classifier
from aufruf.data.agreement import guard, measure
from aufruf.data.labels import changed, decide
from aufruf.settings import Settings
from aufruf.store import Store


def label(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Decide the label of every text that has votes; returns counts and Krippendorff's alpha (or None).

    Only rows that differ from the stored ones are written. Raises DataRefused, with nothing written, when
    annotators agree less than ``votes.alpha_floor``.
    """
    store = Store(settings.lake)
    mine = {"classifier": classifier.name}
    votes = store.read("annotations", mine, ["text_id", "annotator", "label"])
    texts = store.read("texts", {"text_id": sorted(set(votes["text_id"]))}, ["text_id", "group_id"])
    rows = decide(votes, texts, classifier.labels, classifier.votes.minimum, classifier.name, datetime.now(UTC))
    agreement = measure(votes, classifier.labels)
    guard(agreement, classifier.votes.alpha_floor, f"annotations of {classifier.name}")
    written = store.put("labels", changed(rows, store.read("labels", mine)))
    how = rows["how"].value_counts()
    return {
        "labels": int(rows["label"].notna().sum()),
        "ties": int(how.get("tie", 0)),
        "too_few_votes": int(how.get("too_few_votes", 0)),
        "contradictions": int(how.get("contradiction", 0)),
        "undecided": int(rows["label"].isna().sum()),
        "alpha": agreement.alpha,
        "alpha_low": agreement.low,
        "alpha_high": agreement.high,
        "kappas": [[one, other, value] for (one, other), value in agreement.kappas.items()],
        "annotators": agreement.annotators,
        "changed": written,
        "status": "new" if written else "nothing to do",
    }
