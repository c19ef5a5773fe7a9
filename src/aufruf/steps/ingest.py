"""The step ``ingest``: files become texts and votes; what does not pass is refused with a reason."""

import logging
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from aufruf.classifier import Classifier
from aufruf.data import inbox, readers
from aufruf.errors import DataRefused, UsageError
from aufruf.model.leases import Held
from aufruf.reports.privacy import masked_name
from aufruf.schemas import Author
from aufruf.settings import Settings
from aufruf.steps.arrivals import Arrival, given, groups, printable
from aufruf.steps.storing import Call, alone, parties, rows
from aufruf.steps.taking import take
from aufruf.store import Store

log = logging.getLogger(__name__)
_COLUMNS = "--columns"  # in a refusal: columns want names
_COUNTS = ("rows", "kept", "refused", "annotations", "posts")


def ingest(
    settings: Settings,
    classifiers: Sequence[Classifier],
    files: Sequence[Path] | None = None,
    *,
    format: str | None = None,  # noqa: A002 - the option's name
    columns: Mapping[str, str] | None = None,
    authors: Path | None = None,
    broken: Sequence[str] = (),
) -> dict[str, Any]:
    """Take in ``files``, or everything complete in the inbox; returns counts per file and over all files.

    A refused file stops no other: see ``refused``. ``authors``: a table author, party; it is kept, and fills in
    the party of every text that names none. ``broken``: what is wrong with classifier files that cannot be read; while
    there are any, files of votes stay in the inbox, for those classifiers to read too. Raises UsageError for options
    and paths that cannot be meant.
    """
    asked, store = readers.asked_for(format, columns), Store(settings.lake)
    named = _authors(authors)
    if settings.sampled.exists() and settings.preset != "demo":
        log.warning(
            "%s holds the demo's invented campaign, which counts along with what comes now: put it away, or say --home",
            settings.home,
        )
    paths = given(files) if files is not None else _waiting([settings.inbox_annotations, settings.inbox_posts])
    turn: AbstractContextManager[Held | None] = alone(settings) if paths or named else nullcontext()
    with turn as lease:
        store.put("authors", named)
        call = Call(settings, store, classifiers, asked)
        entries = _taken(call, paths, lease, from_inbox=files is None, voted=not broken) if paths and lease else []
        filled = {"parties": _fill_in(store, named)} if authors else {}
    result = {
        "files": entries,
        "annotations": sum(entry["annotations"] for entry in entries),
        "posts": sum(entry["posts"] for entry in entries),
        "status": _status({entry["status"] for entry in entries}),
    }
    if broken and (left := sorted({entry["file"] for entry in entries if entry["kind"] == "annotations"})):
        result |= {"waiting": left, "broken": list(broken)}
    return result | filled


def refused(result: Mapping[str, Any]) -> DataRefused | None:
    """The failure that a result with refused files, or with some that wait, stands for; None when all were taken.

    It is told far and wide, so what looks like an address or a handle in the name of a file is masked.
    """
    entries = [entry for entry in result["files"] if entry["status"] == "refused"]
    if "waiting" in result:
        return DataRefused(
            f"{len(result['waiting'])} files of votes wait in the inbox for classifiers whose files cannot be read: "
            + " ".join(result["broken"]),
            next="Mend these files, then run `aufruf ingest`, or trigger `ingest` in Airflow.",
        )
    if not entries:
        return None
    told = [(masked_name(entry["file"]), "; ".join(entry["reasons"])) for entry in entries]
    if len(told) == 1:
        return DataRefused(told[0][1], where=told[0][0])
    every = " ".join(f"{name}: {reasons}" for name, reasons in told)
    return DataRefused(f"{len(told)} of {len(result['files'])} files are refused: {every}")


def _waiting(folders: list[Path]) -> list[Path]:
    """The files of the inbox; of what lies there and is none it is said once a run, for nobody else will."""
    if others := inbox.no_files(folders):
        names = ", ".join(masked_name(printable(path.name)) for path in others[:5])
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        log.warning("folders and links in the inbox are not taken in, put their files there: %s%s", names, more)
    return inbox.waiting(folders)


def _status(outcomes: set[str]) -> str:
    if not outcomes:
        return "nothing to do"
    return "done" if "new" in outcomes else "refused" if "refused" in outcomes else "nothing new"


