"""Canary texts: what a version said of a few texts when it was registered, asked again before it scores anything.

Verifying the files says that they are those that were registered. It does not say that they still give the same
answers: another version of a library, a faulty processor, or a process that holds an older model would go unnoticed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from aufruf.errors import BundleRefused
from aufruf.model import behaviour
from aufruf.model.predictor import Floats, Predictor

NAME = "canaries.json"  # in the bundle, and so in its manifest of digests
TOLERANCE = 0.02  # of a probability, in one precision: other batches round in other places
ACROSS = 0.04  # ... in another one; bf16 and fp32 differed by up to 0.035 (docs/decisions/26-on-a-gpu.md)
COUNT = 24
_NAMED = 3  # answers that an error quotes
_SUITE = "call_to_action"  # its texts serve any classifier: what is compared is what the version itself said
_SHAPES = ("🗳️❤️", "Straße, Öl & Übermut: ÄÖÜ äöü ß", "https://example.org/a?b=1 @name #tag " * 3, "Geht wählen! " * 200)


@dataclass(frozen=True)
class Canary:
    """A text, the labels that it was given, and the probability of each label of the version."""

    text: str
    labels: list[str]
    probabilities: dict[str, float]


def keep(folder: Path, predictor: Predictor) -> None:
    """Write the canaries of a version into its folder, which is not sealed yet.

    Of our own short texts those are taken that spread over the probabilities that the version gives, so that a shift
    anywhere shows; beside them a few of unusual shape. Answers that are no numbers are none.
    """
    texts = [*_texts(), *_SHAPES]
    odds = predictor.probabilities(texts)
    sound = np.flatnonzero(np.isfinite(odds).all(axis=1))
    ordered = [at for at in sound[np.argsort(odds[sound, predictor.positive], kind="stable")] if at < len(_texts())]
    places = np.linspace(0, len(ordered) - 1, COUNT - len(_SHAPES) if ordered else 0).round().astype(int)
    kept = [*(int(ordered[at]) for at in np.unique(places)), *(int(at) for at in sound if at >= len(_texts()))]
    said, names = predictor.said(odds), predictor.card.labels
    rows = [Canary(texts[at], said[at], dict(zip(names, map(float, odds[at]), strict=True))) for at in kept]
    written = {"precision": predictor.device.precision, "canaries": [asdict(one) for one in rows]}
    (folder / NAME).write_text(json.dumps(written, indent=1, ensure_ascii=False), encoding="utf-8")


def read(folder: Path) -> tuple[list[Canary], str]:
    """The canaries of a bundle, and in which precision it answered; none in one from before there were any."""
    if not (folder / NAME).is_file():
        return [], ""
    written = json.loads((folder / NAME).read_text("utf-8"))
    return [Canary(**one) for one in written["canaries"]], written["precision"]


def ask(folder: Path, predictor: Predictor, version: str, where: str = "") -> int:
    """How many canaries were asked; all gave the answers on record.

    A probability may differ by ``TOLERANCE``, on a device of another precision by ``ACROSS``; a label may where that
    decides it. Raises BundleRefused where one differs.
    """
    known, precision = read(folder)
    if not known:
        return 0
    odds = predictor.probabilities([one.text for one in known])
    told = list(zip(known, odds, predictor.said(odds), strict=True))
    by = TOLERANCE if precision == predictor.device.precision else ACROSS
    changed = [one for one in told if _differs(*one, predictor, by)]
    if changed:
        said = "; ".join(_sentence(one, row, predictor) for one, row, _ in changed[:_NAMED])
        raise BundleRefused(
            f"{len(changed)} of {len(known)} canary texts are no longer answered as when version {version} was "
            f"registered: {said}",
            where=where,
            next="No post was scored. A stale process or cache, another library or a faulty device gives other "
            "answers: restart the worker, delete the folder under `bundles` and install the pinned packages.",
        )
    return len(known)


def _texts() -> list[str]:
    cases = [case for one in behaviour.suite(_SUITE) for case in one.cases]
    return list(dict.fromkeys(text for case in cases for text in (case.text, case.changed) if text))


def _differs(canary: Canary, row: Floats, labels: Sequence[str], predictor: Predictor, by: float) -> bool:
    names = predictor.card.labels
    known = np.array([canary.probabilities.get(name, np.nan) for name in names])
    if len(canary.probabilities) != len(names) or not (np.abs(row - known) <= by).all():
        return True
    return sorted(labels) != sorted(canary.labels) and not _close(known, predictor, by)


def _close(known: Floats, predictor: Predictor, by: float) -> bool:
    """Whether the tolerance can change the labels: the threshold, or another label, is as near as that."""
    card, at = predictor.card, predictor.positive
    others = np.delete(known, at)
    if card.multi_label:
        return bool(abs(known[at] - card.threshold) <= by or (np.abs(others - 0.5) <= by).any())
    top = np.sort(others)[::-1]
    tie = len(top) > 1 and top[0] - top[1] <= 2 * by
    return bool(abs(known[at] - card.threshold) <= by or tie)


def _sentence(canary: Canary, row: Floats, predictor: Predictor) -> str:
    positive = predictor.card.positive
    begin = canary.text[:40] + ("…" if len(canary.text) > 40 else "")
    return f"{begin!r} {positive} {row[predictor.positive]:.3f}, was {canary.probabilities.get(positive, np.nan):.3f}"
