"""The list of a classifier's days."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from html.parser import HTMLParser
from itertools import takewhile
from pathlib import Path

from aufruf.reports.evaluation import FOLDER
from aufruf.reports.inert import page_address, web_address
from aufruf.reports.page import fill, write_whole

TEACH, MONITOR = "queue/tasks.json", "monitor/index.html"
_VERSIONS = 30  # with an evaluation, the newest; a night may add one
STANDING = {  # pages beside the days, and what a reader finds there
    "champions/index.html": "Which version was champion when",
    "words/index.html": "Words that drive calls",
    MONITOR: "What has moved",
    TEACH: "Texts to annotate next (Label Studio)",
    "agreement.html": "How far annotators agree",
    "audit.html": "The split ledger",
}


@dataclass(frozen=True)
class IndexEntry:
    """One day's page; ``path`` is relative to the index."""

    day: date
    path: str
    scored: int
    calls: int
    version: str


def render_index(
    entries: list[IndexEntry],
    classifier: str,
    standing: Sequence[str] = (),
    evaluated: Sequence[str] = (),
    front: str | None = None,
) -> str:
    """A page that lists the days, the last one first, the ``standing`` pages and the versions ``evaluated``.

    ``front``: the address of the classifier's page, where one is served.
    """
    days = sorted(entries, key=lambda entry: entry.day, reverse=True)
    rows = [(entry, page_address(entry.path)) for entry in days]
    beside = [(STANDING[path], path) for path in STANDING if path in standing]
    versions = [(one, page_address(f"{FOLDER}/{one}/index.html")) for one in evaluated[:_VERSIONS]]
    front = web_address(front) if front else None
    return fill(
        "index.html",
        classifier=classifier,
        rows=rows,
        standing=beside,
        versions=versions,
        of=len(evaluated),
        front=front,
    )


def entries(folder: Path) -> list[IndexEntry]:
    """The days that have a page in ``folder``/<YYYY-MM-DD>/index.html, read off the pages themselves."""
    found = (_entry(page) for page in sorted(folder.glob("????-??-??/index.html")))
    return [entry for entry in found if entry is not None]


def write_index(folder: Path, classifier: str, front: str | None = None) -> Path:
    """Write ``folder``/index.html for the days, standing pages and evaluations in it, and return its path.

    Raises AufrufError when the folder cannot be written.
    """
    standing = [path for path in STANDING if (folder / path).is_file()]
    page = render_index(entries(folder), classifier, standing, evaluated(folder), front)
    return write_whole(folder / "index.html", page)


def evaluated(folder: Path) -> list[str]:
    """The versions that have a page in ``folder``/evaluation/<version>/index.html, the newest first."""
    found = [page.parent.name for page in (folder / FOLDER).glob("*/index.html")]
    return sorted(found, key=lambda name: (len(name), name), reverse=True)


class _Facts(HTMLParser):
    """The ``aufruf:`` meta elements of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        name = named.get("name") or ""
        if tag == "meta" and name.startswith("aufruf:"):
            self.found.setdefault(name.removeprefix("aufruf:"), named.get("content") or "")


def _entry(page: Path) -> IndexEntry | None:
    facts = _Facts()
    with page.open(encoding="utf-8", errors="replace") as file:
        facts.feed("".join(takewhile(lambda line: not line.startswith("<style"), file)))
    try:
        day = date.fromisoformat(facts.found["day"])
        scored, calls = int(facts.found["scored"]), int(facts.found["calls"])
    except (KeyError, ValueError):  # not a page of ours
        return None
    return IndexEntry(day, f"{page.parent.name}/{page.name}", scored, calls, facts.found.get("version", ""))
