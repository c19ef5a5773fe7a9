"""What the exports of posts become, value by value."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aufruf.data import rows
from aufruf.data.readers.item import row_of
from aufruf.errors import DataRefused

CAPTION = {"text_type": "caption", "platform": "instagram", "post_type": "post"}
KATHA = CAPTION | {"author": "kathaschulze", "post_id": "DBwPNDuNdAg"}
FOURCAT = KATHA | {"platform": "instagram", "text": "Hallo Heidelberg!\nZum ersten Mal"}


def test_zeeschuimer(told: Callable[..., list[Any]]) -> None:
    """Three generations of Instagram's format; a partial item of 2026 knows no time, an advertisement is left out."""
    seen = {"collected_at": "1731425774000"}
    assert told("zeeschuimer.ndjson") == [
        KATHA | seen | {"text": "Hallo Heidelberg! #heidelberg", "posted_at": "1730302949"},
        KATHA | seen | {"post_id": "DB2", "post_type": "reel", "posted_at": "1730302950"},
        "the post is an advertisement shown to the reader",
        CAPTION | seen | {"post_id": "CTxB6cMKe2U", "author": "cdu", "text": "CDU wählen", "posted_at": "1631538088"},
        CAPTION | seen | {"post_id": "DZ9", "text": "Wieder da"},
    ]


@pytest.mark.parametrize(("name", "at"), [("4cat.csv", "1730302949"), ("4cat-tutorial.csv", "1730302949.0")])
def test_fourcat(told: Callable[..., list[Any]], name: str, at: str) -> None:
    """The columns of today and those of the tutorial give the same post."""
    assert told(name) == [FOURCAT | {"posted_at": at}]


def test_fourcat_in_the_tutorial_s_short_form(told: Callable[..., list[Any]]) -> None:
    """The five columns of the mode MA."""
    assert told("4cat-ma.csv") == [KATHA | {"text": "Hallo Heidelberg!", "posted_at": "1730302949"}]


def test_instaloader(told: Callable[..., list[Any]]) -> None:
    """A post goes by its shortcode, a story by its number; a profile is no post."""
    cdu = CAPTION | {"author": "cdu", "posted_at": "1631538088"}
    assert told("instaloader.json") == [cdu | {"post_id": "CTxB6cMKe2U", "text": "CDU wählen"}]
    assert told("instaloader-story.json") == [cdu | {"post_id": "2662000000000000001", "post_type": "story"}]
    assert told("instaloader-profile.json") == ["this is no post but 'Profile'"]


def test_crowdtangle(told: Callable[..., list[Any]]) -> None:
    """A row is a caption and an OCR text; the zone becomes an offset; numbers of any locale disturb nobody."""
    fw = {"platform": "instagram", "author": "fw_bayern"}
    first = fw | {"post_id": "CyMAe_tufcR", "post_type": "post", "posted_at": "2023-10-09 20:10:19+02:00"}
    assert told("crowdtangle.csv") == [
        first | {"text_type": "caption", "text": "#Landtagswahl23 Danke!"},
        first | {"text_type": "ocr", "text": "FREIE WAHLER 15,8 %"},
        fw
        | {"post_id": "CyN", "post_type": "reel", "posted_at": "2023-01-09 20:10:19+01:00"}
        | {"text_type": "caption", "text": ""},
        "the URL does not name the post",
    ]


def test_texts_of_one_row_have_its_number(items: Any, sample: Any) -> None:
    """A refused row is told by its place in the file, however many texts the rows before it gave."""
    assert [row_of(item.number) for item in items(sample("crowdtangle.csv"))] == [1, 1, 2, 3]


