"""Who may speak: the version under the alias ``champion`` if it is what was registered, else the one that spoke before.

The alias belongs to people and to the gate: only ``crown`` moves it. Whatever moved it, the change becomes a row of the
table ``champions`` as soon as a step looks, and what spoke until then becomes ``previous``.
"""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aufruf.classifier import Classifier
from aufruf.errors import BundleRefused, UsageError
from aufruf.model import bundle
from aufruf.release.registry import CHAMPION, PREVIOUS, Registry, Version
from aufruf.schemas import PROMOTED
from aufruf.settings import Settings
from aufruf.steps import decisions, history, numbers
from aufruf.steps.sound import sound
from aufruf.store import Store

log = logging.getLogger(__name__)
CROWNED = "aufruf.crowned"  # a version crowned once is not crowned again by the gate: whoever took it back meant it
REFUSED = "aufruf.refused"  # why the version may not speak
MOVING = "aufruf.moving"  # while the alias is on its way to the version: how, and after which row of the table
_LONGEST = 1000  # characters of a reason


@dataclass(frozen=True)
class Noticed:
    """Who speaks, None for nobody; and the champion that was refused, with the reason."""

    version: Version | None
    refused: str | None = None
    why: str | None = None


@dataclass(frozen=True)
class Speaker:
    """The version that speaks, and the one that should but was refused, with the reason."""

    version: Version
    instead_of: str | None = None
    why: str | None = None

    def told(self) -> dict[str, Any]:
        """What a step's result says of a refusal; nothing while the champion itself speaks."""
        return {"champion_refused": {"version": self.instead_of, "why": self.why}} if self.why else {}


def champion(settings: Settings, classifier: Classifier) -> dict[str, Any]:
    """Look who may speak, and write down what changed. Raises NothingYet, and BundleRefused for a refused champion."""
    found = speaking(settings, classifier, Registry(settings, classifier.name))
    if found.why:
        raise BundleRefused(
            f"version {found.instead_of} may not speak: {found.why.rstrip('.')}",
            where=classifier.name,
            next=f"Version {found.version.version} goes on. Restore the files, promote another version or roll back.",
        )
    return {"model_version": found.version.version}


def speaking(
    settings: Settings, classifier: Classifier, registry: Registry, model: str | None = None, *, write: bool = True
) -> Speaker:
    """Version ``model`` where one is asked for; else the champion, noticed and verified, or who spoke before it.

    The alias is resolved once. ``write``: a change is written down, see ``noticed``. Raises NothingYet without a
    champion, BundleRefused when it is refused and no other has spoken before, or another model has the number of
    ``model``; UsageError for an unknown one, and for a champion that knows no label of the positive's name.
    """
    if model is not None:
        asked = registry.get(model)
        numbers.check(settings, classifier.name, asked)
        return Speaker(asked)
    found = (noticed if write else looked)(settings, classifier, registry)
    if found.version is not None:
        _knows_positive(classifier, registry, found.version)
        return Speaker(found.version, found.refused, found.why)
    if found.why is None:
        return Speaker(registry.champion())  # raises: there is none
    raise BundleRefused(
        f"version {found.refused} may not speak ({found.why}), and no other that could has spoken before",
        where=classifier.name,
        next=f"Promote a sound version: `aufruf promote --version N{settings.choosing(classifier.name)}`.",
    )


def _knows_positive(classifier: Classifier, registry: Registry, version: Version) -> None:
    """Raises UsageError for a version, verified before, that gives the classifier's positive label no probability."""
    labels = json.loads((registry.fetch(version) / bundle.CARD).read_text("utf-8"))["labels"]
    if classifier.positive not in labels:
        raise UsageError(
            f"version {version.version} was trained for {', '.join(labels)}, and knows no {classifier.positive!r}",
            where=classifier.name,
            next="Name the labels as they were; or take the votes in again, train, and make the new version champion "
            "with `aufruf promote --version N`.",
        )


def noticed(settings: Settings, classifier: Classifier, registry: Registry) -> Noticed:
    """Who speaks at this moment; a change since somebody last looked is written down."""
    with history.alone(settings, classifier.name):
        return _noticed(settings, classifier, registry)


def looked(settings: Settings, classifier: Classifier, registry: Registry) -> Noticed:
    """Who speaks at this moment; like ``noticed``, but nothing is written down and no alias moved."""
    chosen, past = registry.by_alias(CHAMPION), history.rows(Store(settings.lake), classifier)
    number = _due(registry, chosen, past)
    if number is None:
        return Noticed(None)
    why = _may_not(registry, chosen, number)
    if chosen and not why:
        return Noticed(chosen)
    return _instead(classifier, registry, number, str(why), history.spoke(past, number))


