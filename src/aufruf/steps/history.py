"""The history of champions: every change as a row, and the page that shows them."""

from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aufruf.classifier import Classifier
from aufruf.errors import AufrufError
from aufruf.model.leases import Held, among, held
from aufruf.reports import champions as pages
from aufruf.schemas import Champion
from aufruf.settings import Settings
from aufruf.store import Store

_ATTEMPTS = 12  # a row that lost a race is thought about again
Row = dict[str, Any]


def alone(settings: Settings, classifier: str) -> AbstractContextManager[Held]:
    """Between the alias of a new champion and its row nobody looks: it would seem that a person moved it."""
    told = f"the champion of {classifier} is looked at or moved elsewhere: waiting"
    return held(among(settings.studies, settings.studies_url), f"champion-{classifier}", told)


def rows(store: Store, classifier: Classifier, version: int | None = None) -> list[Row]:
    """The rows of the table ``champions``, the newest first; ``version``: of the Delta table."""
    frame = store.read("champions", {"classifier": classifier.name}, version=version)
    newest = frame.sort_values("since", ascending=False)
    return [{str(key): value for key, value in row.items()} for row in newest.to_dict("records")]


def spoke(past: list[Row], besides: str | None) -> list[str]:
    """The versions that have spoken, but for one, the one that did last first."""
    sound = [row["version"] for row in past if row["version"] and not row["refused"]]
    return [version for version in dict.fromkeys(sound) if version != besides]


def enter(store: Store, classifier: Classifier, version: str | None, how: str, refused: str | None = None) -> None:
    """Write that a version speaks from now on, or may not, or that nobody does; nothing when that is known.

    ``how`` it came into use counts only for a version that the newest row does not name yet.
    """
    for _ in range(_ATTEMPTS):
        seen = store.version("champions")
        past = rows(store, classifier, seen)
        last = past[0] if past else None
        if last and last["version"] == version:
            if bool(last["refused"]) == bool(refused):
                return
            how = last["how"]
        before = spoke(past, version)
        row = Champion(
            classifier=classifier.name,
            since=_after(last),
            version=version,
            how=how,
            replaced=before[0] if before else None,
            refused=refused,
        )
        if store.add_at("champions", [row], seen) is not None:
            return
    raise AufrufError("the table champions is always being written", where=store.uri, next="Run the command again.")


def write(settings: Settings, classifier: Classifier) -> Path:
    """Write reports/<classifier>/champions/index.html; returns its path."""
    zone = ZoneInfo(classifier.schedule.timezone)
    reigns = [
        pages.Reign(
            since=row["since"].to_pydatetime().astimezone(zone),
            version=row["version"],
            how=row["how"],
            replaced=row["replaced"],
            refused=row["refused"],
        )
        for row in rows(Store(settings.lake), classifier)
    ]
    return pages.write(settings.reports / classifier.name, classifier.name, reigns)


def _after(last: Row | None) -> datetime:
    """Now; but later than the newest row, whatever a clock that was set back says: the rows are in this order."""
    now = datetime.now(UTC)
    return now if last is None else max(now, last["since"].to_pydatetime() + timedelta(microseconds=1))
