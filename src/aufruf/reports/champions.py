"""The page on who was champion when, how it came into use, and what was refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aufruf.reports.page import fill, write_whole

VERDICTS = {
    "first": "First model",
    "promoted": "Promoted",
    "kept": "Not promoted",
    "waiting": "Waits for a person",
}
HOW = {
    "gate": "the gate promoted it",
    "approval": "a person approved it in Airflow",
    "hand": "a person chose it",
    "rollback": "a person rolled back",
}


@dataclass(frozen=True)
class Reign:
    """One change; times in the classifier's zone. ``version`` None: the alias was taken away."""

    since: datetime
    version: str | None
    how: str  # gate | approval | hand | rollback
    replaced: str | None
    refused: str | None


def render(classifier: str, reigns: Sequence[Reign], listed: bool = True) -> str:
    """The page: no script, no request, no text. ``reigns``: the newest first. ``listed``: the list of days is there."""
    return fill("champions.html", classifier=classifier, reigns=reigns, how=HOW, listed=listed)


def write(folder: Path, classifier: str, reigns: Sequence[Reign]) -> Path:
    """Write ``folder``/champions/index.html; returns its path. Raises AufrufError when it cannot be written."""
    page = render(classifier, reigns, listed=any(folder.glob("????-??-??/index.html")))
    return write_whole(folder / "champions" / "index.html", page)