def _taken(call: Call, paths: Sequence[Path], lease: Held, *, from_inbox: bool, voted: bool) -> list[dict[str, Any]]:
    """Take in all files, group by group; returns their entries, an archive's members each having one.

    ``lease``: see ``alone``. ``voted``: every classifier has seen the votes, so files of votes need stay in the inbox
    no longer.
    """
    entries = []
    of_origin: dict[Path, list[Arrival]] = {}
    with inbox.workbench(call.settings.raw) as folder:
        for group in groups(paths, folder, from_inbox=from_inbox):
            for arrival in group:
                arrival.entry = _blank(call, arrival.origin) | arrival.entry
                of_origin.setdefault(arrival.origin, []).append(arrival)
            lease.keep()
            take(call, group)
            entries += [arrival.entry for arrival in group]
            done = [of_origin.pop(arrival.origin) for arrival in group if arrival.last]
            if from_inbox:
                _clear(call.settings, [one for one in done if voted or not _has_votes(one)])
    return entries


def _blank(call: Call, path: Path) -> dict[str, Any]:
    folder = "annotations" if path.parent == call.settings.inbox_annotations else "posts"
    return {"format": "unknown", "kind": readers.kind_of(call.asked) or folder, **dict.fromkeys(_COUNTS, 0)}


def _has_votes(arrivals: Sequence[Arrival]) -> bool:
    return any(arrival.entry["kind"] == "annotations" for arrival in arrivals)


def _clear(settings: Settings, done: Iterable[Sequence[Arrival]]) -> None:
    """Empty the inbox of files that were taken, and move those that were refused out of the way."""
    for arrivals in done:
        origin = arrivals[0].origin
        if inbox.identity(origin) != arrivals[0].seen:  # another file of this name has just been put there
            continue
        refusals = [arrival.entry for arrival in arrivals if arrival.entry["status"] == "refused"]
        if refusals:
            reasons = "\n".join(f"{one['file']}: {'; '.join(one['reasons'])}" for one in refusals)
            place = inbox.refuse(origin, settings.home / "inbox" / "refused", reasons)
            if _COLUMNS in reasons:  # the inbox cannot be told; only beside the file: its name may be a person's
                with Path(f"{place}.reason.txt").open("a", encoding="utf-8", errors="replace") as told:
                    told.write(
                        f"The command for that: aufruf ingest {shlex.quote(str(place))} --columns text=COLUMN,...\n"
                    )
        else:
            origin.unlink(missing_ok=True)


def _authors(path: Path | None) -> list[Author]:
    """The rows of a table with the columns author and party. Raises UsageError, DataRefused."""
    if path is None:
        return []
    try:
        content = readers.open_content(given([path])[0])
        columns = {name.strip().casefold(): name for name in content.columns}
        if not {"author", "party"} <= set(columns):
            raise UsageError(
                "this is no table of authors", where=str(path), next="Its columns must be called author and party."
            )
        pairs = [
            [_named(record.row.get(columns[name])) for name in ("author", "party")] for record in content.records()
        ]
    except DataRefused as refusal:
        raise DataRefused(refusal.what, where=str(path), next=refusal.next) from None
    lacking = sum(not (author and party) for author, party in pairs)
    if lacking:
        log.warning("%s: %d of %d rows name no author or no party, and are left out", path, lacking, len(pairs))
    return [Author(author.casefold().removeprefix("@"), party) for author, party in pairs if author and party]


def _named(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _fill_in(store: Store, named: Iterable[Author]) -> int:
    """Give texts that are stored and name no party that of their author; returns how many."""
    known = parties(store) if named else {}
    texts = store.read("texts", columns=["text_id", "author", "party"])
    lacking = texts[texts["party"].isna() & texts["author"].notna()]
    wanted = lacking.loc[lacking["author"].str.casefold().isin(list(known)), "text_id"].tolist()
    filled = 0
    for start in range(0, len(wanted), 20_000):
        found = rows(store, "texts", {"text_id": wanted[start : start + 20_000]})
        filled += store.change(
            "texts", [replace(text, party=known[text.author.casefold()]) for text in found], newer="collected_at"
        )
    return filled
