"""Where an author is still to be found outside the tables: report pages, originals, the inbox, files of runs."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unicodedata import normalize

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import inbox, readers, unpack
from aufruf.errors import AufrufError, DataRefused
from aufruf.release.artifacts import copies
from aufruf.release.registry import Registry
from aufruf.release.server import FAILURES, why
from aufruf.reports import forgetting, named
from aufruf.reports.finding import key_of
from aufruf.reports.page import write_whole
from aufruf.settings import Settings
from aufruf.steps.pseudonyms import folded

_TABLES, _JSON = (".csv", ".tsv"), (".json", ".jsonl", ".ndjson")
_READABLE = (".html", *_TABLES, *_JSON, ".txt", ".md", ".log", ".yaml", ".yml")
_BESIDE = ("evaluation.json", "words.json")  # they name the texts that the page beside them shows
_LARGEST = 64 << 20  # bytes of an HTML page, which is read whole
_PIECE = 1 << 20  # characters of any other file that are read at a time
_TELLING = 8  # characters of an id that is not just a number of some row
_ACCOUNT = re.compile("author|user|account|owner|handle|profile|page|name|creator|channel|autor|konto", re.IGNORECASE)
_PARTY = re.compile("party|partei", re.IGNORECASE)


@dataclass(frozen=True)
class Traces:
    """What gives an author away: the name, and the ids and words of the texts."""

    name: str  # as ``pseudonyms.folded``
    text_ids: frozenset[str]
    posts: frozenset[str]
    texts: frozenset[str]
    needles: list[str] = field(default_factory=list)
    columns: frozenset[str] = frozenset()  # that somebody has named as those of authors

    @property
    def telling(self) -> frozenset[str]:
        return frozenset(one for one in self.text_ids | self.posts if len(one) >= _TELLING)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The texts' ids as our own files write them."""
        return forgetting.ids(self.text_ids)

    def in_row(self, value: Any, key: str = "") -> bool:
        """True when something in a row, at any depth, names the author, links to the account, is an id, or is a text.

        A name counts only under a key that speaks of accounts, or was named as that of authors: a party can be called
        like its account.
        """
        if isinstance(value, Mapping):
            return any(self.in_row(one, str(under)) for under, one in value.items())
        if isinstance(value, list | tuple):
            return any(self.in_row(one, key) for one in value)
        said = value.strip() if isinstance(value, str) else str(value)
        if said in self.telling or said in self.texts:
            return True
        named = key in self.columns or (_ACCOUNT.search(key) is not None and _PARTY.search(key) is None)
        return (named and folded(said) == self.name) or ("://" in said and self._linked(said))

    def _linked(self, said: str) -> bool:
        paths = (re.split(r"[\s?#]", part, maxsplit=1)[0].split("/")[1:] for part in said.split("://")[1:])
        return any(folded(one) == self.name for path in paths for one in path)


@dataclass
class Pages:
    """Report files that show a text of the author's: those to write again without it, and those to delete."""

    rewritten: dict[Path, str] = field(default_factory=dict)
    deleted: list[Path] = field(default_factory=list)
    closed: list[Path] = field(default_factory=list)  # could not be looked into

    def clear(self) -> None:
        for path, page in self.rewritten.items():
            write_whole(path, page)
        for path in self.deleted:
            path.unlink(missing_ok=True)


def pages(settings: Settings, traces: Traces) -> Pages:
    """What is to be done with the files under ``reports``.

    A day's page loses the author's cards, a text's page the author's texts among its neighbours. Any other file that
    shows or names one of them is to be deleted; the step that wrote it writes it again. So is every draft that a killed
    step has left: nobody reads it, and half a table cannot be looked into. Who is at work on one writes it again.
    """
    if not traces.text_ids:
        return Pages()
    found, keys = Pages(deleted=drafts(settings.reports)), {key_of(one) for one in traces.text_ids}
    for path in _files(settings.reports):
        if path.name.startswith("."):
            continue
        if path.parent.name == "texts" and path.stem in keys:
            found.deleted.append(path)
        elif path.suffix == ".parquet" and (held := _ids(path)) is not None:
            found.deleted += [path] if traces.ids & held else []
        elif not _open(path):
            found.closed.append(path)
        elif path.suffix == ".html":
            rest, taken = forgetting.without(_read(path), keys)
            if forgetting.marks(rest, keys, traces.ids) or forgetting.shows(rest, traces.needles):
                found.deleted.append(path)
            elif taken:
                found.rewritten[path] = rest
        elif _shows(path, traces):
            found.deleted.append(path)
    pages = [path.with_name("index.html") for path in found.deleted if path.name in _BESIDE]
    found.deleted += [page for page in pages if page.is_file() and page not in found.deleted]
    found.rewritten = {path: page for path, page in found.rewritten.items() if path not in pages}
    return found


