"""What a hostile file costs, and what of it is repeated: long names, packed columns, posts where a header should be."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aufruf.data import inbox, verdict
from aufruf.data.readers import asked_for, json_text, listed, open_content
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


@pytest.fixture
def refused_within() -> Iterator[Callable[[Path], int]]:
    """Read a file that is refused as one that unpacks without end; the most bytes that Arrow has held at once."""
    before = pa.default_memory_pool()

    def read(path: Path) -> int:
        pool = pa.system_memory_pool()  # no other test uses it, and it outlives whatever is allocated in it
        pa.set_memory_pool(pool)
        with pytest.raises(DataRefused, match="unpacks to more than 1000 times its size"):
            list(records(path))
        return pool.max_memory()

    yield read
    pa.set_memory_pool(before)


BOMB = {"compression": "zstd", "store_schema": False, "dictionary_pagesize_limit": 1 << 30, "data_page_size": 1 << 30}
WORD = "a" * 4_000_000


@pytest.mark.parametrize(
    "column",
    [
        lambda words: pa.array(words),
        lambda words: pa.array([None, *words]),
        lambda words: pa.array([{"a": word} for word in words]),
        lambda words: pa.array([words]),
        lambda words: pa.array([[], words]),
        lambda words: pa.array([None, [("k", word) for word in words]], pa.map_(pa.string(), pa.string())),
    ],
    ids=["plain", "after nothing", "in an object", "in one list", "after an empty list", "in a map"],
)
def test_a_dictionary_is_not_written_out_before_it_is_judged(tmp_path, refused_within, column):
    """A kilobyte that says in every row the one word of its dictionary: a batch of 100 rows would take 400 MB."""
    pq.write_table(pa.table({"text": column([WORD] * 120)}), tmp_path / "bomb.parquet", **BOMB)
    assert (tmp_path / "bomb.parquet").stat().st_size < 2_000
    assert refused_within(tmp_path / "bomb.parquet") < 150_000_000


def test_words_that_repeat_the_start_of_the_one_before_are_read_one_by_one(tmp_path, refused_within):
    """An encoding by differences packs as well as a dictionary, and is none."""
    table = pa.table({"text": [f"{WORD}{n}" for n in range(100)]})
    pq.write_table(table, tmp_path / "x", use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY", **BOMB)
    assert refused_within(tmp_path / "x") < 250_000_000  # a hundred at once take 400 MB


@pytest.mark.parametrize("dictionary", [True, False])
def test_a_cell_of_parquet_is_no_longer_than_one_of_a_table(tmp_path, dictionary):
    """16,777,216 characters are taken, one more is not; nor are more than four times as many in a row."""
    cell = 1 << 24
    for name, columns in {
        "longest": [cell],
        "cell": [cell + 1],
        "row": [cell] * 4 + [1],
        "wide": [cell + 1] * 5,
    }.items():
        table = pa.table({f"c{n}": ["ab" * (size // 2) + "c" * (size % 2)] for n, size in enumerate(columns)})
        pq.write_table(table, tmp_path / name, use_dictionary=dictionary, compression="none")
    assert [len(record.row["c0"]) for record in records(tmp_path / "longest")] == [cell]
    for name, what in {
        "cell": "cell of more than 16777216",
        "row": "row of more than 67108864",
        "wide": "cell",
    }.items():
        with pytest.raises(DataRefused, match=f"it has a {what}"):
            list(records(tmp_path / name))


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


def test_rows_that_are_refused_without_end_are_not_held(taken, written, monkeypatch):
    """Beyond a number of them that are also too large a share of the rows so far, the rest is not read. Advertisements
    and the like do not count; nor does a number that is a small share."""
    monkeypatch.setattr(verdict, "MOST_REFUSED", 50)
    good, asked = [f'{{"text": "Text {n}"}}\n' for n in range(100)], asked_for(None, {"text": "text"})
    found = taken(written("x.ndjson", "".join([*good, *["x\n"] * 1000])), asked)
    assert (found.rows, found.kept) == (201, 0)
    assert found.refusal == (
        "101 of its first 201 rows are refused, more than checks.most_refused allows: the rest is not read. the line "
        "is not JSON (line 1, column 1: expecting value) (rows: 101, the first is 101). Mend the rows, then ingest the "
        "file again."
    )
    assert taken(written("y.ndjson", "".join([*good, *["x\n"] * 90])), asked).kept == 100
    empty = taken(written("z.ndjson", "".join([*good, *['{"text": ""}\n'] * 1000])), asked)
    assert (empty.rows, empty.kept, empty.refusal) == (1100, 100, "")


def test_a_reason_is_held_once():
    """A million rows with one fault are a million numbers and one sentence."""
    found = verdict.Verdict()
    for item in range(5):
        found.refuse(item, "why")
    found.refuse(4, "and why")
    assert found.reasons == {**{item: ["why"] for item in range(4)}, 4: ["why", "and why"]}
    assert len({id(found.reasons[item]) for item in range(4)}) == 1


@pytest.mark.parametrize("at", [1, 500], ids=["when it is opened", "when it is read"])
def test_what_nobody_foresaw_refuses_one_file(take, written, monkeypatch, at):
    """An error of a value in a reader is told by its kind and place, not by its message; the other file is taken."""
    parse = json_text.parse

    def fails(text):
        if "Geheimnis" in text:
            raise KeyError(text)
        return parse(text)

    monkeypatch.setattr(json_text, "parse", fails)
    lines = [f'{{"text": "Text {n}"}}\n' for n in range(at)] + ['{"text": "Geheimnis"}\n']
    bad, good = (
        written("bad.ndjson", "".join(lines)),
        written("good.ndjson", '{"text": "Wählt!"}\n{"text": "Jetzt!"}\n'),
    )
    refused, other = take(bad, good, columns={"text": "text"})
    assert (refused["status"], other["status"], other["kept"]) == ("refused", "new", 2)
    (why,) = refused["reasons"]
    assert why.startswith("reading it fails in an unforeseen way (KeyError in test_bounds.py, line ")
    assert "Geheimnis" not in why
