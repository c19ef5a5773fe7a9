"""ingest: files become texts and votes; what does not pass is refused with a reason."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import inbox, intake, readers, recollect
from aufruf.errors import DataRefused, UsageError
from aufruf.schemas import TABLES, Annotation, IngestedFile, Text
from aufruf.settings import Settings
from aufruf.store import Store


@dataclass(frozen=True)
class _Call:
    """What is the same for all files of one call."""

    settings: Settings
    store: Store
    classifiers: Sequence[Classifier]
    asked: str  # what the options ask for: see readers.asked_for
    authors: dict[str, str]  # author, case-folded -> party


def ingest(
    settings: Settings,
    classifiers: Sequence[Classifier],
    files: Sequence[Path] | None = None,
    *,
    format: str | None = None,  # noqa: A002 - the option's name
    columns: Mapping[str, str] | None = None,
    authors: Path | None = None,
) -> dict[str, Any]:
    """Take in ``files``, or everything complete in the inbox; returns counts per file and over all files.

    A refused file stops no other: see ``refused``. ``authors``: a CSV table author, party for posts that name
    no party. Raises UsageError for options and paths that cannot be meant.
    """
    asked, parties = readers.asked_for(format, columns), _authors(authors)
    paths = _given(files) if files is not None else inbox.waiting([settings.inbox_annotations, settings.inbox_posts])
    if not paths:
        return {"files": [], "annotations": 0, "posts": 0, "status": "nothing to do"}
    call = _Call(settings, Store(settings.lake), classifiers, asked, parties)
    entries = [entry for path in paths if (entry := _one(call, path, from_inbox=files is None))]
    outcomes = {entry["status"] for entry in entries}
    return {
        "files": entries,
        "annotations": sum(entry["annotations"] for entry in entries),
        "posts": sum(entry["posts"] for entry in entries),
        "status": "done" if "new" in outcomes else "refused" if "refused" in outcomes else "nothing new",
    }


def refused(result: Mapping[str, Any]) -> DataRefused | None:
    """The failure that a result with refused files stands for; None when all were taken."""
    entries = [entry for entry in result["files"] if entry["status"] == "refused"]
    if not entries:
        return None
    if len(entries) == 1:
        return DataRefused("; ".join(entries[0]["reasons"]), where=entries[0]["file"])
    told = " ".join(f"{entry['file']}: {'; '.join(entry['reasons'])}" for entry in entries)
    return DataRefused(f"{len(entries)} of {len(result['files'])} files are refused: {told}")


def _given(files: Sequence[Path]) -> list[Path]:
    for path in files:
        if path.is_dir():
            raise UsageError("this is a folder", where=str(path), next="Name the files in it.")
        if not path.exists():
            raise UsageError("there is no such file", where=str(path), next="Check the path.")
        if not path.is_file():
            raise UsageError("this is not a regular file", where=str(path), next="Save it to a file first.")
    return list(dict.fromkeys(files))


def _one(call: _Call, path: Path, *, from_inbox: bool) -> dict[str, Any] | None:
    """Take in one file; a refusal becomes part of its entry. None when another run was faster."""
    folder = "annotations" if path.parent == call.settings.inbox_annotations else "posts"
    entry: dict[str, Any] = {
        "file": _printable(path.name if from_inbox else str(path)),
        "format": "unknown",
        "kind": readers.kind_of(call.asked) or folder,
        "status": "refused",
    }
    entry |= dict.fromkeys(("rows", "kept", "refused", "annotations", "posts"), 0)
    seen = inbox.identity(path)
    try:
        source = path.open("rb")
    except FileNotFoundError:
        return None
    except PermissionError:
        return entry | {"reasons": ["the file may not be read. Change its permissions."]}
    with source, inbox.copied(source, path.name, call.settings.raw) as copy:
        entry |= _take(call, copy, _printable(path.name), entry)
    if from_inbox and inbox.identity(path) == seen:  # else another file of this name has just been put there
        if entry["status"] == "refused":
            inbox.refuse(path, call.settings.home / "inbox" / "refused", "\n".join(entry["reasons"]))
        else:
            path.unlink(missing_ok=True)
    return entry


def _take(call: _Call, copy: inbox.Copy, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """What is to be said of a file in its entry; all that is to be stored of it is stored."""
    known = _known_file(call.store, copy.digest)
    again = known is not None and call.asked in ("", known.format)  # with the same options, or with none
    if known and again and not known.refused and not _may_take_more(call, known):
        return _counts(known, "unchanged")
    asked, now = call.asked or (known.format if known else ""), datetime.now(UTC)
    try:
        found = intake.take_in(copy.path, copy.digest, asked, call.classifiers, now)
    except DataRefused as refusal:
        found = intake.Intake(str(entry["format"]), str(entry["kind"]), 0, refusal=refusal.sentence())
    _write_counts(call.settings, copy.digest, found)
    row = _file_row(copy.digest, name, asked, found, known, now)
    if found.refusal and known and again:  # what it gave stays; it holds nothing for these classifiers
        return _counts(known, "unchanged")
    if found.refusal:
        if known is None:
            call.store.put("files", [row])
        return _counts(row, "refused") | {"reasons": [found.refusal]}
    texts, votes, counts = _what_is_new(call, found, only_absent=again)
    if known and again and not texts and not votes and row.classifiers == known.classifiers:
        return _counts(known, "unchanged")
    copy.keep()
    call.store.put("texts", texts, newer="collected_at")
    call.store.put("annotations", votes, newer="annotated_at")
    call.store.put("quarantine", found.quarantine)
    call.store.put("files", [row])  # last: a run that broke off before here is taken up by the next one
    return _counts(row, "new") | counts | _why(found)


def _why(found: intake.Intake) -> dict[str, list[str]]:
    """The commonest reasons for refused rows, with their counts."""
    common = Counter(row.reasons for row in found.quarantine).most_common(3)
    return {"why": [f"{count} refused: {reasons[:200]}" for reasons, count in common]} if common else {}


def _what_is_new(
    call: _Call, found: intake.Intake, *, only_absent: bool
) -> tuple[list[Text], list[Annotation], dict[str, int]]:
    """The texts and votes to write, and how many of each say something new.

    ``only_absent``: the file was taken before, so what has changed since came from elsewhere and stays.
    """
    ids = list(dict.fromkeys(text.text_id for text in found.texts))
    texts = {text.text_id: text for text in _rows(call.store, "texts", {"text_id": ids})}
    where = {"text_id": ids, "classifier": list(found.classifiers)}
    votes = {(v.classifier, v.text_id, v.annotator): v for v in _rows(call.store, "annotations", where)}
    arrived, cast = list(found.texts), list(found.votes)
    if only_absent:
        arrived = [text for text in arrived if text.text_id not in texts]
        cast = [v for v in cast if (v.classifier, v.text_id, v.annotator) not in votes]
    new_texts, posts = recollect.texts_to_write(arrived, texts, _parties(call))
    new_votes, annotations = recollect.votes_to_write(cast, votes)
    return new_texts, new_votes, {"annotations": annotations, "posts": posts}


def _may_take_more(call: _Call, known: IngestedFile) -> bool:
    """True when a given classifier has taken no votes yet from a file of annotations."""
    return known.kind == "annotations" and not {one.name for one in call.classifiers} <= _takers(known)


def _takers(known: IngestedFile | None) -> set[str]:
    return set(known.classifiers.split()) if known else set()


def _file_row(
    digest: str, name: str, asked: str, found: intake.Intake, known: IngestedFile | None, now: datetime
) -> IngestedFile:
    takers = set() if found.refusal else {*found.classifiers, *_takers(known)}
    return IngestedFile(
        digest=digest,
        classifiers=" ".join(sorted(takers)),
        name=name,
        format=asked or found.format,  # of a table with its columns, so that others of them are not "unchanged"
        kind=found.kind,
        rows=found.rows,
        kept=found.kept,
        refused=found.rows - found.kept,
        status="refused" if found.refusal else "new",
        reasons=found.refusal,
        ingested_at=now,
    )


def _counts(row: IngestedFile, status: str) -> dict[str, Any]:
    return {
        "format": row.format.partition(" ")[0],
        "kind": row.kind,
        "rows": row.rows,
        "kept": row.kept,
        "refused": row.refused,
        "status": status,
    }


def _known_file(store: Store, digest: str) -> IngestedFile | None:
    """The file as it was taken before; a refused one counts as never seen."""
    return next((row for row in _rows(store, "files", {"digest": digest}) if row.status == "new"), None)


def _rows(store: Store, table: str, where: Mapping[str, Any]) -> list[Any]:
    """Rows of a table as the nouns of ``schemas``, with None for what is not there."""
    rows: list[Any] = store.read(table, where).to_dict("records")
    noun = TABLES[table]
    return [noun(**{name: None if value is pd.NaT else value for name, value in row.items()}) for row in rows]


def _authors(path: Path | None) -> dict[str, str]:
    """Author (case-folded) -> party, from a table with these two columns. Raises UsageError, DataRefused."""
    if path is None:
        return {}
    content = readers.open_content(*_given([path]))
    if not {"author", "party"} <= set(content.columns):
        raise UsageError(
            "this is no table of authors", where=str(path), next="Its columns must be called author and party."
        )
    rows = [record.row for record in content.records()]
    return {row["author"].casefold(): row["party"] for row in rows if row.get("author") and row.get("party")}


def _parties(call: _Call) -> dict[str, str]:
    """Author (case-folded) -> party, from texts that name one and, above them, from the table of authors."""
    known = call.store.read("texts", columns=["author", "party"]).dropna().drop_duplicates()
    return {str(author).casefold(): str(party) for author, party in known.itertuples(index=False)} | call.authors


def _write_counts(settings: Settings, digest: str, found: intake.Intake) -> None:
    """Keep the outcome of the checks, in counts, for whoever wants to know."""
    if not found.counts:
        return
    folder = settings.reports / "checks"
    folder.mkdir(parents=True, exist_ok=True)
    passing = folder / f".{digest[:12]}.{os.getpid()}"
    passing.write_text(json.dumps({"file": digest, "checks": found.counts}, indent=1), encoding="utf-8")
    passing.replace(folder / f"{digest[:12]}.json")


def _printable(name: str) -> str:
    """A file name in a form that can be printed and stored, even where its bytes are no UTF-8."""
    return name.encode("utf-8", "replace").decode("utf-8")