def names(said: str, name: str) -> bool:
    """Whether an account's name, as ``pseudonyms.folded``, is in it as a whole: ``max`` in max_2025, not in maxi."""
    return re.search(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", normalize("NFC", said.casefold())) is not None


def drafts(folder: Path) -> list[Path]:
    """Files not yet whole, which have another name until they are; after ``kill -9`` they stay."""
    return [path for path in sorted(folder.rglob(".*")) if path.is_file()]


def originals(settings: Settings, traces: Traces) -> tuple[list[Path], list[Path]]:
    """The files under ``raw`` and ``inbox`` that hold a row of the author's, and those that cannot be looked into.

    Each is read whole, and what is packed is unpacked.
    """
    places = [settings.raw, settings.home / "inbox"]
    files = [path for place in places if place.is_dir() for path in sorted(place.rglob("*")) if path.is_file()]
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(settings.home).parts)]
    if not files:
        return [], []
    with inbox.workbench(settings.raw) as folder:
        found = {path: _holds(path, traces, folder) for path in files}
    return [path for path, holds in found.items() if holds], [path for path, holds in found.items() if holds is None]


def artifacts(
    settings: Settings, classifiers: Sequence[Classifier], traces: Traces, patience: float
) -> tuple[list[str], list[str]]:
    """The files of runs and versions that name a text of the author's, and those that cannot be looked into: weights.

    Under the home, else by their address. ``patience``: seconds that each look at a tracking server waits for it.
    Raises AufrufError where it does not answer, or does not give its files.
    """
    found, closed = list[str](), list[str]()
    for path in _files(*([settings.mlflow] if settings.embedded_registry else []), settings.bundles):
        if not _open(path):
            closed.append(str(path))
        elif _shows(path, traces):
            found.append(str(path))
    for one in [] if settings.embedded_registry else classifiers:
        registry = Registry(settings, one.name, patience=patience)
        try:
            for place, copy in copies(registry, _READABLE):
                if copy is None or not _open(copy):
                    closed.append(place)
                elif _shows(copy, traces):
                    found.append(place)
        except FAILURES as failure:
            raise AufrufError(
                f"the files of its runs cannot be looked into ({why(failure)})",
                where=one.name,
                next="See to the tracking server and its artifact store, then ask again: nothing was deleted.",
            ) from failure
    return found, closed


def _files(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def _open(path: Path) -> bool:
    """Whether it is text that can be looked into; one that has gone meanwhile holds nothing."""
    if path.suffix not in _READABLE:
        return False
    try:
        return path.suffix != ".html" or path.stat().st_size <= _LARGEST
    except FileNotFoundError:  # a checkpoint may go at any moment
        return True


def _read(path: Path) -> str:
    """What stands in it; nothing where it has gone meanwhile."""
    return "".join(_pieces(path))


def _pieces(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            yield from iter(lambda: file.read(_PIECE), "")
    except FileNotFoundError:
        return


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from file
    except FileNotFoundError:
        return


def _shows(path: Path, traces: Traces) -> bool:
    """True when it names a text as our own files do, or when words or an id that give one away stand in it."""
    if path.suffix == ".html":
        return forgetting.shows(_read(path), traces.needles)
    names = named.in_table(_lines(path)) if path.suffix in _TABLES else named.in_json(_pieces(path))
    if any(one in traces.ids for one in names):
        return True
    if path.suffix not in _TABLES and forgetting.holds(named.decoded(_pieces(path)), traces.needles):
        return True
    return path.suffix not in _JSON and forgetting.holds(_pieces(path), traces.needles)


def _ids(path: Path) -> set[str] | None:
    """The ids in a table of texts; None where it is none."""
    try:
        return {str(one) for one in pd.read_parquet(path, columns=["text_id"])["text_id"]}
    except FileNotFoundError:
        return set()
    except (ValueError, KeyError, OSError):
        return None


def _holds(path: Path, traces: Traces, folder: Path) -> bool | None:
    """Whether a row of the author's is in the file; None where a part of it stays closed and no other part has one."""
    found: list[bool | None] = [False]
    try:
        for member in unpack.members(path, path.name, folder, ""):
            within = member.name.split("/")[1:]  # a downloader's folder has the account's name
            if any(folded(Path(part).stem) == traces.name for part in within):
                return True
            if member.refusal:
                found.append(False if member.ignored else None)
                continue
            found.append(_member_holds(member.path, traces))
            if member.path != path:
                member.path.unlink()
            if found[-1]:
                return True
    except OSError:  # no room to unpack it
        return None
    return None if None in found else False


def _member_holds(path: Path, traces: Traces) -> bool | None:
    try:
        return any(traces.in_row(record.row) for record in readers.open_content(path).records())
    except DataRefused:  # no table: a reason for a refusal, or what only other programs open
        held = path.read_bytes()
    if names(held.decode("utf-8", "replace"), traces.name):
        return True
    return None if b"\0" in held else False
