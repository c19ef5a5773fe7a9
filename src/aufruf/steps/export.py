"""``aufruf export``: a version's predictions beside their texts, for spreadsheets, statistics programs and 4CAT."""

import csv
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from math import ceil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.errors import UsageError
from aufruf.release.registry import Registry
from aufruf.reports.finding import masked_id
from aufruf.reports.privacy import masked
from aufruf.reports.spreadsheet import safe
from aufruf.settings import Settings
from aufruf.steps.backlog import left, ranges, window
from aufruf.steps.buried import anew
from aufruf.steps.champion import speaking
from aufruf.steps.missing import Asked
from aufruf.steps.pseudonyms import key_of, pseudonym
from aufruf.store import Store

_SUFFIXES = (".csv", ".parquet")
_AT_ONCE = 100_000  # predictions joined to their texts at a time: bounds memory, not texts
_GROUP = 5_000  # rows of a Parquet file that are held before they are written: of transcripts a tenth of a gigabyte
_ABOUT = ("text_id", "post_id", "platform", "author", "party", "text_type", "post_type", "posted_at", "text")
_SAID = ("label", "confident", "split", "model_version", "run", "scored_at")
_4CAT = ("id", "thread_id", "timestamp", "author", "subject", "body")
_TIMES = ("posted_at", "scored_at")
Row = dict[str, Any]


@anew
def export(
    settings: Settings,
    classifier: Classifier,
    model: str | None = None,
    out: Path | None = None,
    reader: str | None = None,
    unmasked: bool = False,
) -> dict[str, Any]:
    """Write what the version that speaks, or ``model``, says of every text as it reads now; returns path and rows.

    ``out``: a .csv or .parquet file (default reports/<classifier>/predictions-<version>.csv, for a reader
    predictions-<version>-4cat.csv). ``reader``: ``4cat`` for the columns that 4CAT imports. What the pages mask is
    masked here too, unless ``unmasked``; accounts have the pseudonyms of the home's key, the same in every export
    and in reports that use them. ``unscored`` and ``outside_window`` say how many texts are missing because the
    version has yet to score them, or leaves them to others; ``undated``, for 4CAT, how many rows have no time.
    Where the champion may not speak, ``champion_refused``
    says so. Raises NothingYet without a champion, BundleRefused when nobody may speak,
    UsageError for another suffix or reader.
    """
    if reader not in (None, "4cat"):
        raise UsageError(f"there is no export for {reader!r}", next="Use --for 4cat, or leave it out.")
    speaker = speaking(settings, classifier, Registry(settings, classifier.name), model, write=False)
    version = speaker.version
    name = f"predictions-{version.version}{'-4cat' if reader else ''}.csv"  # other columns are another file
    path = out or settings.reports / classifier.name / name
    allowed = _SUFFIXES[:1] if reader else _SUFFIXES
    if path.suffix not in allowed:
        raise UsageError(f"--out ends in {path.suffix!r}", where=str(path), next=f"Use {' or '.join(allowed)}.")
    if unmasked and path.resolve().is_relative_to(settings.reports.resolve()):
        raise UsageError("what is not masked does not belong among the reports", where=str(path), next="Name --out.")
    store = Store(settings.lake)
    rows = _rows(store, classifier, version.version)
    if not unmasked:
        key = key_of(settings)
        rows = (_masked(row, key) for row in rows)
    names = [*_ABOUT, *_SAID[:1], *map(_probability, classifier.labels), *_SAID[1:]]
    undated = Counter[str]()
    if reader:
        names, rows = list(dict.fromkeys([*_4CAT, *names])), (_for_4cat(row, undated) for row in rows)
    since = None if model else window(classifier, datetime.now(UTC))
    unscored, outside = left(store, Asked(classifier.name, version.version, since))
    written = _written(path, names, rows)
    told = {"out": str(path), "rows": written, "model_version": version.version, "masked": not unmasked}
    missing = {"unscored": unscored, "outside_window": outside, **({"undated": undated["rows"]} if reader else {})}
    return {**told, **missing, **speaker.told()}


def _rows(store: Store, classifier: Classifier, version: str) -> Iterator[Row]:
    """One a prediction: the text, what is said of it, and the split that it is in, if any."""
    mine, its = quoted(classifier.name), quoted(version)
    for low, high in ranges(max(1, ceil(store.count("predictions") / _AT_ONCE))):
        within = " and ".join(
            f"{table}.digest >= {quoted(low)}" + (f" and {table}.digest < {quoted(high)}" if high else "")
            for table in ("p", "t")
        )
        about = ", ".join(f"t.{name}" for name in _ABOUT)
        said = ", ".join(f"{'s' if name == 'split' else 'p'}.{name}" for name in _SAID)
        sql = (
            f"select {about}, {said}, p.probabilities from predictions p "  # noqa: S608 - names are ours, values are quoted
            f"join texts t on p.text_id = t.text_id and p.digest = t.digest "
            f"left join (select text_id, split from splits where classifier = {mine}) s on s.text_id = t.text_id "
            f"where p.classifier = {mine} and p.model_version = {its} and {within}"
        )
        for batch in store.query(sql, "predictions", "texts", "splits"):
            for row in batch.to_pylist():
                odds = dict(row.pop("probabilities"))
                yield row | {_probability(label): odds.get(label) for label in classifier.labels}


def _probability(label: str) -> str:
    return f"probability_{label}"


def _masked(row: Row, key: bytes) -> Row:
    ids = {name: masked_id(row[name]) for name in ("text_id", "post_id") if row[name]}
    author = pseudonym(key, row["author"]) if row["author"] else None
    return row | ids | {"author": author, "text": masked(row["text"])}


def _for_4cat(row: Row, undated: Counter[str]) -> Row:
    """4CAT wants an id, a thread, a time, an author, a subject and a body; whatever else there is it keeps."""
    at = row["posted_at"]
    undated["rows"] += at is None
    return row | {
        "id": row["text_id"],
        "thread_id": row["post_id"] or row["text_id"],
        "timestamp": None if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
        "subject": row["label"],
        "body": row["text"],
    }


def _written(path: Path, names: list[str], rows: Iterable[Row]) -> int:
    """Write all rows, or leave what was there; only some of them are in memory at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # another export of this name has another
    try:
        written = (_as_parquet if path.suffix == ".parquet" else _as_csv)(draft, names, rows)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return written


def _as_csv(path: Path, names: list[str], rows: Iterable[Row]) -> int:
    """An apostrophe stands before what a spreadsheet would run; times are UTC."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(safe, names))
        for count, row in enumerate(rows, 1):  # noqa: B007 - it is what is returned
            writer.writerow([_cell(row[name]) for name in names])
    return count


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    if isinstance(value, float):
        return f"{value:.6f}"
    return "" if value is None else safe(str(value))


def _as_parquet(path: Path, names: list[str], rows: Iterable[Row]) -> int:
    schema = pa.schema([pa.field(name, _kind(name)) for name in names])
    count, held = 0, list[Row]()
    with pq.ParquetWriter(path, schema) as writer:
        for row in rows:
            held.append({name: row[name] for name in names})
            if len(held) == _GROUP:
                writer.write_table(pa.Table.from_pylist(held, schema))
                count, held = count + len(held), []
        writer.write_table(pa.Table.from_pylist(held, schema))
    return count + len(held)


def _kind(name: str) -> pa.DataType:
    if name in _TIMES:
        return pa.timestamp("us", tz="UTC")
    if name == "confident":
        return pa.bool_()
    return pa.float64() if name.startswith("probability_") else pa.string()
