"""A lake as the first version wrote it lives on: tables gain columns when they are next written, and lose nothing."""

import shutil
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from aufruf.arrow import schema_of
from aufruf.schemas import TABLES
from aufruf.steps.night import night

MOMENT = pa.timestamp("us", tz="UTC")
NUMBERS = {"rows", "kept", "refused", "item", "votes", "test_rows"}
SHARES = {"margin", "fit", "stability", "value", "low", "high"}
FIRST = {  # the tables of the first version and their columns, "?" where one may be empty
    "files": "digest classifiers name format kind rows kept refused status reasons ingested_at",
    "quarantine": "file item reasons row refused_at",
    "texts": "text_id post_id? text text_type post_type? platform? author? party? posted_at? collected_at? digest"
    " group_id file",
    "annotations": "classifier text_id annotator label annotated_at? file",
    "labels": "classifier text_id label? votes margin how decided_at",
    "splits": "classifier text_id digest group_id split reason assigned_at",
    "predictions": "classifier text_id digest model_version label probabilities confident scored_at run",
    "explanations": "classifier text_id digest model_version chosen label words fit stability explained_at",
    "decisions": "classifier challenger champion? at verdict reasons challenger_metrics champion_metrics? value? low?"
    " high? test_rows fingerprint",
}


def first(table: str) -> pa.Schema:
    """What the first version wrote."""
    return pa.schema([_field(word.removesuffix("?"), word.endswith("?")) for word in FIRST[table].split()])


def _field(name: str, nullable: bool) -> pa.Field:
    kinds = {"probabilities": pa.map_(pa.string(), pa.float64()), "confident": pa.bool_(), "at": MOMENT}
    kinds |= dict.fromkeys(NUMBERS, pa.int64()) | dict.fromkeys(SHARES, pa.float64())
    return pa.field(name, kinds.get(name, MOMENT if name.endswith("_at") else pa.string()), nullable=nullable)


def made_old(lake: Path) -> None:
    """Write each table anew as the first version had it; tables that it did not know are gone."""
    for table in TABLES:
        folder = lake / table
        if not folder.exists():
            continue
        rows = DeltaTable(folder).to_pyarrow_table()
        shutil.rmtree(folder)
        if table in FIRST:
            schema = first(table)
            write_deltalake(folder, rows.select(schema.names).cast(schema))


def test_a_lake_of_the_first_version_lives_on(after):
    """A night with new posts on it: rows of then stay as they were, new ones have all columns, none is scored twice."""
    lake = Path(after.settings.lake)
    assert set(FIRST) <= set(TABLES)
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
    """Every column of then is there with its type; what it did not have may be empty: an old row has nothing there."""
    for table in FIRST:
        then, now = first(table), schema_of(table)
        assert [now.field(one.name) for one in then] == list(then), table
        assert all(one.nullable for one in now if one.name not in then.names), table