def test_a_post_of_4cat_without_a_time_is_taken(items: Any, written: Any) -> None:
    """Where Zeeschuimer knew no time 4CAT writes 0, which a spreadsheet makes 0.0, and the first second of 1970."""
    head = "id,thread_id,body,author,url,timestamp,unix_timestamp,num_media\n"
    rows_ = "A,A,eins,u,,1970-01-01 00:00:00,0,1\nB,B,zwei,u,,0,0.0,1\nC,C,drei,u,,,,1\n"
    assert [item.values["posted_at"] for item in items(written("x", head + rows_))] == [None] * 3


def test_marks_in_the_middle_of_joined_lines_are_no_characters(items: Any, sample: Any, written: Any) -> None:
    """Files that each begin with a byte order mark, put together, are read line by line."""
    lines = sample("zeeschuimer.ndjson").read_text("utf-8").splitlines()
    assert [one.problem for one in items(written("x", "\n".join(f"\ufeff{line}" for line in lines[:2])))] == ["", ""]


def test_content_library(told: Callable[..., list[Any]]) -> None:
    """Posts of Instagram and of Facebook, told apart by the reactions that only Facebook counts."""
    assert told("content-library.csv") == [
        CAPTION
        | {"post_id": "1234567890123456", "text": "Geht wählen!", "post_type": "reel", "author": "kathaschulze"}
        | {"posted_at": "2024-10-30T15:42:29+0000"}
    ]
    assert told("content-library-facebook.csv") == [
        CAPTION
        | {"post_id": "1234567890123457", "text": "Kommt!", "platform": "facebook", "author": "Die Partei"}
        | {"posted_at": "2024-10-30T15:42:29+00:00"}
    ]


@pytest.mark.parametrize("name", ["love", "wow", "haha", "sad", "angry", "care", "reaction"])
def test_any_reaction_that_only_facebook_counts_makes_it_facebook(
    items: Any, sample: Any, written: Any, name: str
) -> None:
    """An export holds the columns that were asked for: one of these is enough, and so is a page that posts."""
    rows_ = sample("content-library-facebook.csv").read_text("utf-8").replace("love_count", f"{name}_count")
    nobody = rows_.replace(",page,", ",,")
    bare = rows_.replace(f"{name}_count", "comment_count")
    found = [items(written(f"x{at}", one))[0].values["platform"] for at, one in enumerate((nobody, bare))]
    assert found == ["facebook", "facebook"]


def test_apify(told: Callable[..., list[Any]]) -> None:
    """Posts by their shortCode; an object that tells of an error is left out with its code."""
    at = {"posted_at": "2024-10-30T15:42:29.000Z"}
    assert told("apify.json") == [
        KATHA | at | {"text": "Hallo Heidelberg!"},
        KATHA | at | {"text": "", "post_id": "DB2", "post_type": "reel"},
        "the scraper brought no post but an error (no_items)",
    ]


def test_tidal_tales(told: Callable[..., list[Any]]) -> None:
    """A story with the 19 digits of its number."""
    assert told("tidal-tales.csv") == [
        CAPTION
        | {"post_id": "3498187238895924847", "post_type": "story", "author": "bild", "text": "Heute wählen"}
        | {"posted_at": "2024-11-10T11:00:34.000Z"}
    ]


def test_text_master(told: Callable[..., list[Any]]) -> None:
    """A text a row, told apart by its type; a row without its post is refused."""
    post = {"post_id": "DBwPNDuNdAg", "platform": "instagram", "post_type": "Post"}
    assert told("text-master.csv") == [
        post | {"text_type": "Caption", "text": "Hallo Heidelberg!"},
        {"post_id": "3498187238895924847", "platform": "instagram"}
        | {"post_type": "Story", "text_type": "OCR", "text": "CSU"},
        post | {"text_type": "Transcription", "text": "Hallo"},
        "the text has no Identifier",
    ]
    assert told("text-master-2023.csv") == [
        {"post_id": "CyMAe_tufcR", "platform": "instagram", "text_type": "Caption", "text": "Danke!"}
    ]


