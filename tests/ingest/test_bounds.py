"""What a hostile file costs, and what of it is repeated: long names, packed columns, posts where a header should be."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aufruf.data import inbox
from aufruf.data.readers import listed, open_content
from aufruf.data.readers.parquet import records
from aufruf.errors import DataRefused


def test_a_parquet_file_that_unpacks_without_end_is_refused(tmp_path):
    """One long text, said a thousand times by a dictionary: some kilobytes that would be gigabytes."""
    said = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["a" * 4_000_000]))
    table = pa.table({"text": said})
    pq.write_table(table, tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 20_000
    with pytest.raises(DataRefused, match="unpacks to more than 1000 times its size"):
        list(records(tmp_path / "bomb.parquet"))


def test_a_column_that_says_the_same_in_every_row_is_no_bomb(tmp_path):
    """Two hundred thousand rows of one platform, beside their texts."""
    rows = 200_000
    table = pa.table({"platform": ["instagram"] * rows, "text": [f"Text {n}" for n in range(rows)]})
    pq.write_table(table, tmp_path / "posts.parquet", compression="zstd")
    assert sum(1 for _ in records(tmp_path / "posts.parquet")) == rows


@pytest.mark.parametrize("name", ["ä" * 120 + ".json", "x" * 255, "x." + "y" * 250])
def test_a_refused_file_with_a_long_name_is_set_aside(tmp_path, name):
    """It and its reason find a place, twice; the inbox is free again."""
    for _ in range(2):
        (tmp_path / name).write_text("{", "utf-8")
        place = inbox.refuse(tmp_path / name, tmp_path / "refused", "no format")
        assert place.read_text("utf-8") == "{"
        assert Path(f"{place}.reason.txt").read_text("utf-8") == "no format\n"
        assert not (tmp_path / name).exists()
    assert len(list((tmp_path / "refused").iterdir())) == 4


def test_a_post_in_the_place_of_a_header_is_not_repeated(tmp_path):
    """What does not look like a column's name is not said; names are."""
    assert listed(("Post Created (UTC)", "is_call", "Überschrift")) == "'Post Created (UTC)', 'is_call', 'Überschrift'"
    post = ("3349", "Ruf mich an 0151 23456789", "@anna_muster", "Kommt am Sonntag alle zum Markt!")
    assert listed(post) == "..., ..., ..., ..."
    (tmp_path / "twice.csv").write_text("@anna,@anna\n1,2\n", "utf-8")
    with pytest.raises(DataRefused) as refused:
        list(open_content(tmp_path / "twice.csv").records())
    assert "anna" not in str(refused.value)
