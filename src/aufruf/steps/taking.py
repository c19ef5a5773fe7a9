"""A group of files that arrived, judged and stored: what the step ``ingest`` does with each."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tqdm import tqdm

from aufruf.data import checks, inbox, intake
from aufruf.data.seen import Numbers, hashed, numbered, together
from aufruf.errors import DataRefused
from aufruf.reports.check import write_check
from aufruf.schemas import CHOSEN, IngestedFile
from aufruf.steps.arrivals import Arrival
from aufruf.steps.storing import Call, File, rows, store, takers

_LOOKED_UP = 20_000  # ids at a time
_TOLD = ("replaced", "recast", "withdrawn", "outdated", "forgotten")  # counts of a file, where there are any
_LONG = 16 << 20  # bytes of a group from which on a progress bar is shown


def take(call: Call, group: Sequence[Arrival]) -> None:
    """Judge the files of a group and store what is new in them; what is to be said stands in their entries."""
    now = datetime.now(UTC)
    files = _new_files(call, group)
    unread = [file for file in files if not file.refusal and not _settled(call, file)]
    size = sum(file.arrival.size for file in unread)
    short = {"disable": True} if size < _LONG else {}  # else as the environment has it
    with tqdm(total=2 * size, unit="B", unit_scale=True, desc="ingest", mininterval=2, **short) as bar:
        _judge(call, unread, bar.update, now)
        for file in files:
            if file.taken and not file.again:
                inbox.keep(file.arrival.path, file.arrival.digest, file.arrival.name, call.settings.raw)
        store(call, [file for file in files if file.taken], now)
    call.store.put("files", [row for file in files if (row := _row(file, now)) is not None])
    # the files come last: a run that broke off before here is taken up by the next one
    for file in files:
        file.arrival.entry |= _told(file, now)
    for arrival in group:  # the same bytes twice in one group
        first = next(f.arrival for f in files if f.arrival.digest == arrival.digest) if arrival.digest else arrival
        if "status" not in arrival.entry:
            same = {**first.entry, "file": arrival.entry["file"], "annotations": 0, "posts": 0}
            arrival.entry |= same | ({"status": "unchanged"} if same["status"] == "new" else {})


def _new_files(call: Call, group: Sequence[Arrival]) -> list[File]:
    by_digest: dict[str, Arrival] = {}
    for number, arrival in enumerate(group):
        by_digest.setdefault(arrival.digest or f"unread {number}", arrival)
    known = {row.digest: row for row in rows(call.store, "files", {"digest": list(by_digest)}) if row.status == "new"}
    files = []
    for arrival in by_digest.values():
        before = known.get(arrival.digest)
        again = before is not None and call.asked in ("", before.format)
        asked = call.asked or (before.format if before else "")
        files.append(File(arrival, before, again, asked, refusal=arrival.refusal))
    return files


def _judge(call: Call, files: Sequence[File], progress: Callable[[int], Any], now: datetime) -> None:
    """Read files, and keep the outcome of the checks for whoever wants to know; ``progress`` is told of bytes read."""
    opened = []
    for file in files:
        try:
            source = intake.source(file.arrival.path, file.arrival.digest, file.asked, call.classifiers)
        except DataRefused as refusal:
            file.refusal = refusal.sentence()
            continue
        opened.append((file, replace(source, content=replace(source.content, progress=progress))))
    known = _labels(call) if any(source.format.kind == "annotations" for _, source in opened) else {}
    judged = intake.judge([source for _, source in opened], call.classifiers, known, now)
    arrived: dict[str, dict[int, set[int]]] = {}
    for (file, source), found in zip(opened, judged, strict=True):
        file.found = found
        if found.numbers and not found.refusal and not file.again:
            found.refusal = _renumbered(call, found, found.numbers, arrived)
        file.refusal = found.refusal
        if found.counts:
            of = (source.format.name, source.format.kind)
            write_check(
                call.settings.reports / "checks", source.digest, of, (found.rows, found.kept), found.counts, now
            )


def _renumbered(call: Call, found: intake.Intake, numbers: Numbers, arrived: dict[str, dict[int, set[int]]]) -> str:
    """Why a file whose ids are row numbers is not taken; "" when it is, and then its texts are added to ``arrived``.

    ``arrived``: by column, the words of such files of this group, which are not stored yet.
    """
    here, column = numbers.words, numbers.column
    stored = {key: words for key, words in arrived.get(column, {}).items() if key in here}
    facts = ["text_id", "post_id", "platform", "text_type", "digest", "file"]
    for start in range(0, len(numbers.ids), _LOOKED_UP):
        texts = call.store.read("texts", {column: numbers.ids[start : start + _LOOKED_UP]}, facts)
        texts = texts[texts["file"] != found.source.digest]
        there = together(hashed(numbered(texts, column)).tolist(), hashed(texts["digest"]).tolist())
        stored = {key: words for key, words in there.items() if key in here} | stored
    other = sum(here[key].isdisjoint(words) for key, words in stored.items())
    if stored and not checks.check_numbers(other / len(stored), found.verdict):
        lost = "replaced" if column == "text_id" else "replaced, or taken for texts of the same posts"
        return DataRefused(
            f"its {column} are row numbers, and {other} of the {len(stored)} that are stored already belong to other "
            f"texts, which would be {lost}",
            next=f"Give ids of its own with --columns {column}=COLUMN, or leave {column} out: "
            "then the text makes the id.",
        ).sentence()
    arrived[column] = arrived.get(column, {}) | here
    return ""


def _settled(call: Call, file: File) -> bool:
    """True when there is nothing to be had of a file that was taken before."""
    if file.known is None or not file.again or file.known.refused:
        return False
    return file.known.kind != "annotations" or {one.name for one in call.classifiers} <= takers(file.known)


def _labels(call: Call) -> dict[str, dict[str, int]]:
    """How many votes are known for each label of each classifier; without those on texts that our queues chose."""
    names = [one.name for one in call.classifiers]
    votes = call.store.read("annotations", {"classifier": names}, ["classifier", "label", "why"])
    counts: dict[str, dict[str, int]] = {name: {} for name in names}
    others = votes.loc[~votes["why"].isin(CHOSEN), ["classifier", "label"]]
    for name, label, n in others.value_counts().reset_index().itertuples(index=False):
        counts[name][label] = n
    return counts


def _row(file: File, now: datetime) -> IngestedFile | None:
    """The row of the table ``files`` to write; None when what is there stays."""
    taken_before = file.known is not None and (file.again or not file.taken)
    if not file.arrival.digest or (taken_before and not _news(file)):
        return None
    found, entry = file.found, file.arrival.entry
    n = found.rows if found else 0
    kept = found.kept if found and file.taken else 0
    took = {*(found.classifiers if found and file.taken else ()), *takers(file.known)}
    return IngestedFile(
        digest=file.arrival.digest,
        classifiers=" ".join(sorted(took)),
        name=file.arrival.name,
        # of a table with its columns, so that others of them are not "unchanged"
        format=file.asked or (found.source.format.name if found else entry["format"]),
        kind=found.source.format.kind if found else entry["kind"],
        rows=n,
        kept=kept,
        refused=n - kept,
        status="new" if file.taken else "refused",
        reasons=file.refusal,
        # texts without a date count from the first time: a row that is mended years later makes none of them new
        ingested_at=file.known.ingested_at if file.known else now,
    )


def _news(file: File) -> bool:
    """True when a file that was taken before gave something more."""
    if not file.taken or file.found is None:
        return False
    return file.changed or not set(file.found.classifiers) <= takers(file.known)


def _told(file: File, now: datetime) -> dict[str, Any]:
    """What is to be said of a file in its entry."""
    if file.known and file.again and not _news(file):
        return _counts(file.known, "unchanged")
    row = _row(file, now)
    if row is None or not file.taken:
        known = {} if row is None else _counts(row, "refused")
        return known | {"status": "refused", "reasons": [file.refusal]}
    told = _counts(row, "new") | {"annotations": file.votes, "posts": file.texts}
    told |= {name: n for name in _TOLD if (n := getattr(file, name))}
    if file.votes and file.found and len(names := sorted(file.found.classifiers)) > 1:
        told["counts_for"] = names
    reasons = [(why, n) for why, n, _ in file.found.verdict.common_reasons()] if file.found else []
    return told | ({"why": [f"{n} refused: {why[:200]}" for why, n in reasons]} if reasons else {})


def _counts(row: IngestedFile, status: str) -> dict[str, Any]:
    return {
        "format": row.format.partition(" ")[0],
        "kind": row.kind,
        "rows": row.rows,
        "kept": row.kept,
        "refused": row.refused,
        "status": status,
    }