def test_one_row_of_any_table_gives_up_to_three_texts(items: Any, written: Any) -> None:
    """Caption, OCR and transcript of one post share all else; where all are blank, the caption stands for them."""
    path = written("x", "nr,beitrag,bild,ton,wer\n007,eins,zwei,drei,SPD\n8,,zwei,,SPD\n9, ,,,SPD\n")
    columns = {"text": "beitrag", "ocr": "bild", "transcript": "ton", "post_id": "nr", "party": "wer"}
    found = [
        (row_of(one.number), *map(one.values.get, ("post_id", "text_type", "text", "party")))
        for one in items(path, columns)
    ]
    assert found == [
        (1, "007", "caption", "eins", "SPD"),
        (1, "007", "ocr", "zwei", "SPD"),
        (1, "007", "transcript", "drei", "SPD"),
        (2, "8", "ocr", "zwei", "SPD"),
        (3, "9", "caption", " ", "SPD"),
    ]


def test_every_sample_speaks_the_lake_s_words(items: Any, sample: Any) -> None:
    """The values of every format are brought to known types of text and post, one platform, and dates in UTC."""
    names = ("zeeschuimer.ndjson", "4cat.csv", "4cat-tutorial.csv", "4cat-ma.csv", "apify.json", "tidal-tales.csv")
    names += ("crowdtangle.csv", "content-library.csv", "instaloader.json", "text-master.csv", "label-studio.csv")
    typed = [rows.typed(item) for name in names for item in items(sample(name)) if not item.problem]
    assert {row["platform"] for row in typed} == {"instagram"}
    assert {row["text_type"] for row in typed} == {"caption", "ocr", "transcript"}
    assert {row["post_type"] for row in typed} == {"post", "story", "reel", None}
    at = {row["posted_at"] for row in typed if row["post_id"] == "DBwPNDuNdAg" and row["posted_at"]}
    assert at == {datetime(2024, 10, 30, 15, 42, 29, tzinfo=UTC)}


def test_4cat_writes_0_for_a_date_that_it_does_not_know(items: Any, sample: Any, written: Any) -> None:
    """A partial item of Zeeschuimer has neither timestamp; the post is taken, with no date."""
    known = sample("4cat.csv").read_text("utf-8")
    partial = known.replace("1730302949", "0").replace("2024-10-30 15:42:29", "0")
    undated = known.replace("1730302949", "0")
    found = [items(written(f"x{at}", one))[0].values["posted_at"] for at, one in enumerate((partial, undated))]
    assert found == [None, "2024-10-30 15:42:29"]


def test_parquet_values_are_text(items: Any, tmp_path: Path) -> None:
    """Whole floats are ids with gaps, bytes are text that was not marked as such, a date is ISO 8601."""
    when = datetime(2024, 10, 30, 15, 42, 29)
    table = pa.table(
        {"t": [b"W\xc3\xa4hlt!", b"\xff"], "id": [8744589125.0, None], "at": [when, None], "n": [[1], None]}
    )
    pq.write_table(table, tmp_path / "x")
    found = items(tmp_path / "x", {"text": "t", "post_id": "id", "posted_at": "at", "author": "n"})
    assert [dict(one.values) for one in found] == [
        {"text": "Wählt!", "post_id": "8744589125", "posted_at": "2024-10-30T15:42:29", "author": "[1]"},
        {"text": "\udcff", "post_id": None, "posted_at": None, "author": None},
    ]


