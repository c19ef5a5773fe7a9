"""The step ``prune``: what a classifier's ``[retention]`` says is old goes; first it only says what would."""

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aufruf.classifier import Classifier, choose, names
from aufruf.model.leases import Leases
from aufruf.model.studies import Studies
from aufruf.release import retention
from aufruf.release.registry import Registry
from aufruf.reports.day import without_words
from aufruf.reports.index import write_index
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps import expiry, traces
from aufruf.store import Store

_DRAFTED = 86_400  # seconds
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_WITH_TEXTS = ("predictions-*", "as-of-*", "queue/*", "words/*")  # beside the days; what wrote one writes it again


def prune(settings: Settings, classifier: Classifier, *, yes: bool = False) -> dict[str, Any]:
    """Remove what is older than ``[retention]`` allows; without ``yes`` only say what that would be.

    A version with an alias never goes, nor the run that made a registered version, nor a text that somebody annotated.
    Of what all classifiers share - tables, originals, texts, checks of files - the longest time that any of them asks
    for counts.
    """
    rules, registry, now = classifier.retention, Registry(settings, classifier.name), time.time()
    gone: dict[str, Any] = {
        "checkpoints": [],
        "versions": [],
        "runs": 0,
        "reports": [],
        "report_files": [],
        "checks": 0,
    }
    pages = settings.reports / classifier.name
    still = _still(settings, classifier, now, yes)
    gone["checkpoints"], size = list(still), sum(still.values())
    for version in retention.spare_versions(registry, rules.versions) if rules.versions is not None else []:
        size += retention.size_of_version(registry, version)
        if not yes or retention.delete_version(registry, version):
            gone["versions"].append(version.version)
            copies = (settings.bundles / classifier.name).glob(f"{version.version}-*")
            places = [*copies, pages / "evaluation" / version.version]
            size += _cleared(places, yes)
    for run in retention.old_runs(registry, int((now - rules.runs * 86_400) * 1000)) if rules.runs is not None else []:
        size += run.size
        gone["runs"] += 1
        if yes:
            retention.delete_run(registry, run)
    for folder in _reports(settings, classifier):
        gone["reports"].append(folder.name)
        size += _cleared([folder], yes)
    for file in _report_files(pages, classifier, now):
        if file.relative_to(pages).parts[0] in gone["reports"]:
            continue
        gone["report_files"].append(file.relative_to(pages).as_posix())
        size += _bytes(file)
        if yes:
            file.unlink(missing_ok=True)
    for file in _checks(settings, classifier, now):
        gone["checks"] += 1
        size += _bytes(file)
        if yes:
            file.unlink(missing_ok=True)
    if yes and (pages / "index.html").is_file() and (gone["versions"] or gone["reports"] or gone["report_files"]):
        without_words(pages)
        write_index(pages, classifier.name, settings.front(classifier.name))
    expired = expiry.old(
        settings, _before(settings, classifier, "originals", now), _before(settings, classifier, "texts", now)
    )
    gone |= expired.counts()
    size += expired.size()
    if yes:
        expired.clear(Store(settings.lake))
    gone["tables"] = _tables(settings, classifier, yes)
    gone["compacted"] = _compacted(settings, yes)
    if not any(gone.values()):
        return {**gone, "bytes": 0, "status": "nothing to do"}
    size += sum(gone["tables"].values())
    return {**gone, "bytes": size, "status": "done" if yes else "would be done"}


def _still(settings: Settings, classifier: Classifier, now: float, yes: bool) -> dict[str, int]:
    """Bytes of the work folders that lie still, by name, but for what a living training or trial may go on in."""
    leases, found = Studies(settings.studies, settings.studies_url).leases, dict[str, int]()
    for folder in _checkpoints(settings, classifier, now):
        if folder.name.startswith(f"{classifier.name}-train-"):
            parts = [(f"train-{classifier.name}", folder)]
        else:  # of a study, whose trials have a lease each
            parts = [(f"{folder.name}.{part.name}", part) for part in sorted(folder.iterdir())]
        sizes = [size for key, part in parts if (size := _let_go(leases, key, part, yes)) is not None]
        if parts and not sizes:
            continue
        found[folder.name] = sum(sizes)
        if yes:
            with contextlib.suppress(OSError):  # gone, or not empty: somebody is at work on another trial
                folder.rmdir()
    return found


