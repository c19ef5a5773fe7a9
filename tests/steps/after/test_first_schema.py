"""A lake as the first version wrote it lives on: tables gain columns when they are next written, and lose nothing."""

import shutil
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from aufruf.arrow import schema_of
from aufruf.schemas import TABLES
from aufruf.steps.night import night

LATER = {  # what the first version did not know yet: tables, and columns of its tables
    "authors": None,
    "signatures": None,
    "tombstones": None,
    "champions": None,
    "shifts": None,
    "quarantine": {"rescued_at"},
    "annotations": {"seconds", "group_id", "why", "first", "first_file"},
    "explanations": {"way", "drawn", "scored", "certainty", "faithfulness", "unreliable"},
    "decisions": {"looks", "step", "decided_by"},
}


def made_old(lake: Path) -> None:
    """Write each table anew with the columns of the first version."""
    for table in TABLES:
        old, folder = LATER.get(table, set()), lake / table
        if not folder.exists():
            continue
        rows = DeltaTable(folder).to_pyarrow_table()
        shutil.rmtree(folder)
        if old is not None:
            schema = pa.schema([field for field in schema_of(table) if field.name not in old])
            write_deltalake(folder, rows.select(schema.names).cast(schema))


def test_a_lake_of_the_first_version_lives_on(after):
    """A night with new posts on it: rows of then stay as they were, new ones have all columns, none is scored twice."""
    lake = Path(after.settings.lake)
    assert set(LATER) <= set(TABLES)
    made_old(lake)
    before = {name: after.store.read(name) for name in ("texts", "annotations", "labels", "splits", "predictions")}
    after.posts("Kommt am Samstag alle zum Infostand!", "Die Partei hat gestern getagt.")
    result = night(after.settings, after.classifier)
    assert result["score"]["scored"] == 2
    for name, rows in before.items():
        key = list(TABLES[name].KEY)
        now = after.store.read(name).set_index(key)
        same = [column for column in rows.columns if column not in key]
        kept = now.loc[rows.set_index(key).index, same].astype(str)
        assert kept.values.tolist() == rows[same].astype(str).values.tolist(), name
    for table in ("explanations", "decisions"):
        assert set(schema_of(table).names) == set(after.store.read(table).columns)


def test_what_came_later_can_be_missing():
    """Every column that the first version did not have may be empty: an old row has nothing to put there."""
    for table, columns in LATER.items():
        for column in columns or ():
            assert schema_of(table).field(column).nullable, (table, column)
