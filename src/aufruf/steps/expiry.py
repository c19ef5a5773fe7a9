"""What people wrote, and nobody asks to keep for longer: originals, rows refused from them, posts nobody annotated."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from aufruf.settings import Settings
from aufruf.store import Store

_PEOPLE = ("annotations", "labels", "splits")  # a text that stands in one of them is never too old
_OF_TEXTS = ("explanations", "predictions")  # in this order: what rests on a text goes first


@dataclass(frozen=True)
class Old:
    """What is older than allowed: files, rows (file, item) of the quarantine, texts (text_id, group_id)."""

    files: list[Path]
    rows: pd.DataFrame
    texts: pd.DataFrame

    def counts(self) -> dict[str, int]:
        return {"originals": len(self.files), "quarantine": len(self.rows), "texts": len(self.texts)}

    def size(self) -> int:
        """Bytes of the files."""
        return sum(path.stat().st_size for path in self.files)

    def clear(self, store: Store) -> None:
        """Delete all of it. Old versions of the tables hold the rows until they are too old themselves."""
        for path in self.files:
            path.unlink(missing_ok=True)
        store.delete("quarantine", self.rows)
        for table in _OF_TEXTS:
            store.delete(table, self.texts[["text_id"]])
        store.delete("signatures", wordings(store, self.texts))
        store.delete("texts", self.texts[["text_id"]])


def old(settings: Settings, originals: datetime | None, texts: datetime | None) -> Old:
    """What came before these moments; None: of that nothing."""
    store = Store(settings.lake)
    none = pd.DataFrame(columns=["file", "item", "text_id", "group_id"], dtype=object)
    files = [] if originals is None else list(_files(settings, store, originals))
    rows = none if originals is None else _rows(store, originals)
    due = none if texts is None else _texts(store, texts)
    return Old(files, rows[["file", "item"]], due[["text_id", "group_id"]])


def wordings(store: Store, texts: pd.DataFrame) -> pd.DataFrame:
    """Of the texts (text_id, group_id) the wordings that no other has: their signatures were made of these alone."""
    mine = set(texts["group_id"])
    known = store.read("texts", {"group_id": sorted(mine)}, ["text_id", "group_id"]) if mine else texts
    others = set(known.loc[~known["text_id"].isin(texts["text_id"]), "group_id"])
    return pd.DataFrame({"wording": sorted(mine - others)}, dtype=object)


def _files(settings: Settings, store: Store, before: datetime) -> Iterator[Path]:
    """Originals by the time when they were taken in, refused ones in the inbox by that of their last change."""
    known = store.read("files", columns=["digest", "ingested_at"])
    came = dict(zip(known["digest"], known["ingested_at"], strict=True))
    for place in (settings.raw, settings.home / "inbox" / "refused"):
        for path in sorted(place.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                if came.get(path.name.partition(".")[0], changed) < before:
                    yield path


def _rows(store: Store, before: datetime) -> pd.DataFrame:
    held = store.read("quarantine", columns=["file", "item", "refused_at"])
    return held[held["refused_at"] < before]


def _texts(store: Store, before: datetime) -> pd.DataFrame:
    """Texts collected, or else posted, before that which nobody has annotated; without a date they stay."""
    known = store.read("texts", columns=["text_id", "group_id", "posted_at", "collected_at"])
    due = known[known["collected_at"].fillna(known["posted_at"]) < before]
    kept = pd.concat([store.distinct(table, ["text_id"]) for table in _PEOPLE])
    return due[~due["text_id"].isin(kept["text_id"])]
