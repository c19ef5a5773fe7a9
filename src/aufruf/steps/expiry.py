"""What people wrote, and nobody asks to keep for longer: originals, rows refused from them, posts nobody annotated."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from aufruf.settings import Settings
from aufruf.steps.backlog import parts
from aufruf.steps.missing import within
from aufruf.store import Store

_PEOPLE = ("annotations", "labels", "splits")  # a text that stands in one of them is never too old
_OF_TEXTS = ("explanations", "predictions")  # in this order: what rests on a text goes first


@dataclass(frozen=True)
class Old:
    """What is older than allowed: files, rows (file, item) of the quarantine, texts (text_id, group_id).

    ``orphans``: by table the text_id of what rests on texts that are gone, which were being scored when they went.
    """

    files: list[Path]
    rows: pd.DataFrame
    texts: pd.DataFrame
    orphans: dict[str, pd.DataFrame]

    def counts(self) -> dict[str, int]:
        orphans = set().union(*(rows["text_id"] for rows in self.orphans.values()))
        whole = {"originals": len(self.files), "quarantine": len(self.rows), "texts": len(self.texts)}
        return {**whole, "orphans": len(orphans)}

    def size(self) -> int:
        """Bytes of the files that are still there."""
        return sum(path.stat().st_size for path in self.files if path.exists())

    def clear(self, store: Store) -> None:
        """Delete all of it. Old versions of the tables hold the rows until they are too old themselves."""
        for path in self.files:
            path.unlink(missing_ok=True)
        store.delete("quarantine", self.rows)
        for table in _OF_TEXTS:
            store.delete(table, self.texts[["text_id"]])
            store.delete(table, self.orphans[table])
        store.delete("signatures", wordings(store, self.texts))
        store.delete("texts", _unannotated(store, self.texts)[["text_id"]])  # asked again: votes arrive meanwhile


def old(settings: Settings, originals: datetime | None, texts: datetime | None) -> Old:
    """What came before these moments; None: of that nothing."""
    store = Store(settings.lake)
    none = pd.DataFrame(columns=["file", "item", "text_id", "group_id"], dtype=object)
    files = [] if originals is None else list(_files(settings, store, originals))
    rows = none if originals is None else _rows(store, originals)
    due = none if texts is None else _texts(store, texts)
    return Old(files, rows[["file", "item"]], due[["text_id", "group_id"]], _orphans(store))


def wordings(store: Store, texts: pd.DataFrame) -> pd.DataFrame:
    """Of the texts (text_id, group_id) the wordings that no other has: their signatures were made of these alone."""
    mine = set(texts["group_id"])
    known = store.read("texts", {"group_id": sorted(mine)}, ["text_id", "group_id"]) if mine else texts
    others = set(known.loc[~known["text_id"].isin(texts["text_id"]), "group_id"])
    return pd.DataFrame({"wording": sorted(mine - others)}, dtype=object)


def _files(settings: Settings, store: Store, before: datetime) -> Iterator[Path]:
    """Originals by the time when they were taken in; refused ones in the inbox by that when they were put there."""
    known = store.read("files", columns=["digest", "ingested_at"])
    came = dict(zip(known["digest"], known["ingested_at"], strict=True))
    for place in (settings.raw, settings.home / "inbox" / "refused"):
        for path in sorted(place.rglob("*")):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(place).parts):
                put = datetime.fromtimestamp(max(path.stat().st_mtime, path.stat().st_ctime), UTC)
                if came.get(path.name.partition(".")[0], put) < before:
                    yield path


def _rows(store: Store, before: datetime) -> pd.DataFrame:
    held = store.read("quarantine", columns=["file", "item", "refused_at"])
    return held[held["refused_at"] < before]


def _texts(store: Store, before: datetime) -> pd.DataFrame:
    """Texts collected, or else taken in with their file, before that which nobody has annotated."""
    known = store.read("texts", columns=["text_id", "group_id", "collected_at", "file"])
    files = store.read("files", columns=["digest", "ingested_at"]).set_index("digest")["ingested_at"]
    taken_in = files.reindex(known["file"]).set_axis(known.index)  # map would fail where there are no files
    return _unannotated(store, known[known["collected_at"].fillna(taken_in) < before])


def _orphans(store: Store) -> dict[str, pd.DataFrame]:
    """The ids that no text has, by table; of a huge lake a part of the digests at a time."""
    found = {}
    for table in _OF_TEXTS:
        ids = list[str]()
        for low, high in parts(store):
            sql = (
                f"select distinct p.text_id from {table} p left join texts t on p.text_id = t.text_id "  # noqa: S608 - quoted
                f"where t.text_id is null and {within('p', low, high)}"
            )
            ids += [text_id for batch in store.query(sql, table, "texts") for text_id in batch["text_id"].to_pylist()]
        found[table] = pd.DataFrame({"text_id": sorted(set(ids))}, dtype=object)
    return found


def _unannotated(store: Store, texts: pd.DataFrame) -> pd.DataFrame:
    kept = pd.concat([store.distinct(table, ["text_id"]) for table in _PEOPLE])
    return texts[~texts["text_id"].isin(kept["text_id"])]
