"""A person's word on a challenger that waits for it: what they are shown, and what their answer does."""

import json
import re
from typing import Any

from aufruf.classifier import Classifier
from aufruf.errors import NothingYet
from aufruf.release.registry import Registry, Version
from aufruf.reports.chart import BIASED
from aufruf.schemas import PROMOTED
from aufruf.settings import Settings
from aufruf.steps import decisions
from aufruf.steps.champion import CROWNED, crown, noticed, refusal, there
from aufruf.store import Store

_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")
_SHOWN = 12  # metrics


def asked(settings: Settings, classifier: Classifier, challenger: str) -> dict[str, str]:
    """``subject`` and ``body`` (Markdown) of the question about a version; no text of a post. Raises NothingYet."""
    registry = Registry(settings, classifier.name)
    row = _waiting(settings, classifier, challenger)
    if row["verdict"] != "waiting":
        raise NothingYet(
            f"version {challenger} waits for nobody: it was {row['verdict']}",
            where=classifier.name,
            next="To make it champion all the same: `aufruf promote"
            f"{settings.choosing(classifier.name)} --version {challenger}`.",
        )
    against = f" instead of version {row['champion']}" if row["champion"] else ", the first one"
    subject = f"{classifier.name}: shall version {challenger} become champion{against}?"
    return {"subject": subject, "body": _body(settings, classifier, row, registry.get(challenger), registry)}


def settled(
    settings: Settings, classifier: Classifier, challenger: str, approved: bool, by: str | None
) -> dict[str, Any]:
    """Turn the waiting decision into promoted or kept and crown the version if so; the same object as ``promote``.

    ``by``: the account as Airflow calls it; None: nobody answered in time. An answer that was written down before
    changes nothing more, and one about a champion that somebody has replaced meanwhile keeps that one.
    """
    registry, store = Registry(settings, classifier.name), Store(settings.lake)
    speaks = noticed(settings, classifier, registry).version
    before, status = speaks.version if speaks else None, "unchanged"
    row = _waiting(settings, classifier, challenger)
    wanted = registry.get(challenger) if there(registry, challenger) else None
    if row["verdict"] == "waiting":
        verdict, reason = _verdict(registry, row, wanted, before, approved, by)
        who = f"{decisions.PERSON}:{by}" if by else decisions.NOBODY
        row, status = decisions.close(store, row, verdict, who, [reason]), "new"
    holds = row["verdict"] in PROMOTED and before in {row["champion"], challenger}
    if holds and wanted and (status == "new" or CROWNED not in wanted.tags):  # after a kill, never after a roll-back
        if crown(settings, classifier, registry, wanted, "approval", (before, challenger)):
            before = challenger
        else:
            speaks = noticed(settings, classifier, registry).version
            before = speaks.version if speaks else None
            row = decisions.close(store, row, "kept", row["decided_by"], [_replaced(before, challenger)])
    return {**decisions.result(row, before), "status": status}


def _waiting(settings: Settings, classifier: Classifier, challenger: str) -> decisions.Row:
    row = decisions.last(Store(settings.lake), classifier, challenger)
    if row is None:
        raise NothingYet(
            f"nothing was decided on version {challenger}",
            where=classifier.name,
            next=f"Run `aufruf promote{settings.choosing(classifier.name)}`.",
        )
    return row


def _verdict(
    registry: Registry, row: decisions.Row, wanted: Version | None, champion: str | None, approved: bool, by: str | None
) -> tuple[str, str]:
    number = row["challenger"]
    if not approved:
        return "kept", f"a person declined version {number}" if by else decisions.unanswered(number)
    if wanted is None:
        return "kept", f"a person approved version {number}, but it was deleted while it waited"
    if champion not in {row["champion"], number}:
        return "kept", _replaced(champion, number)
    if why := refusal(registry, wanted):
        return "kept", f"a person approved version {number}, but it may not speak: {why}"
    return "promoted", f"a person approved version {number}"


def _replaced(champion: str | None, number: str) -> str:
    return f"version {champion or 'none'} was put in place while version {number} waited"


def _body(settings: Settings, classifier: Classifier, row: decisions.Row, version: Version, registry: Registry) -> str:
    reasons = [f"* {_plain(said)}" for said in decisions.evidence(row)]
    url, pages = registry.url(version), settings.reports / classifier.name / "index.html"
    links = [f"* Run of version {version.version} in MLflow: <{url}>" if url else "", f"* Reports: `{pages}`"]
    hours = f"{classifier.gate.answer_hours:g}"
    return "\n".join(
        [
            *reasons,
            "",
            *_table(row),
            "",
            f"Measured on {row['test_rows']} test texts, with intervals of {100 * classifier.gate.confidence:g} %.",
            "",
            *filter(None, links),
            "",
            f"Without an answer within {hours} hours the champion stays, and the next night asks again.",
        ]
    )


def _table(row: decisions.Row) -> list[str]:
    """Challenger and champion, metric by metric, in hundredths."""
    ours, theirs = json.loads(row["challenger_metrics"]), json.loads(row["champion_metrics"] or "{}")
    head = f"| Metric | version {row['challenger']} | {'version ' + row['champion'] if row['champion'] else ''} |"
    lines = [
        f"| {_plain(name)} | {_figure(name, one)} | {_figure(name, theirs.get(name))} |"
        for name, one in list(ours.items())[:_SHOWN]
    ]
    return [head, "| --- | --- | --- |", *lines]


def _figure(name: str, one: dict[str, float] | None) -> str:
    if not one:
        return ""
    if name == BIASED:
        return f"{100 * one['value']:.1f}"
    return "{:.1f} ({:.1f} to {:.1f})".format(*(100 * one[part] for part in ("value", "low", "high")))


def _plain(said: str) -> str:
    """A sentence of ours that Markdown leaves alone: one line, every special sign escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(said.split()))
