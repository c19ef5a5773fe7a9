"""The step ``quarantine``: refused rows, listed, shown, and taken in once they or the classifier file are mended."""

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aufruf.classifier import Classifier
from aufruf.data import intake, readers
from aufruf.data import rows as data_rows
from aufruf.errors import DataRefused, NothingYet, UsageError
from aufruf.reports.page import write_whole
from aufruf.schemas import SCORED, IngestedFile, QuarantinedRow
from aufruf.settings import Settings
from aufruf.steps.arrivals import Arrival, given
from aufruf.steps.ingest import ingest
from aufruf.steps.storing import Call, File, alone, put_rows, rows
from aufruf.store import Store

log = logging.getLogger(__name__)
ACTIONS = ("list", "show", "ingest")


def quarantine(
    settings: Settings,
    classifiers: Sequence[Classifier],
    action: str = "list",
    file: str | None = None,
    *,
    mended: Path | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """``list`` the files with refused rows, ``show`` the rows of one, or ``ingest`` what can be taken by now.

    ``file``: the first digits of its digest, or its name. ``out``: where ``show`` writes the rows, one JSON object
    a line, to be mended. ``mended``: such lines to ingest; without them the originals are read again, with the
    classifier files as they are now. Raises UsageError, NothingYet when nothing is in
    quarantine.
    """
    if action not in ACTIONS:
        raise UsageError(f"there is no action {action!r}", next=f"Actions: {', '.join(ACTIONS)}.")
    if mended is not None and (action != "ingest" or file is not None):
        raise UsageError(
            "--mended goes with the action ingest alone", next="Run `aufruf quarantine ingest --mended ROWS`."
        )
    if out is not None and action != "show":
        raise UsageError("--out goes with the action show", next="Run `aufruf quarantine show --out ROWS`.")
    call = Call(settings, Store(settings.lake), classifiers, "")
    if action == "ingest" and mended is not None:
        with alone(settings):
            return _ingest_mended(call, given([mended])[0])
    held = [row for row in rows(call.store, "quarantine", {}) if row.rescued_at is None]
    by_file = _by_file(call.store, held, file)
    if action == "list":
        return {"files": [_about(known, found) for known, found in by_file], "rows": sum(len(f) for _, f in by_file)}
    if action == "show":
        return _show(by_file, out)
    return _ingest_again(call, [known for known, _ in by_file], asked=file is not None)


def refused(result: Mapping[str, Any]) -> DataRefused | None:
    """The failure that mended rows which are refused again stand for; None when there are none."""
    again = result.get("refused")
    if not again:
        return None
    told = "; ".join(f"item {one['item']} of {one['file']}: {one['reasons'].rstrip('.')}" for one in again[:5])
    more = f" and {len(again) - 5} more" if len(again) > 5 else ""
    return DataRefused(f"{len(again)} rows are still refused: {told}{more}", next="Mend them and try once more.")


def _by_file(
    store: Store, held: Sequence[QuarantinedRow], wanted: str | None
) -> list[tuple[IngestedFile, list[QuarantinedRow]]]:
    """The refused rows of each file, or of those that ``wanted`` names; texts that no model could score aside."""
    found: dict[str, list[QuarantinedRow]] = {}
    for row in sorted(held, key=lambda row: row.item):
        found.setdefault(row.file, []).append(row)
    files = [one for one in rows(store, "files", {}) if one.digest in found]
    if wanted is not None:
        files = [one for one in files if one.digest.startswith(wanted) or one.name == wanted]
        if not files:
            raise NothingYet(
                f"no refused row of a file {wanted!r} is in quarantine",
                next="`aufruf quarantine` lists the files by name and digest.",
            )
    return [(one, found[one.digest]) for one in sorted(files, key=lambda one: (one.ingested_at, one.digest))]


def _about(known: IngestedFile, found: Sequence[QuarantinedRow]) -> dict[str, Any]:
    common = Counter(row.reasons for row in found).most_common(5)
    return {
        "file": known.digest[:12],
        "name": known.name,
        "format": known.format.partition(" ")[0],
        "kind": known.kind,
        "rows": len(found),
        "why": [f"{n} refused: {reasons[:200]}" for reasons, n in common],
    }


def _show(by_file: Sequence[tuple[IngestedFile, list[QuarantinedRow]]], out: Path | None) -> dict[str, Any]:
    shown = [
        {"file": row.file, "item": row.item, "reasons": row.reasons, "row": json.loads(row.row)}
        for _, found in by_file
        for row in found
    ]
    if out is None:
        return {"rows": shown}
    if out.is_dir():
        raise UsageError("this is a folder", where=str(out), next="Name a file in it.")
    lines = [json.dumps(one, ensure_ascii=True) for one in shown]
    return {"path": str(write_whole(out, "".join(f"{line}\n" for line in lines))), "rows": len(shown)}


def _ingest_again(call: Call, files: Sequence[IngestedFile], *, asked: bool) -> dict[str, Any]:
    """Read the originals again; rows that pass by now are taken, and leave the quarantine.

    A file whose original is kept no longer is passed over, unless it was asked for by name.
    """
    before = waiting(call.store)
    entries: list[dict[str, Any]] = []
    for known in files:
        original = next(call.settings.raw.glob(f"{known.digest}.*"), None)
        if original is None and not asked:
            log.warning("the original of %r is gone: its rows stay where they are", known.name)
            continue
        if original is None:
            raise NothingYet(
                f"the original of {known.name!r} is gone", where=str(call.settings.raw), next="Ingest the file again."
            )
        name, columns = known.format.partition(" ")[0], known.format.partition(" ")[2]
        named = {"columns": json.loads(columns)} if columns else {"format": name}
        again = ingest(call.settings, call.classifiers, [original], **named)
        entries += [{**entry, "file": known.name} for entry in again["files"]]
    left = waiting(call.store)
    counts = {kind: sum(entry[kind] for entry in entries) for kind in ("annotations", "posts")}
    return {"files": entries, **counts, "rescued": before - left, "rows": left}


def _ingest_mended(call: Call, path: Path) -> dict[str, Any]:
    """Take the rows of a file that ``show`` wrote and a person mended; those that still fail stay where they are."""
    lines = list(_lines(path))
    names = sorted({line["file"] for line in lines})
    known = {one.digest: one for one in rows(call.store, "files", {"digest": names})}
    found_rows = rows(call.store, "quarantine", {"file": names})
    held = {(row.file, row.item): row for row in found_rows if row.rescued_at is None}
    lines = list({(line["file"], line["item"]): line for line in lines}.values())
    rescued = {(row.file, row.item) for row in found_rows} - set(held)
    lines = [line for line in lines if (line["file"], line["item"]) not in rescued]
    for line in lines:
        if (line["file"], line["item"]) not in held or line["file"] not in known:
            raise DataRefused(
                f"row {line['item']} of file {line['file'][:12]} is not in quarantine",
                where=str(path),
                next="Leave file and item as `aufruf quarantine show --out` wrote them.",
            )
    now = datetime.now(UTC)
    asked = data_rows.asked(call.classifiers)
    sources = []
    for line in lines:
        content = readers.given([line["row"]], *asked)
        sources.append(intake.Source(line["file"], content, _format(content, known[line["file"]].format)))
    judged = intake.judge(sources, call.classifiers, {}, now)
    files = []
    for line, found in zip(lines, judged, strict=True):
        arrival = Arrival(path, None, path, line["file"], path.name)
        refusal = _blamed(found) or found.refusal  # a refusal of the whole speaks of a file, to be taken in again
        files.append(File(arrival, known[line["file"]], False, "", found, refusal, whole=False))
    passed = [(line, file) for line, file in zip(lines, files, strict=True) if file.taken]
    put_rows(call, [(known[line["file"]], held[line["file"], line["item"]], file) for line, file in passed], now)
    return {
        "rescued": len(passed),
        "annotations": sum(file.votes for file in files),
        "posts": sum(file.texts for file in files),
        "refused": [
            {"file": line["file"][:12], "item": line["item"], "reasons": file.refusal}
            for line, file in zip(lines, files, strict=True)
            if not file.taken and not (file.found and file.found.verdict.harmless)
        ],
        "rows": waiting(call.store),
    }


def _format(content: readers.Content, asked: str) -> readers.Format:
    """The format of the file that the row is from; the row alone may not show it."""
    return next((one for one in readers.FORMATS if one.name == asked), None) or readers.find(content, asked)


def _blamed(found: intake.Intake) -> str:
    """What is still wrong with a row; "" where some of it can be taken, and the rest is a skipped answer, say."""
    some = found.rows > len(found.verdict.reasons)
    wrong = (one for one in found.verdict.reasons if not (some and one in found.verdict.harmless))
    return "; ".join(dict.fromkeys(why for one in wrong for why in found.verdict.reasons[one]))


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    """Lines with file, item and row. Raises DataRefused for anything else."""
    for record in readers.open_content(path).records():
        row = dict(record.row)
        try:
            line = {"file": str(row["file"]), "item": int(row["item"]), "row": row["row"]}
        except (KeyError, TypeError, ValueError):
            line = {}
        if record.problem or not isinstance(line.get("row"), dict):
            raise DataRefused(
                f"line {record.number} is not a refused row with file, item and row",
                where=str(path),
                next="Mend what `aufruf quarantine show FILE --out ROWS.ndjson` has written.",
            )
        yield line


def waiting(store: Store) -> int:
    """Rows of files that wait to be mended. Texts that a model could not score stand in the table too: not counted."""
    held = store.read("quarantine", columns=["file", "rescued_at"])
    return int((held["rescued_at"].isna() & ~held["file"].str.startswith(SCORED)).sum())
