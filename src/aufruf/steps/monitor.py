"""The step ``monitor``: do the posts that arrived last, and what is said of them, look like those before?

Figures are stored and the page is written first; that something has moved is a failed check afterwards: ``refused``.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import Drifted
from aufruf.model import drift
from aufruf.model.tokenization import Tokenizer
from aufruf.release.registry import Registry, Version
from aufruf.reports import monitor as pages
from aufruf.reports.index import write_index
from aufruf.schemas import Shift
from aufruf.settings import Settings
from aufruf.steps.champion import speaking
from aufruf.steps.watched import Watched, last_arrival, watched
from aufruf.store import Store

_SEED = 5460
_KEPT = 26 * 7  # days of the history that the page shows


def monitor(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Distances of the last days' posts from the labelled texts and from the weeks before; a page about them.

    ``moved`` names the figures that lie further from either than the classifier file and chance allow. Of the same
    arrivals the same is said, however often it is asked. Raises NothingYet without a champion, BundleRefused where
    nobody may speak.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    version = speaking(settings, classifier, registry).version
    day = last_arrival(store, classifier)
    nothing = {"model_version": version.version, "texts": 0, "moved": [], "status": "nothing to do"}
    if day is None:
        return nothing
    found = watched(store, classifier, version.version, day, _tokenizer(registry, version, classifier))
    if len(found.last) < classifier.monitor.minimum:
        return {**nothing, "texts": len(found.last)}
    shifts, drawn = _measured(classifier, version, found)
    written = store.put("shifts", _changed(store, classifier, shifts))
    history = store.read("shifts", {"classifier": classifier.name})
    result = _result(classifier, version, found, shifts, history)
    result["page"] = str(_page(settings, classifier, result, shifts, drawn, history))
    return {**result, "status": "new" if written else "unchanged"}


def refused(result: Mapping[str, Any]) -> Drifted | None:
    """The failed check that a result stands for; None when nothing has moved."""
    said = result.get("told", [])
    if not said:
        return None
    return Drifted(
        "; ".join(said),
        where=str(result.get("classifier", "")),
        next=f"See {result['page']}. Annotate what `aufruf queue` chooses and train, or raise [monitor.limits].",
    )


def _tokenizer(registry: Registry, version: Version, classifier: Classifier) -> Tokenizer:
    return Tokenizer(registry.fetch(version), classifier.encoder.max_tokens, classifier.encoder.truncation)


def _measured(
    classifier: Classifier, version: Version, found: Watched
) -> tuple[list[Shift], dict[tuple[str, str], pages.Bars]]:
    """Each figure against each sample that is large enough, and the shares behind it."""
    names = _names(found)
    shifts, drawn = [], dict[tuple[str, str], pages.Bars]()
    for against, sample in (("training", found.training), ("weeks", found.weeks)):
        for figure in drift.FIGURES:
            before, now = (one.counts(figure, names) for one in (sample, found.last))
            if min(before.sum(), now.sum()) < classifier.monitor.minimum:
                continue
            apart = drift.compared(before, now, _SEED)
            means = sample.mean(figure), found.last.mean(figure)
            sizes = int(before.sum()), int(now.sum())
            shifts.append(_shift(classifier, version, found, figure, against, apart, sizes, means))
            bins = names if figure == drift.LABELS else pages.bins(drift.EDGES[figure], figure)
            drawn[figure, against] = pages.Bars(bins, apart.before, apart.now)
    return shifts, drawn


def _shift(
    classifier: Classifier,
    version: Version,
    found: Watched,
    figure: str,
    against: str,
    apart: drift.Distance,
    sizes: tuple[int, int],
    means: tuple[float, float],
) -> Shift:
    limit = classifier.monitor.limit(figure)
    counts = against in classifier.monitor.against
    return Shift(
        classifier=classifier.name,
        day=found.day.isoformat(),
        figure=figure,
        against=against,
        model_version=version.version,
        texts=sizes[1],
        compared=sizes[0],
        mean_before=round(means[0], 6),
        mean_now=round(means[1], 6),
        distance=round(apart.value, 6),
        noise=round(apart.noise, 6),
        allowed=limit,
        moved=counts and apart.value > max(limit, apart.noise),
        measured_at=datetime.now(UTC),
    )


def _names(found: Watched) -> list[str]:
    every = {one for sample in (found.training, found.weeks, found.last) for one in sample.labels if one is not None}
    return sorted(every)


def _changed(store: Store, classifier: Classifier, shifts: Sequence[Shift]) -> list[Shift]:
    """Those that are not stored as they are now."""
    known = store.read("shifts", {"classifier": classifier.name, "day": shifts[0].day}) if shifts else pd.DataFrame()
    rows = {(row["figure"], row["against"]): row for row in known.to_dict("records")}

    def same(one: Shift) -> bool:
        row = rows.get((one.figure, one.against), {})
        return all(row.get(key) == value for key, value in asdict(one).items() if key != "measured_at")

    return [one for one in shifts if not same(one)]


def since(history: pd.DataFrame, shift: Shift) -> date:
    """The first day from which on the figure has been moved on every day that was looked at."""
    rows = history[(history["figure"] == shift.figure) & (history["against"] == shift.against)]
    first = shift.day
    for row in rows[rows["day"] <= shift.day].sort_values("day", ascending=False).to_dict("records"):
        if not row["moved"]:
            break
        first = row["day"]
    return date.fromisoformat(first)


def _result(
    classifier: Classifier, version: Version, found: Watched, shifts: Sequence[Shift], history: pd.DataFrame
) -> dict[str, Any]:
    moved = [one for one in shifts if one.moved]
    starts = {(one.figure, one.against): since(history, one).isoformat() for one in moved}
    return {
        "classifier": classifier.name,
        "model_version": version.version,
        "day": found.day.isoformat(),
        "texts": len(found.last),
        "compared": {"training": len(found.training), "weeks": len(found.weeks)},
        "learnt": found.learnt,
        **{one.figure: one.distance for one in shifts if one.against == "training"},
        "shifts": [
            {key: value for key, value in asdict(one).items() if key not in {"classifier", "day", "measured_at"}}
            | {"since": starts.get((one.figure, one.against))}
            for one in shifts
        ],
        "moved": sorted({one.figure for one in moved}, key=drift.FIGURES.index),
        "told": [pages.sentence(one, date.fromisoformat(starts[one.figure, one.against])) for one in moved],
    }


def _page(
    settings: Settings,
    classifier: Classifier,
    result: Mapping[str, Any],
    shifts: Sequence[Shift],
    drawn: Mapping[tuple[str, str], pages.Bars],
    history: pd.DataFrame,
) -> Any:
    first = (date.fromisoformat(result["day"]) - timedelta(days=_KEPT)).isoformat()
    past = history[(history["day"] >= first) & (history["day"] <= result["day"])].sort_values("day")
    report = pages.MonitorReport(
        classifier=classifier.name,
        positive=classifier.positive,
        day=date.fromisoformat(result["day"]),
        days=classifier.monitor.days,
        weeks=classifier.monitor.weeks,
        version=result["model_version"],
        texts=result["texts"],
        compared=result["compared"],
        learnt=result["learnt"],
        minimum=classifier.monitor.minimum,
        checked=classifier.monitor.against,
        told=result["told"],
        shifts=list(shifts),
        bars=dict(drawn),
        history=[Shift(**{str(key): value for key, value in row.items()}) for row in past.to_dict("records")],
    )
    folder = settings.reports / classifier.name
    path = pages.write(folder, report, json.dumps(result, indent=2, ensure_ascii=False))
    write_index(folder, classifier.name, settings.front(classifier.name))
    return path