def _noticed(settings: Settings, classifier: Classifier, registry: Registry) -> Noticed:
    store = Store(settings.lake)
    chosen, past = registry.by_alias(CHAMPION), history.rows(store, classifier)
    number = _due(registry, chosen, past)
    if number is None:
        if past:
            history.enter(store, classifier, None, "hand")
        return Noticed(None)
    why = _may_not(registry, chosen, number)
    before = history.spoke(past, number)
    if before and (not past or number != past[0]["version"]):
        _point_previous(registry, before[0])
    history.enter(store, classifier, number, _how(store, classifier, chosen, past), why)
    if chosen:
        _mark(registry, chosen, why)
    if chosen and not why:
        decisions.accept(store, classifier, number)
        return Noticed(chosen)
    return _instead(classifier, registry, number, str(why), before)


def _due(registry: Registry, chosen: Version | None, past: list[history.Row]) -> str | None:
    """The number of the version that should speak: MLflow deletes a version's aliases with it. None: nobody shall."""
    last = past[0]["version"] if past else None
    if chosen is None and (last is None or there(registry, last)):
        return None
    return chosen.version if chosen else str(last)


def _may_not(registry: Registry, chosen: Version | None, number: str) -> str | None:
    return refusal(registry, chosen) if chosen else f"version {number} was deleted"


def refusal(registry: Registry, version: Version) -> str | None:
    """Why a version may not speak: its files are not there, or not those that were registered. None: it may."""
    try:
        verify(registry, version)
    except BundleRefused as refused:
        return refused.what[:_LONGEST]
    return None


def verify(registry: Registry, version: Version) -> None:
    """Raises BundleRefused unless the version's files are, byte by byte, those that were registered.

    So it does when the lake holds answers of another model under the version's number.
    """
    numbers.check(registry.settings, registry.name, version)
    sound(registry, version, lambda folder: bundle.verify(folder, version.manifest))


def crown(
    settings: Settings,
    classifier: Classifier,
    registry: Registry,
    version: Version,
    how: str,
    instead_of: tuple[str | None, ...] = (),
) -> bool:
    """Make a version the champion, once it is verified, and what speaks now ``previous``.

    ``instead_of``: the numbers, None for nobody, of which one must speak still; empty: whoever does. False, and nothing
    is moved, where another speaks by now: what was decided was about another champion. Raises BundleRefused; nothing is
    moved then. Where the alias does not move, nothing is written; what breaks off later is made good by the next look.
    """
    verify(registry, version)
    store = Store(settings.lake)
    with history.alone(settings, classifier.name):
        if instead_of:
            speaks = _noticed(settings, classifier, registry).version
            if (speaks.version if speaks else None) not in instead_of:
                return False
        past = history.rows(store, classifier)
        before = history.spoke(past, version.version)
        registry.tag(version.version, {MOVING: _moving(how, past)})
        registry.point(CHAMPION, version.version)  # first: where it does not move, nothing says that it did
        if before:
            _point_previous(registry, before[0])
        history.enter(store, classifier, version.version, how)
        _mark(registry, registry.get(version.version), None)
    history.write(settings, classifier)
    return True


def _instead(classifier: Classifier, registry: Registry, refused: str, why: str, before: list[str]) -> Noticed:
    log.error("%s: version %s is champion and may not speak: %s", classifier.name, refused, why)
    for number in before:
        if there(registry, number) and refusal(registry, other := registry.get(number)) is None:
            log.error("%s: version %s, which spoke before, goes on", classifier.name, number)
            return Noticed(other, refused, why)
    return Noticed(None, refused, why)


def _how(store: Store, classifier: Classifier, chosen: Version | None, past: list[history.Row]) -> str:
    """By hand, since no step wrote it down; but a crowning may have been cut off, or the lake older than the table.

    The first says how on the version; of an older lake the decision on its champion does.
    """
    if chosen is None:
        return "hand"
    how = chosen.tags.get(MOVING, "").partition(" ")[0]
    if how and chosen.tags[MOVING] == _moving(how, past):
        return how
    if past and CROWNED in chosen.tags:
        return "hand"
    row = decisions.last(store, classifier, chosen.version)
    return decisions.how(row) if row is not None and row["verdict"] in PROMOTED else "hand"


def _moving(how: str, past: list[history.Row]) -> str:
    return f"{how} {past[0]['since'].isoformat() if past else 'first'}"


def _point_previous(registry: Registry, version: str) -> None:
    known = registry.by_alias(PREVIOUS)
    if (known is None or known.version != version) and there(registry, version):
        registry.point(PREVIOUS, version)


def _mark(registry: Registry, version: Version, why: str | None) -> None:
    """Say on the version's own page in MLflow that it was champion, or why it may not speak."""
    if why:
        if version.tags.get(REFUSED) != why:
            registry.tag(version.version, {REFUSED: why})
        return
    for said in {REFUSED, MOVING} & version.tags.keys():
        registry.client.delete_model_version_tag(registry.name, version.version, said)
    if CROWNED not in version.tags:
        registry.tag(version.version, {CROWNED: datetime.now(UTC).isoformat(timespec="seconds")})


def there(registry: Registry, version: str) -> bool:
    """False when a version was deleted, or never was."""
    try:
        registry.get(version)
    except UsageError:
        return False
    return True
