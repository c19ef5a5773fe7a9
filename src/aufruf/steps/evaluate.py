"""The step ``evaluate``: a version on the frozen test set. All figures come from one predictions table."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import queue as queues
from aufruf.errors import AufrufError, NothingYet
from aufruf.model import behaviour, evaluation
from aufruf.release.registry import CHALLENGER, Registry, Version
from aufruf.release.tracking import Run, Tracker
from aufruf.reports import evaluation as pages
from aufruf.reports.index import write_index
from aufruf.reports.inert import web_address
from aufruf.settings import Settings
from aufruf.steps import card, corpus, decisions, evaluation_page, evidence, mismatches, numbers, slices
from aufruf.steps.evidence import Evidence
from aufruf.steps.loaded import predictor_of
from aufruf.steps.score import store_predictions, unscored
from aufruf.store import Store

_MEASURED = 5  # raised when a figure is added or mended: a version measured before is measured again
_TAGS = {
    "over_baseline": "{}",
    "by_label": "{}",
    "slices": "{}",
    "behaviour": "{}",
    "mismatches": "0",
    "looks": "null",
}  # and what a version without says


def evaluate(
    settings: Settings, classifier: Classifier, model: str | None = None, queue: Path | None = None
) -> dict[str, Any]:
    """Metrics with bootstrap intervals of a version (default: the challenger) and of the baseline, on test.

    A version already measured on the same rows is not measured again. ``queue``: where to write the texts whose label
    is not what the version says as Label Studio tasks, the likeliest wrong label first. Raises NothingYet without a
    version or test rows, UsageError for an unknown version or a ``queue`` that is no file, BundleRefused for a version
    whose files are not what was registered.
    """
    if queue is not None:
        queues.check(queue)
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version = registry.get(model) if model else registry.by_alias(CHALLENGER)
    if version is None:
        raise NothingYet(
            "there is no challenger to evaluate",
            where=classifier.name,
            next=f"Run `aufruf train{settings.choosing(classifier.name)}`.",
        )
    numbers.check(settings, classifier.name, version)
    frame = corpus.labelled(settings, classifier)
    test = frame[frame["split"] == "test"]
    if test.empty:
        raise NothingYet("the test split is empty", where=classifier.name, next="Ingest more annotations.")
    parts, accounts = slices.values(store, classifier, test), slices.accounts(store, test)
    fixed = () if classifier.scoring.fixed is None else (classifier.scoring.fixed,)  # then the baseline's too
    rule = classifier.gate.model_dump(include={"metric", "confidence", "resamples", "floors"})  # what is looked at
    asked = (rule, classifier.evaluation.model_dump(mode="json"), classifier.positive, _MEASURED, *fixed)
    mark = corpus.fingerprint(test, *asked, parts, accounts, version.tags.get("aufruf.fingerprint"))
    page, status = pages.place(settings.reports, classifier.name, version.version), "unchanged"
    if version.tags.get("aufruf.evaluated") != mark or not page.is_file():
        version, status = _measure(settings, classifier, version, frame, parts, accounts, mark), "new"
    card.complete(settings, classifier, registry, version)
    positives = int(corpus.calls(test["label"], classifier).sum())
    result = {**_result(version), "n": len(test), "positives": positives, "page": str(page), "status": status}
    if queue is not None:
        waiting = mismatches.tasks(settings, classifier, answers(settings, classifier, version, test))
        queues.write(queue, waiting)
        result |= {"queued": len(waiting), "queue": str(queue)}
    return result


def answers(settings: Settings, classifier: Classifier, version: Version, test: pd.DataFrame) -> pd.DataFrame:
    """The test rows, in their order, with ``label_said`` and ``probabilities`` of a version.

    They are read off the predictions table; what is missing there is scored first. Raises AufrufError when the version
    gives no number for a text, or when somebody is forgotten meanwhile.
    """
    store, registry = Store(settings.lake), Registry(settings, classifier.name)
    missing = unscored(store, classifier, version.version, test[["text_id", "digest"]])
    if len(missing):
        predictor = predictor_of(registry, classifier, version)
        todo = test[test["text_id"].isin(missing["text_id"])]
        _, refused = store_predictions(store, classifier, version, predictor, todo)
        if refused:
            raise AufrufError(
                f"version {version.version} gives no number for {refused} test texts",
                where=classifier.name,
                next="Train again, or move the alias challenger back.",
            )
    mine = {"classifier": classifier.name, "model_version": version.version, "text_id": test["text_id"].tolist()}
    said = store.read("predictions", mine, ["text_id", "digest", "label", "probabilities"])
    rows = test.merge(said, on=["text_id", "digest"], suffixes=("", "_said"), validate="one_to_one")
    if len(rows) < len(test):
        raise AufrufError(
            f"{len(test) - len(rows)} test texts were forgotten meanwhile", where=classifier.name, next="Run it again."
        )
    return rows.set_index("text_id").loc[test["text_id"]].reset_index()


def judged(settings: Settings, classifier: Classifier, version: Version, test: pd.DataFrame) -> evaluation.Judged:
    """A version's answers on the test rows, in their order, from the predictions table; missing ones are scored."""
    return evidence.judge(classifier, answers(settings, classifier, version, test))