@pytest.mark.parametrize("zone", ["CEST", "Europe/Berlin", "+02:00", "nowhere"])
def test_a_time_zone_of_parquet_may_have_any_name(items: Any, tmp_path: Path, zone: str) -> None:
    """The instant is stored in UTC beside it: it is read where the zone is not known, in lists and objects too."""
    at = pa.array([1730302949], pa.timestamp("s", zone))
    nested = {
        "list": pa.ListArray.from_arrays([0, 1], at),
        "large": pa.LargeListArray.from_arrays([0, 1], at),
        "pair": pa.FixedSizeListArray.from_arrays(at, 1),
        "object": pa.StructArray.from_arrays([at], ["at"]),
        "map": pa.MapArray.from_arrays([0, 1], ["k"], at),
    }
    pq.write_table(pa.table({"t": ["Wählt!"], "at": at, **nested}), tmp_path / "x")
    (found,) = items(tmp_path / "x", {"text": "t", "posted_at": "at"})
    assert found.values["posted_at"] == "2024-10-30T15:42:29+00:00"
    assert {name for name in nested if "2024-10-30 15:42:29+00:00" in found.row[name]} == set(nested)


def test_parquet_of_any_shape_is_text(items: Any, tmp_path: Path) -> None:
    """What is nested becomes JSON, and words are words however they are marked."""
    shapes: dict[str, Any] = {
        "large": (pa.large_string(), "a", "a"),
        "view": (pa.string_view(), "a", "a"),
        "category": (pa.dictionary(pa.int8(), pa.string()), "a", "a"),
        "large category": (pa.dictionary(pa.int8(), pa.large_string()), "a", "a"),
        "json": (pa.json_(), '{"a": 1}', '{"a": 1}'),
        "words": (pa.list_(pa.string()), ["a", None], '["a", null]'),
        "object": (pa.struct([("a", pa.list_(pa.string()))]), {"a": ["b"]}, '{"a": ["b"]}'),
        "map": (pa.map_(pa.string(), pa.int8()), [("a", 1)], '[["a", 1]]'),
        "decimal": (pa.decimal128(9, 2), Decimal("1.50"), "1.50"),
        "truth": (pa.bool_(), True, "True"),
        "fixed": (pa.binary(2), b"ab", "ab"),
    }
    table = {name: pa.array([None, value, None], kind) for name, (kind, value, _) in shapes.items()}
    pq.write_table(pa.table(table), tmp_path / "x")
    rows = [dict(one.row) for one in items(tmp_path / "x", {"text": "large"})]
    said = {name: text for name, (_, _, text) in shapes.items()}
    assert rows == [dict.fromkeys(shapes), said, dict.fromkeys(shapes)]


def test_parquet_that_lies_is_refused(items: Any, tmp_path: Path) -> None:
    """Text that is marked as UTF-8 and is none ends in a sentence, not in a traceback."""
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff")])
    pq.write_table(pa.table({"t": text}), tmp_path / "x")
    with pytest.raises(DataRefused, match="damaged or cut off"):
        items(tmp_path / "x", {"text": "t"})


def test_an_address_without_a_post_is_no_id(items: Any, sample: Any) -> None:
    """The refused row is kept whole, so that it can be mended."""
    refused = items(sample("crowdtangle.csv"))[-1]
    assert refused.row["URL"] == "https://www.instagram.com/fw_bayern/"
    assert json.loads(json.dumps(refused.row))["Description"] == "Wohin?"


def test_a_post_is_found_by_the_second_of_its_names(items: Any, written: Any, sample: Any) -> None:
    """Link where the URL names no post, shortcode before the envelope's item_id, the address where no type is told."""
    rows_ = sample("crowdtangle.csv").read_text("utf-8").replace("/p/CyMAe_tufcR/,https", "/,https", 1)
    assert [item.values["post_id"] for item in items(written("a", rows_))[:2]] == ["CyMAe_tufcR"] * 2
    lines = sample("zeeschuimer.ndjson").read_text("utf-8").replace('"item_id": "', '"item_id": "x')
    kept = [item.values["post_id"] for item in items(written("b", lines)) if not item.problem]
    assert kept == ["DBwPNDuNdAg", "DB2", "CTxB6cMKe2U", "DZ9"]
    posts = sample("apify.json").read_text("utf-8").replace("/p/DBwPNDuNdAg/", "/reel/DBwPNDuNdAg/")
    assert items(written("c", posts))[0].values["post_type"] == "reel"
