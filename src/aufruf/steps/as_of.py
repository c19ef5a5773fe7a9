"""``aufruf split --as-of RUN``: what a past run was trained on, rebuilt from the table versions that it logged."""

from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.errors import DataRefused, UsageError
from aufruf.release.registry import Registry
from aufruf.reports.page import write_whole
from aufruf.reports.spreadsheet import safe
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.steps.buried import anew
from aufruf.steps.sweep import seen
from aufruf.store import Store

_COLUMNS = ["text_id", "digest", "split", "label", "text"]
_SUFFIXES = (".csv", ".ndjson", ".parquet")


@anew
def as_of(settings: Settings, classifier: Classifier, run: str, out: Path | None) -> dict[str, Any]:
    """Write text_id, digest, split, label and text of the rows that a run was trained and validated on.

    ``run``: a run's id, or a version or alias that came from it. ``out``: a .csv, .ndjson or .parquet file (default
    reports/<classifier>/as-of-<run>.csv). The rows are held against the fingerprint that the run logged. Raises
    UsageError for a run that is not there or is no training, DataRefused when they are others or their tables gone.
    """
    run_id, tags = Registry(settings, classifier.name).run_tags(run)
    path = out or settings.reports / classifier.name / f"as-of-{run_id[:8]}.csv"
    if path.suffix not in _SUFFIXES:
        raise UsageError(f"--out ends in {path.suffix!r}", where=str(path), next=f"Use {', '.join(_SUFFIXES)}.")
    store = Store(settings.lake)
    before = store.version("tombstones")
    frame = seen(corpus.labelled(settings, classifier, _versions(settings, run_id, tags)))
    logged, found = tags.get(corpus.DATA), corpus.fingerprint(frame)
    if logged is not None and logged != found:
        raise DataRefused(
            "the rows rebuilt are not those that the run was trained on; nothing was written",
            where=f"run {run_id}",
            next="The [split] section of the classifier file may have changed since, or the tables were written over.",
        )
    _write(path, frame[_COLUMNS])
    if store.version("tombstones") != before:  # done again; where the rows can be rebuilt no more, none shall stay
        path.unlink(missing_ok=True)
    return {
        "as_of": run_id,
        "texts": len(frame),
        **{side: int((frame["split"] == side).sum()) for side in ("train", "validation")},
        "out": str(path),
        "fingerprint": found,
        "verified": "not verified: the run logged no fingerprint of its data" if logged is None else "verified",
    }


def _versions(settings: Settings, run_id: str, tags: dict[str, str]) -> dict[str, int]:
    written = {table: tags.get(f"aufruf.{table}_version", "") for table in corpus.SEEN}
    if not all(version.isdecimal() for version in written.values()):
        raise UsageError(
            "the run does not say which versions of the tables it read",
            where=f"run {run_id}",
            next="Name the run of a training; `aufruf train` prints it.",
        )
    written |= {corpus.VOTED: voted} if (voted := tags.get(f"aufruf.{corpus.VOTED}_version", "")).isdecimal() else {}
    versions = {table: int(version) for table, version in written.items()}
    store = Store(settings.lake)
    for table, version in versions.items():
        if version > (newest := store.version(table) or 0):
            raise DataRefused(
                f"it read version {version} of the table {table}, whose newest is {newest}",
                where=f"run {run_id}",
                next="The table was moved away and begun anew; put the old one into a lake of its own (AUFRUF_LAKE).",
            )
    return versions


def _write(path: Path, rows: pd.DataFrame) -> None:
    """In a CSV an apostrophe stands before what a spreadsheet would run; the other formats hold the text as it is."""
    if path.suffix == ".parquet":
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}")
        rows.to_parquet(draft, index=False)
        draft.replace(path)
    elif path.suffix == ".ndjson":
        write_whole(path, rows.to_json(orient="records", lines=True, force_ascii=False))
    else:
        write_whole(path, rows.map(safe).to_csv(index=False))
