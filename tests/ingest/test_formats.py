"""Each export as it really looks, read into items."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aufruf.data import readers
from aufruf.data.readers import Item
from aufruf.errors import DataRefused, UsageError

FOURCAT = "id,thread_id,parent_id,body,author,author_fullname,timestamp,type,url,unix_timestamp,location_city\n"
FOURCAT_NOW = "collected_from_url,id,timestamp,thread_id,parent_id,url,body,author_id,author,unix_timestamp\n"


def read(path: Path, format: str | None = None, columns: dict[str, str] | None = None) -> list[Item]:  # noqa: A002
    content = readers.open_content(path)
    return list(readers.find(content, readers.asked_for(format, columns)).read(content))


def test_label_studio_names_annotators_by_number_or_by_object(written: Any, vote: Any) -> None:
    """completed_by may be a number or a person; both give the number as text, and no e-mail address is kept."""
    person = {"id": 13724, "email": "anna@uni.example", "first_name": "Anna"}
    path = written("x.json", [vote("a", "True", 13724), vote("b", "True", person), vote("c", "True", None)])
    items = read(path)
    assert [item.values.get("annotator") for item in items] == ["13724", "13724", None]
    assert "uni.example" not in json.dumps([item.row for item in items])
    assert items[2].problem == "the annotation does not say who made it"


def test_label_studio_skips_are_refused_without_blame(written: Any, vote: Any) -> None:
    """A cancelled and an empty annotation give no vote and do not count against the file."""
    path = written("x.json", [vote("a", "True", was_cancelled=True), vote("b", None), vote("c", "True")])
    assert [(item.problem, item.harmless) for item in read(path)] == [
        ("the annotation was cancelled", True),
        ("the annotation was skipped: no answer", True),
        ("", False),
    ]


def test_label_studio_answers_that_are_no_single_choice_are_refused(written: Any, vote: Any) -> None:
    """Two choices at once, and an answer that is a text, are not a vote."""
    two, text = vote("a", "True"), vote("b", "True")
    two["annotations"][0]["result"][0]["value"]["choices"] = ["True", "False"]
    text["annotations"][0]["result"][0]["value"] = {"text": ["True"]}
    assert [item.problem for item in read(written("x.json", [two, text]))] == [
        "the answer holds 2 choices instead of one",
        "the answer is not a choice",
    ]


@pytest.mark.parametrize(
    ("identifier", "post", "kind"),
    [
        ("CyMAe_tufcR-Caption", "CyMAe_tufcR", "Caption"),
        ("C-M-Ae-OCR", "C-M-Ae", "OCR"),
        ("-x-Transcription", "-x", "Transcription"),
        ("CTx-Ocrx", "CTx-Ocrx", None),
        ("3498187238895924847", "3498187238895924847", None),
    ],
)
def test_an_identifier_is_split_at_its_last_dash(
    written: Any, vote: Any, identifier: str, post: str, kind: str | None
) -> None:
    """Shortcodes may hold dashes themselves; only a known type of text is a suffix."""
    (item,) = read(written("x.json", [vote("a", "True", identifier=identifier)]))
    assert (item.values["post_id"], item.values["text_type"]) == (post, kind)


def test_one_annotation_of_two_questions_is_two_items(written: Any, vote: Any) -> None:
    """Each question that an annotation answers is an item of its own."""
    task = vote("a", "True")
    task["annotations"][0]["result"] += vote("a", "SPD", question="Party")["annotations"][0]["result"]
    items = read(written("x.json", [task]))
    assert [(item.number, item.values["question"], item.values["label"]) for item in items] == [
        (1, "Call to Action", "True"),
        (2, "Party", "SPD"),
    ]


def test_zeeschuimer_reads_three_generations(written: Any, zeeschuimer: Any) -> None:
    """The item list, the older graph, and the partial items of 2026 that know no time."""
    graph = {
        "item_id": "C2",
        "timestamp_collected": 1731425774000,
        "source_platform": "instagram.com",
        "data": {
            "__typename": "GraphImage",
            "shortcode": "C2",
            "taken_at_timestamp": 1730302949,
            "edge_media_to_caption": {"edges": [{"node": {"text": "zwei"}}]},
            "owner": {"username": "fw_bayern"},
        },
    }
    polaris = zeeschuimer("C3", "drei", __typename="XIGPolarisMedia", taken_at=None, user=None)
    path = written("x", zeeschuimer("C1", "eins", product_type="clips") + json.dumps(graph) + "\n" + polaris)
    names = ("post_id", "text", "post_type", "author", "posted_at")
    assert [tuple(item.values[name] for name in names) for item in read(path)] == [
        ("C1", "eins", "reel", "kathaschulze", "1730302949"),
        ("C2", "zwei", "post", "fw_bayern", "1730302949"),
        ("C3", "drei", "post", None, None),
    ]


def test_zeeschuimer_leaves_out_ads_and_other_platforms(written: Any, zeeschuimer: Any) -> None:
    """An advertisement and a post of another platform are refused with a reason, the first without blame."""
    other = json.loads(zeeschuimer("T1", "x")) | {"source_platform": "tiktok.com"}
    path = written("x", zeeschuimer("C1", "Kauft!", product_type="ad") + json.dumps(other) + "\n")
    assert [(item.problem, item.harmless) for item in read(path)] == [
        ("the post is an advertisement shown to the reader", True),
        ("posts of 'tiktok.com' cannot be read, only those of instagram.com", False),
    ]


def test_zeeschuimer_survives_values_of_the_wrong_kind(written: Any, zeeschuimer: Any) -> None:
    """A caption that is a list and a user that is a word are read as nothing."""
    (item,) = read(written("x", zeeschuimer("C1", None, caption=[1], user="me")))
    assert (item.values["text"], item.values["author"], item.problem) == (None, None, "")


def test_one_bad_line_leaves_the_others(written: Any, zeeschuimer: Any) -> None:
    """A broken NDJSON line is one refused item; U+2028 inside a text ends no line."""
    path = written("x", zeeschuimer("C1", "a\u2028b").replace("\\u2028", "\u2028") + '{"item_id": \n' + "[1]\n")
    items = read(path)
    assert items[0].values["text"] == "a\u2028b"
    assert [item.problem.split(" (")[0] for item in items[1:]] == [
        "the line is not JSON",
        "the line is JSON, but not an object",
    ]


def test_fourcat_is_read_in_both_shapes(written: Any) -> None:
    """The current columns and those of the tutorial give the same post; "NaN" is no empty cell but a text."""
    url = "https://www.instagram.com/p/DBwPNDuNdAg"
    old = f'DBwPNDuNdAg,DBwPNDuNdAg,,"Hallo\nHeidelberg",katha,K,2024-10-30 15:42:29,photo,{url},1730302949,NaN\n'
    now = f'x,DBwPNDuNdAg,2024-10-30 15:42:29,DBwPNDuNdAg,,{url},"Hallo\nHeidelberg",5,katha,1730302949\n'
    first, second = read(written("a.txt", FOURCAT + old)), read(written("b.txt", FOURCAT_NOW + now))
    assert first[0].values == second[0].values
    assert first[0].values == {
        "text": "Hallo\nHeidelberg",
        "post_id": "DBwPNDuNdAg",
        "text_type": "caption",
        "post_type": "post",
        "platform": "instagram",
        "author": "katha",
        "posted_at": "1730302949",
    }
    assert first[0].row["location_city"] == "NaN"


def test_text_master_and_ground_truth_are_recognised(written: Any) -> None:
    """The tutorial's two tables are told from their headers."""
    master = written("a", "Identifier,Text Type,Text,Image,Post Type\nC-1,OCR,CSU,C-1.jpg,Story\n")
    truth = written("b", ",Text,Majority Decision\n0,Geht wählen,True\n")
    (text,), (label,) = read(master), read(truth)
    names = ("post_id", "text_type", "text", "post_type")
    assert tuple(text.values[name] for name in names) == ("C-1", "OCR", "CSU", "Story")
    said = {role: value for role, value in label.values.items() if value is not None}
    assert said == {"text": "Geht wählen", "label": "True"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_from_the_header(written: Any, delimiter: str) -> None:
    """Quoted delimiters in header and cells mislead nobody, whichever of the four it is."""
    others = ",;|".replace(delimiter, "")
    header = delimiter.join(["id", f'"a{others}{delimiter}b"', "text"])
    row = delimiter.join(["0074", "x", f'"eins{delimiter}zwei{others}"'])
    (item,) = read(written("x", f"{header}\r\n{row}\r\n"), columns={"text": "text", "post_id": "id"})
    assert (item.values["text"], item.values["post_id"]) == (f"eins{delimiter}zwei{others}", "0074")


@pytest.mark.parametrize("shape", ["csv", "json", "ndjson", "parquet"])
def test_ids_stay_the_text_they_were(tmp_path: Path, written: Any, shape: str) -> None:
    """Sixteen digits, leading zeros and 1e5 are never numbers, and NaN, NA and null are words, in any shape."""
    ids = ["8744589125925331", "007", "1e5", "NaN"]
    rows = [{"id": value, "text": word} for value, word in zip(ids, ["NA", "null", "NaN", "x"], strict=True)]
    path = tmp_path / "x"
    if shape == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    elif shape == "csv":
        written("x", "id,text\n" + "".join(f"{row['id']},{row['text']}\n" for row in rows))
    else:
        lines = [json.dumps(row) for row in rows]
        written("x", f"[{','.join(lines)}]" if shape == "json" else "\n".join(lines))
    items = read(path, columns={"text": "text", "text_id": "id"})
    assert [(item.values["text_id"], item.values["text"]) for item in items] == list(
        zip(ids, ["NA", "null", "NaN", "x"], strict=True)
    )


def test_numbers_in_json_keep_every_digit(written: Any) -> None:
    """An id that JSON holds as a number is taken as it is written; a bare NaN is no value."""
    path = written("x.json", '[{"id": 87445891259253318744589, "text": "a"}, {"id": 1e5, "text": NaN}]')
    items = read(path, columns={"text": "text", "text_id": "id"})
    assert [item.values["text_id"] for item in items] == ["87445891259253318744589", "1e5"]
    assert items[1].values["text"] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marked_encodings_are_read(written: Any, encoding: str) -> None:
    """UTF-8 with and without its mark and UTF-16 with it give the same words."""
    path = written("x", "text;von\r\nGrüße 🗳;ü\r\n".encode(encoding))
    (item,) = read(path, columns={"text": "text", "author": "von"})
    assert (item.values["text"], item.values["author"]) == ("Grüße 🗳", "ü")


HUGE = b"text,a\n" + b"x" * 17_000_000 + b",1\n"
FAULTS: list[tuple[bytes, str]] = [
    (b"", "the file is empty"),
    (b" \r\n\n", "only white space"),
    ("text;a\nGr\u00fc\u00dfe;1\n".encode("latin-1"), "not UTF-8 at byte 9 (line 2)"),
    (b"text,a\n" + b"x" * 1_048_570 + "ü,1\nü,2".encode() + b"\xff", "not UTF-8 at byte 1048586 (line 3)"),
    ("text,a\nx,1\n".encode("utf-16")[:-1], "not UTF-16 at byte"),
    ("text,a\nx,1\n".encode("utf-16-le"), "UTF-16 without its mark"),
    ("text,a\n".encode("utf-32"), "UTF-32"),
    (b'[{"text": "a"}, {"te', "the JSON is broken or cut off (line 1"),
    (b"[" * 100_000, "nested too deeply"),
    (b'text,a\n"x,1\ny,2\n', "a quotation mark opened in line 2 is never closed"),
    (b"text,a,text\nx,1,y\n", "the header names 'text' more than once"),
    (b"text,a\0b\nx,1\n", "the header holds a NUL character"),
    (b"sep=;\ntext;a\nx;1\n", "the first line tells Excel what separates cells, and is no header"),
    (b"c," * 5000 + b"text\n", "the header names 5001 columns"),
    (HUGE, "has a cell of more than 16777216 characters"),
    (b"PK\x03\x04rest", "a ZIP archive or a workbook"),
    (b"\x1f\x8b\x08rest", "a gzip archive"),
    (b"PAR1 is not enough", "the Parquet file is damaged or cut off"),
]


@pytest.mark.parametrize(("content", "sentence"), FAULTS, ids=[sentence for _, sentence in FAULTS])
def test_a_file_that_cannot_be_read_says_why(written: Any, content: bytes, sentence: str) -> None:
    """Each fault of a whole file is one sentence that names it and one that says what to do."""
    with pytest.raises(DataRefused) as refusal:
        read(written("x", content), columns={"text": "text"})
    assert sentence in refusal.value.what
    assert "\n" not in refusal.value.what
    assert refusal.value.next


def test_several_labels_of_a_table_may_be_a_list(written: Any) -> None:
    """As in every other export of annotations; where a text has one label, a list of two is no answer."""
    rows = [{"t": "a", "l": ["inform", "support"]}, {"t": "b", "l": '["interact"]'}, {"t": "c", "l": "inform|support"}]
    path, asked = written("x.json", [*rows, {"t": "d"}]), readers.asked_for(None, {"text": "t", "label": "l"})

    def said(several: frozenset[str]) -> list[tuple[str | None, str]]:
        content = readers.open_content(path, frozenset({"Q"}), several=several)
        return [(item.values.get("label"), item.problem) for item in readers.find(content, asked).read(content)]

    alike = [("interact", ""), ("inform|support", ""), (None, "")]
    assert said(frozenset({"Q"})) == [("inform\x1fsupport", ""), *alike]
    assert said(frozenset()) == [(None, "the answer holds 2 choices instead of one"), *alike]


def test_bad_rows_leave_the_good_ones(written: Any) -> None:
    """A ragged row and one with quotation marks out of place are refused alone; empty rows are none."""
    path = written("x", 'text,a\nx,1,2\n"y"z,1\n\n,\nw\ngut,3\n')
    items = read(path, columns={"text": "text"})
    assert [(item.number, item.problem) for item in items] == [
        (1, "the row has 3 cells, the header 2"),
        (2, "the quotation marks in line 3 are out of place"),
        (3, "the row has 1 cells, the header 2"),
        (4, ""),
    ]


def test_an_unknown_table_says_what_was_seen_and_what_to_do(written: Any) -> None:
    """The columns seen and the way out, --columns, stand in the message."""
    with pytest.raises(DataRefused) as refusal:
        read(written("x", "id;description;C2A\n1;a;b\n"))
    assert "'id', 'description', 'C2A'" in refusal.value.what
    assert "--columns ROLE=COLUMN" in refusal.value.next


@pytest.mark.parametrize(
    ("format_", "columns", "sentence"),
    [
        (None, {"txt": "a"}, "Did you mean 'text'?"),
        (None, {"label": "a"}, "Add text=COLUMN."),
        ("4act", None, "Did you mean '4cat'?"),
        ("table", None, "--columns"),
        ("4cat", {"text": "a"}, "Leave one of them out."),
    ],
)
def test_options_that_cannot_be_meant_are_usage_errors(
    format_: str | None, columns: dict[str, str] | None, sentence: str
) -> None:
    """A wrong role, format or pair of options is an error that names the nearest right one."""
    with pytest.raises(UsageError) as error:
        readers.asked_for(format_, columns)
    assert sentence in error.value.next


def test_a_forced_format_must_fit(written: Callable[..., Path]) -> None:
    """--format does not make of a document a table."""
    with pytest.raises(DataRefused, match="not a file of the format 4cat: it is a JSON document"):
        read(written("x", '[{"id": "1", "text": "a"}]'), format="4cat")