def _measure(
    settings: Settings,
    classifier: Classifier,
    version: Version,
    frame: pd.DataFrame,
    parts: dict[str, list[str]],
    accounts: int | None,
    mark: str,
) -> Version:
    registry = Registry(settings, classifier.name)
    said = answers(settings, classifier, version, frame[frame["split"] == "test"])
    looks = decisions.looks(Store(settings.lake), classifier, version.version, len(said))
    asks = classifier.evaluation.behaviour != "none"
    predictor = predictor_of(registry, classifier, version) if asks else None
    found = evidence.gather(classifier, frame, said, parts, predictor, accounts)
    drawn = evaluation_page.pictures(classifier, found.model, found.rival)
    served = settings.served(classifier.name, f"{pages.FOLDER}/{version.version}/index.html")
    facts = {**found.as_dict(classifier), "looks": looks}
    run = Tracker(settings, classifier.name).attach_if_there(version.run_id)
    if run is not None:
        _log(run, found, facts, {name: one.png for name, one in drawn.items()}, served)
    at = evaluation_page.now(classifier)
    report = evaluation_page.report(
        classifier,
        version,
        found,
        list(drawn.values()),
        mismatches.doubts(Store(settings.lake), classifier, said, frame),
        at,
        web_address(settings.registry_url),
        looks,
    )
    pages.write(settings.reports, report, {"model_version": version.version, **facts})
    write_index(settings.reports / classifier.name, classifier.name, settings.front(classifier.name))
    registry.tag(
        version.version,
        {
            **({"aufruf.report": served} if served else {}),
            **_tags(classifier, found),
            "aufruf.mismatches": report.doubts_of,
            "aufruf.looks": looks,
            "aufruf.evaluated_at": at.isoformat(timespec="seconds"),
            "aufruf.evaluated": mark,  # last: a killed evaluation is done again
        },
    )
    return registry.get(version.version)


def _log(run: Run, found: Evidence, facts: dict[str, Any], drawn: dict[str, bytes], served: str | None) -> None:
    run.metrics({f"test_{name}": one["value"] for name, one in found.metrics.items()})
    run.metrics({f"baseline_{name}": one["value"] for name, one in found.baseline.items()})
    run.tag({"aufruf.report": served})
    run.table("evaluation.json", facts)
    for name, png in drawn.items():
        run.figure(name, png)
    run.close()


def _tags(classifier: Classifier, found: Evidence) -> dict[str, Any]:
    """What the version carries with it, for the gate and for whoever looks at it in MLflow."""
    values = {name: one.value for name, one in zip(classifier.labels, found.labels, strict=True)}
    return {
        "aufruf.metrics": json.dumps(found.metrics),
        "aufruf.baseline": json.dumps(found.baseline),
        "aufruf.over_baseline": json.dumps(found.over_baseline),
        **({"aufruf.f1_by_label": json.dumps(values)} if len(values) > 2 else {}),
        "aufruf.by_label": json.dumps(evidence.by_label(classifier, found.labels)),
        "aufruf.slices": slices.tag(found.slices, classifier.gate.floors),
        "aufruf.behaviour": json.dumps(behaviour.summary(found.outcomes), ensure_ascii=False),
        "aufruf.test_rows": len(found.said),
        "aufruf.test_accounts": json.dumps(found.accounts),
    }


def _result(version: Version) -> dict[str, Any]:
    """A version's figures as its tags hold them."""
    tags = version.tags
    return {
        "model_version": version.version,
        "split": "test",
        "metrics": json.loads(tags["aufruf.metrics"]),
        "baseline": json.loads(tags["aufruf.baseline"]),
        **({"f1_by_label": json.loads(by_label)} if (by_label := tags.get("aufruf.f1_by_label")) else {}),
        **{name: json.loads(tags.get(f"aufruf.{name}", nothing)) for name, nothing in _TAGS.items()},
    }
