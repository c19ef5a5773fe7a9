"""The page on the split ledger: sizes, balance, what was kept together, the proof, and what the test set can tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aufruf.reports.finding import key_of
from aufruf.reports.page import fill, write_whole
from aufruf.reports.privacy import masked

_SHOWN = 100  # set-aside texts on the page; the ledger has them all


@dataclass(frozen=True)
class AuditReport:
    """``found``: the figures as ``--json`` gives them. ``named``: text ids in no split, each with its reason."""

    classifier: str
    found: Mapping[str, Any]
    named: Sequence[tuple[str, str]]


def render(report: AuditReport, listed: bool = True) -> str:
    """The page: no script, no request, no text. ``listed``: the list of the classifier's days lies beside it."""
    sizes = report.found["sizes"]
    return fill(
        "audit.html",
        report=report,
        found=report.found,
        listed=listed,
        sides=list(sizes),
        total=sum(side["texts"] for side in sizes.values()),
        parts=[("Label", _table(sizes, "labels")), ("Text type", _table(sizes, "text_types"))],
        named=[(key_of(text_id), masked(text_id, numbers=False), reason) for text_id, reason in report.named[:_SHOWN]],
    )


def write(folder: Path, report: AuditReport) -> Path:
    """Write ``folder``/audit.html; returns its path. Raises AufrufError when the folder cannot be written."""
    return write_whole(folder / "audit.html", render(report, listed=(folder / "index.html").is_file()))


def _table(sizes: Mapping[str, Any], what: str) -> list[tuple[str, list[int], int]]:
    """For each label, or text type: texts on each side, and in all."""
    names = next(iter(sizes.values()))[what]
    rows = [(name, [side[what][name] for side in sizes.values()]) for name in names]
    return [(name, counts, sum(counts)) for name, counts in rows]
