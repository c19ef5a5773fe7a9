"""The page on words: which drive calls, overall and by party, and which of them should not matter."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from aufruf.reports.finding import key_of
from aufruf.reports.inert import inert
from aufruf.reports.page import fill, write_whole
from aufruf.reports.privacy import masked

_LONG = 240  # characters of an example


@dataclass(frozen=True)
class Example:
    """A text in which a word weighed much."""

    text_id: str
    text: str
    key: str = ""  # by which the page is found again: see ``finding.key_of``


@dataclass(frozen=True)
class Driver:
    """A word that speaks for the positive label."""

    word: str  # as it is shown: what a text hides of it only who has the texts can tell (``privacy.shown_words``)
    texts: int  # calls whose explanation names it
    weight: float  # mean over these
    share: float  # sum of its weights over all explained calls: what it adds to the mean call
    examples: Sequence[Example]


@dataclass(frozen=True)
class PartyWords:
    """The words that drive one party's calls."""

    party: str
    calls: int
    words: Sequence[Driver]


@dataclass(frozen=True)
class Suspect:
    """A word that should not matter, and what happens when it is swapped."""

    word: str  # "" for all handles together
    kind: str  # party | emoji | handle
    texts: int  # explanations that name it
    weight: float  # mean over these, signed
    tried: int  # texts in which it was swapped, and of which the model makes a number with it and without
    flipped: int  # ... whose label changed
    moved: float | None  # mean absolute change of the probability; None where ``tried`` is 0
    examples: Sequence[Example]  # texts whose label changed


@dataclass(frozen=True)
class Trust:
    """How far explanations can be trusted, those aside that name no word; a median of none is None."""

    texts: int  # explained ones
    fit: float | None  # median
    stability: float | None  # median
    measured: int  # texts whose faithfulness was measured, taken by chance
    faithfulness: float | None  # median over these
    unreliable: int  # marked as not reliable
    unreliable_share: float | None  # of texts, 0..1


@dataclass(frozen=True)
class WordsReport:
    """Everything that the page says."""

    classifier: str
    positive: str
    version: str
    written_at: datetime
    explained: int
    calls: int
    unreliable: int
    trust: Trust  # of all explanations, from which the suspects come
    trust_of_calls: Trust  # of those from which the words that drive calls come
    overall: Sequence[Driver]
    by_party: Sequence[PartyWords]
    suspects: Sequence[Suspect]


def render(report: WordsReport, mask: bool = True, listed: bool = True) -> str:
    """The page: no script, no request. With ``mask`` handles, addresses, numbers and links in examples are replaced.

    ``listed``: the list of days lies above.
    """
    top = max((one.share for one in report.overall), default=0.0)
    return fill("words.html", report=_shown(report, mask), mask=mask, listed=listed, top=top or 1.0)


def write(folder: Path, report: WordsReport, mask: bool = True) -> Path:
    """Write ``folder``/index.html, then words.json, both masked alike; returns the page.

    Raises AufrufError when the folder cannot be written.
    """
    shown: dict[str, Any] = asdict(_shown(report, mask))
    told = json.dumps(shown, ensure_ascii=True, indent=1, default=lambda at: at.isoformat())
    page = render(report, mask, listed=(folder.parent / "index.html").is_file())
    path = write_whole(folder / "index.html", page)
    write_whole(folder / "words.json", told)  # last: ``about`` believes it
    return path


def about(folder: Path) -> tuple[str, datetime, int] | None:
    """Of which version the page tells, when it was written, and of how many explanations.

    None where page or JSON is not there, or not ours.
    """
    try:
        told = json.loads((folder / "words.json").read_text("utf-8"))
        found = str(told["version"]), datetime.fromisoformat(told["written_at"]), int(told["explained"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None
    return found if (folder / "index.html").is_file() else None


def _shown(report: WordsReport, mask: bool) -> WordsReport:
    def example(one: Example) -> Example:
        return _example(one, mask)

    def driver(one: Driver) -> Driver:
        return replace(one, examples=[example(text) for text in one.examples])

    return replace(
        report,
        overall=[driver(one) for one in report.overall],
        by_party=[replace(one, words=[driver(word) for word in one.words]) for one in report.by_party],
        suspects=[replace(one, examples=[example(text) for text in one.examples]) for one in report.suspects],
    )


def _example(one: Example, mask: bool) -> Example:
    key = key_of(one.text_id)
    if not mask:
        return replace(one, key=key)
    text = masked(one.text)
    short = text if len(text) <= _LONG else text[: _LONG - 1] + "…"
    return Example(masked(one.text_id, numbers=False), inert(short), key)
