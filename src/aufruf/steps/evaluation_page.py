"""The pictures of an evaluation, and the facts that its page is made of."""

import json
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from aufruf.classifier import Classifier
from aufruf.model import behaviour, evaluation
from aufruf.model.evaluation import Interval, Judged
from aufruf.model.evaluation_slices import Slice
from aufruf.release.registry import Version
from aufruf.reports import evaluation as pages
from aufruf.reports import figures
from aufruf.reports import intervals as shown
from aufruf.reports.inert import web_address
from aufruf.steps.evidence import Evidence


def pictures(classifier: Classifier, model: Judged, baseline: Judged) -> dict[str, pages.Picture]:
    """File name -> confusion matrix, precision-recall curve and reliability curve, each with its words."""
    counts, names = evaluation.confusion(
        model.truth, model.predicted, classifier.labels, classifier.positive_index, classifier.multi_label
    )
    both = {"version": model, "baseline": baseline}
    at = evaluation.measure(model)
    share = float(model.hits.mean())
    curves = {name: evaluation.precision_recall(one) for name, one in both.items()}
    bins = {name: evaluation.reliability(one) for name, one in both.items()}
    return {
        "test_confusion.png": pages.Picture(
            "Confusion matrix", figures.confusion(counts, names, "test texts"), _counted(counts.tolist(), names)
        ),
        "test_precision_recall.png": pages.Picture(
            "Precision and recall",
            figures.precision_recall(curves, (at["recall"], at["precision"]), share),
            f"The area under the steps is {at['average_precision']:.3f}; by chance it is the share of positives, "
            f"{share:.3f}. At the threshold precision is {at['precision']:.3f} and recall {at['recall']:.3f}.",
        ),
        "test_reliability.png": pages.Picture(
            "Reliability",
            figures.reliability(bins),
            "In bins of equally many texts, mean probability and share of positives: "
            + "; ".join(f"{said:.2f} and {found:.2f}" for said, found, _ in bins["version"])
            + f". Their mean distance is {at['calibration_error']:.3f}.",
        ),
    }


def report(
    classifier: Classifier,
    version: Version,
    found: Evidence,
    drawn: Sequence[pages.Picture],
    doubts: Sequence[pages.Doubt],
    at: datetime,
    server: str | None = None,
    looks: int = 1,
) -> pages.EvaluationReport:
    """All facts of the page on a version; ``server``: the tracking server's address, if a browser can open it.

    ``looks``: at these rows, this one included; see ``decisions.looks``.
    """
    tags, asked = version.tags, classifier.evaluation
    ways = {
        f"Version {version.version} in MLflow": server
        and f"{server}/#/models/{classifier.name}/versions/{version.version}",
        "The run that trained it": web_address(tags.get("aufruf.run_url", "")),
    }
    return pages.EvaluationReport(
        classifier=classifier.name,
        positive=classifier.positive,
        version=version.version,
        encoder=tags.get("aufruf.encoder", "unknown"),
        stand_in_for=tags.get("aufruf.stand_in_for"),
        evaluated_at=at,
        n=len(found.said),
        groups=found.said["group_id"].nunique(),
        accounts=found.accounts,
        positives=int(found.model.hits.sum()),
        confidence=classifier.gate.confidence,
        resamples=classifier.gate.resamples,
        threshold=float(tags.get("aufruf.threshold", "nan")),
        calibration=json.loads(tags.get("aufruf.calibration", "null")),
        metrics=intervals(found.metrics),
        baseline=intervals(found.baseline),
        labels=label_rows(classifier, found.model, found.labels),
        pictures=drawn,
        slices=[slice_row(one) for one in found.slices],
        unknown=found.unknown,
        enough=(asked.slice_texts, asked.slice_positives),
        behaviours=behaviours(found.outcomes, classifier.positive),
        looks=looks,
        fixed=classifier.scoring.fixed,
        ways=[(name, url) for name, url in ways.items() if url],
        doubts=doubts,
        doubts_of=int((found.model.truth != found.model.predicted).any(axis=1).sum()),
    )


def slice_row(one: Slice) -> pages.SliceRow:
    f1, precision, recall = (None if part is None else _fact(part) for part in (one.f1, one.precision, one.recall))
    return pages.SliceRow(one.dimension, one.value, one.n, one.positives, f1, precision, recall, one.small)


def label_rows(classifier: Classifier, model: Judged, found: Sequence[Interval]) -> list[pages.LabelRow]:
    texts = model.truth.sum(axis=0).tolist()
    return [pages.LabelRow(*row[:2], _fact(row[2])) for row in zip(classifier.labels, texts, found, strict=True)]


def behaviours(outcomes: Sequence[behaviour.Outcome], positive: str) -> list[pages.Behaviour]:
    """Outcomes as the page tells them."""
    return [
        pages.Behaviour(
            name=one.capability.name,
            kind=one.capability.kind,
            about=one.capability.about,
            passed=one.passed,
            of=one.of,
            failures=[
                pages.Failure(
                    list(zip(filter(None, (case.text, case.changed)), odds, strict=True)),
                    _expected(one.capability.kind, case, positive),
                )
                for case, odds in one.failed
            ],
        )
        for one in outcomes
    ]


def intervals(found: dict[str, dict[str, float]]) -> dict[str, shown.Interval]:
    """Metrics as a tag holds them, as the page takes them."""
    return {name: shown.Interval(**one) for name, one in found.items()}


def now(classifier: Classifier) -> datetime:
    """This moment, to the second."""
    return datetime.now(ZoneInfo(classifier.schedule.timezone)).replace(microsecond=0)


def _fact(one: Interval) -> shown.Interval:
    return shown.Interval(one.value, one.low, one.high)


def _counted(counts: list[list[int]], names: Sequence[str]) -> str:
    return "; ".join(
        f"{sum(row)} texts are labelled {name}: "
        + ", ".join(f"{count} are predicted {said}" for count, said in zip(row, names, strict=True))
        for row, name in zip(counts, names, strict=True)
    )


def _expected(kind: str, case: behaviour.Case, positive: str) -> str:
    if kind == "minimum":
        return positive if case.call else f"not {positive}"
    if kind == "invariance":
        return "the same answer"
    return "a higher probability" if case.rises else "a lower probability"