def _let_go(leases: Leases, key: str, part: Path, yes: bool) -> int | None:
    """Bytes of a folder, or of a file that lies beside those, deleted if ``yes``; None while another holds ``key``."""
    if not yes:  # who only asks keeps no training waiting
        return None if leases.busy(key) else _size(part)
    release = leases.take(key)
    if release is None:
        return None
    try:
        size = _size(part)
        shutil.rmtree(part) if part.is_dir() else part.unlink(missing_ok=True)
        return size
    finally:
        release()


def _checkpoints(settings: Settings, classifier: Classifier, now: float) -> Iterator[Path]:
    """Work folders of this classifier in which nothing was written for so long."""
    if classifier.retention.checkpoints is None:
        return
    others = tuple(f"{name}-" for name in names(settings) if name.startswith(f"{classifier.name}-"))
    for folder in sorted(settings.runs.glob(f"{classifier.name}-*")):
        if folder.name.startswith(others):
            continue
        newest = max(map(_written, (folder, *folder.rglob("*"))))
        if folder.is_dir() and newest < now - classifier.retention.checkpoints * 86_400:
            yield folder


def _reports(settings: Settings, classifier: Classifier) -> list[Path]:
    """Folders of days that are over for so long, but the last one."""
    if classifier.retention.reports is None:
        return []
    days = sorted(one for one in (settings.reports / classifier.name).glob("*") if _DAY.fullmatch(one.name))
    today = datetime.now(ZoneInfo(classifier.schedule.timezone)).date()
    oldest = (today - timedelta(days=classifier.retention.reports)).isoformat()
    return [one for one in days[:-1] if one.name < oldest]


def _report_files(pages: Path, classifier: Classifier, now: float) -> list[Path]:
    """Files with texts beside the days, written so long ago: exports, what a run saw, the queue, the page on words.

    And drafts, wherever they are, that nobody has written to for a day: whoever began them was killed.
    """
    left = [file for file in traces.drafts(pages) if _written(file) < now - _DRAFTED]
    if classifier.retention.reports is None:
        return left
    oldest = now - classifier.retention.reports * 86_400
    found = (file for pattern in _WITH_TEXTS for file in sorted(pages.glob(pattern)) if file not in left)
    return left + [file for file in found if file.is_file() and _written(file) < oldest]


def _checks(settings: Settings, classifier: Classifier, now: float) -> list[Path]:
    """Pages on files, and their figures, written so long ago; all classifiers share them."""
    before = _before(settings, classifier, "reports", now)
    found = sorted((settings.reports / "checks").glob("*")) if before else []
    return [file for file in found if before and file.stat().st_mtime < before.timestamp()]


def _tables(settings: Settings, classifier: Classifier, yes: bool) -> dict[str, int]:
    """Bytes of old versions, by table."""
    days = _longest(settings, classifier, "tables")
    if days is None:
        return {}
    store = Store(settings.lake)
    found = {table: store.vacuum(table, days, dry_run=not yes) for table in TABLES}
    return {table: size for table, size in found.items() if size}


def _longest(settings: Settings, classifier: Classifier, key: str) -> float | None:
    """The most days that any classifier asks for; None: one of them keeps it for ever."""
    others = [choose(settings, name) for name in names(settings) if name != classifier.name]
    asked = [getattr(one.retention, key) for one in (classifier, *others)]
    return None if None in asked else max(asked)


def _before(settings: Settings, classifier: Classifier, key: str, now: float) -> datetime | None:
    days = _longest(settings, classifier, key)
    return None if days is None else datetime.fromtimestamp(now - days * 86_400, UTC)


def _compacted(settings: Settings, yes: bool) -> dict[str, int]:
    """Small files that become large ones, by table; no row and no version goes."""
    store = Store(settings.lake)
    found = {table: store.compact(table, dry_run=not yes) for table in TABLES}
    return {table: files for table, files in found.items() if files}


def _cleared(folders: list[Path], yes: bool) -> int:
    """Bytes of the folders that are there; they are deleted if ``yes``."""
    there = [folder for folder in folders if folder.is_dir()]
    size = sum(map(_size, there))
    if yes:
        for folder in there:
            shutil.rmtree(folder)
    return size


def _size(place: Path) -> int:
    return sum(_bytes(path) for path in (place, *place.rglob("*")) if path.is_file())


def _bytes(path: Path) -> int:
    """Its size; 0 of what has gone meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _written(path: Path) -> float:
    """When it was last written to; of what has gone meanwhile: just now, by whoever took it away."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
