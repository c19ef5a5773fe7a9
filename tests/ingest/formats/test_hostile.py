"""Files that are broken, strange or meant to do harm."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aufruf.data import readers
from aufruf.errors import DataRefused

TEXT = {"text": "text"}
MIB = 1 << 20
PEAK = 450  # MiB: three copies of 100 MB and the interpreter; a reader that held cells as objects would need thousands

MEASURED = """
import sys
from pathlib import Path
from aufruf.data import readers
from aufruf.errors import DataRefused
try:
    content = readers.open_content(Path(sys.argv[1]))
    format = readers.find(content, readers.asked_for(None, {"text": "text"}))
    for item in format.read(content):
        print(item.problem or f"read {len(item.values['text'] or '')}")
except DataRefused as refusal:
    print(refusal.what)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)  # of this process alone; ru_maxrss begins with the parent's
"""


def parts(kind: str) -> Iterator[bytes]:
    """The pieces of a huge file."""
    cell, emoji, keys = b"x" * MIB, "🗳".encode() * (MIB // 4), b",".join(b'"k%d":%d' % (n, n) for n in range(1_000_000))
    if kind.endswith("cell"):
        yield b'text,a\ngut,1\n"'
        yield from [emoji if kind.startswith("emoji") else cell] * 100
        yield b'",1\nauch,2\n'
    elif kind == "long line":
        yield b'{"text": "gut"}\n{"text": "'
        yield from [cell] * 100
        yield b'"}\n{"text": "auch"}\n'
    elif kind == "long element":
        yield b'[{"text": "gut"},\n{"text": "'
        yield from [cell] * 100
        yield b'"},\n{"text": "auch"}]\n'
    elif kind.endswith("columns"):
        yield (
            b",".join(b"c%d" % n for n in range(999_999)) + b",text\n"
            if kind == "columns"
            else b"c," * 2_000_000 + b"\n"
        )
        yield b"x,y\n"
    else:
        yield b'[{"text": "gut"}, {' + keys + b'}, {"text": "auch"}]'


HUGE = {
    "cell": ["read 3", "the row that ends in line 3 has more than 67108864 characters or 1000000 cells"],
    "emoji cell": ["read 3", "the row at line 3 has a cell of more than 16777216 characters"],
    "long line": ["read 3", "the line has more than 67108864 characters", "read 4"],
    "long element": ["read 3", "element 2 of the JSON list is too large to be one record"],
    "columns": ["the header names 1000000 columns"],
    "nameless columns": ["the row that ends in line 1 has more than 67108864 characters or 1000000 cells"],
    "keys in an element": ["read 3", "element 2 of the JSON list is too large to be one record"],
}


@pytest.mark.parametrize("kind", HUGE)
def test_what_is_huge_is_refused_in_bounded_memory(tmp_path: Path, kind: str) -> None:
    """A cell, line or element of 100 MB, a million columns or keys: a sentence, and a peak that was measured."""
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.writelines(parts(kind))
    done = subprocess.run([sys.executable, "-c", MEASURED, path], capture_output=True, text=True, check=True)
    path.unlink()
    *told, peak = done.stdout.splitlines()
    assert told == HUGE[kind]
    assert int(peak) < PEAK


def test_a_cell_within_the_limits_is_read(items: Any, written: Any) -> None:
    """A text of 3 MB, quoted and with line ends, is one cell."""
    text = "Wählt!\n" * 400_000
    (item,) = items(written("x", f'text;a\n"{text}";1\n'), TEXT)
    assert item.values["text"] == text


def test_a_million_keys_below_an_object_are_not_its_columns(items: Any, written: Any) -> None:
    """An object with too many keys is refused alone in both shapes of JSON; its keys are not kept."""
    many = {f"k{n}": n for n in range(2001)}
    good = {"text": "gut"}
    for text in (json.dumps([many, good]), f"{json.dumps(many)}\n{json.dumps(good)}\n"):
        first, second = items(written("x", text), TEXT)
        assert (first.problem, second.problem) == ("the object has 2001 keys, more than 2000", "")
        assert len(first.row) == 1


def test_nested_10_000_deep(items: Any, written: Any) -> None:
    """In JSON lines one line is refused; a document names the element, or says that it cannot be read past it."""
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        deep = opened * 10_000 + "1" + closed * 10_000
        found = items(written("x", f'{{"text": "gut"}}\n{{"text": {deep}}}\n{{"text": "auch"}}\n'), TEXT)
        assert [item.problem for item in found] == ["", "the line is not JSON (nested too deeply)", ""]
        try:
            told = items(written("x", f'[{{"text": "gut"}}, {{"text": {deep}}}]'), TEXT)[1].problem
        except DataRefused as refusal:  # how deep the parser goes is a matter of the Python version
            told = refusal.what
        assert told in ("the JSON is broken or cut off (nested too deeply)", "the element is nested too deeply")


def test_nested_300_deep_is_one_refused_row(items: Any, written: Any) -> None:
    """Deeper than any export, but not beyond the parser: the element is refused, and the next is read."""
    deep = "[" * 300 + "]" * 300
    found = items(written("x", f'[{{"text": {deep}}}, {{"text": "gut"}}]'), TEXT)
    assert [item.problem for item in found] == ["the element is nested too deeply", ""]


@pytest.mark.parametrize("shape", ["csv", "json", "ndjson"])
@pytest.mark.parametrize(
    "text",
    [
        "a\0b",
        "a\ud83db",
        "\u202eaneb\u202c",
        "=1+1",
        "+49 30",
        "-5",
        "@sum(A1)",
        "＝1+1",
        "\tx",
        "NaN",
        "null",
        "None",
        "",
        "[]",
        "{}",
    ],
)
def test_a_text_is_handed_on_as_it_was(items: Any, written: Any, shape: str, text: str) -> None:
    """NUL, half characters, overrides, formulas and words for nothing stay what they are; checks judge them later."""
    row = {"text": text, "n": "1"}
    if shape == "csv" and "\ud83d" not in text:  # UTF-8 has no half characters
        path = written("x", f'text,n\n"{text}",1\ngut,2\n')
    else:
        rows = [json.dumps(row), json.dumps({"text": "gut", "n": "2"})]
        path = written("x", "\n".join(rows) if shape == "ndjson" else f"[{','.join(rows)}]")
    assert [item.values["text"] for item in items(path, TEXT)] == [text, "gut"]


def test_formulas_in_a_header_are_names_like_others(items: Any, written: Any) -> None:
    """A column called after a formula can be named, and is no formula to us."""
    path = written("x", '=cmd|calc,"@SUM(A1)",+x\n1,zwei,3\n')
    (item,) = items(path, {"text": "@SUM(A1)", "post_id": "=cmd|calc"})
    assert (item.values["text"], item.values["post_id"]) == ("zwei", "1")


def test_half_a_character_written_as_bytes_is_no_utf_8(items: Any, written: Any) -> None:
    """Bytes that would decode to a lone surrogate refuse the file with their place."""
    with pytest.raises(DataRefused, match="not UTF-8 at byte 7 "):
        items(written("x", b"text,n\n\xed\xa0\xbd,1\n"), TEXT)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("other", ["\n", "\r\n", "\r"])
def test_line_ends_may_be_mixed(items: Any, written: Any, end: str, other: str) -> None:
    """Whatever ends the lines, and whatever stands inside quotation marks, a row is a row."""
    path = written("x", f'text,n{end}eins,1{other}"zwei{other}drei",2{end}{other}vier,3')
    assert [item.values["text"] for item in items(path, TEXT)] == ["eins", f"zwei{other}drei", "vier"]


@pytest.mark.parametrize(
    ("table", "problems"),
    [
        ('text,n\n"a"b,1\ngut,2\n', ["the quotation marks in line 2 are out of place", ""]),
        ('text,n\na"b,1\ngut,2\n', ["", ""]),
        ("text,n\na\ngut,2\n", ["the row has 1 cells, the header 2", ""]),
        ("text,n\na,b,c\ngut,2\n", ["the row has 3 cells, the header 2", ""]),
    ],
)
def test_a_ragged_row_is_refused_alone(items: Any, written: Any, table: str, problems: list[str]) -> None:
    """A row with a cell too many or too few, or with quotation marks in its middle, leaves the next one."""
    assert [item.problem for item in items(written("x", table), TEXT)] == problems


@pytest.mark.parametrize("table", ['text,n\ngut,1\n"offen,2\nx,3\n', 'text,n\ngut,1\nx,"offen'])
def test_an_unclosed_quotation_mark_says_where_it_opened(items: Any, written: Any, table: str) -> None:
    """What follows it cannot be told apart, so the file is refused, with the line."""
    with pytest.raises(DataRefused, match="a quotation mark opened in line 3 is never closed"):
        items(written("x", table), TEXT)


@pytest.mark.parametrize("head", ["text,n,text", "text,n, text ", '"text",n,\ufefftext'.replace("\ufeff", "")])
def test_a_header_that_names_a_column_twice_is_refused(items: Any, written: Any, head: str) -> None:
    """Which of the two was meant cannot be known."""
    with pytest.raises(DataRefused, match="'text' more than once"):
        items(written("x", f"{head}\n1,2,3\n"), TEXT)


@pytest.mark.parametrize("shape", ["csv", "tsv", "json", "ndjson"])
@pytest.mark.parametrize(
    "id_", ["874458912592533", "8744589125925331", "007", "1e5", "1E+05", "0x1F", "1_000", "+5", "NaN", "١٢٣"]
)
def test_ids_that_look_like_numbers_stay_text(items: Any, written: Any, shape: str, id_: str) -> None:
    """15 and 16 digits, leading zeros, exponents: every character of an id stays."""
    if shape in ("csv", "tsv"):
        mark = "," if shape == "csv" else "\t"
        path = written("x", f"id{mark}text\n{id_}{mark}gut\n")
    else:
        line = json.dumps({"id": id_, "text": "gut"})
        path = written("x", line + "\n" if shape == "ndjson" else f"[{line}]")
    (item,) = items(path, TEXT | {"text_id": "id"})
    assert item.values["text_id"] == id_


def test_names_of_python_s_own_are_names_like_others(items: Any, written: Any) -> None:
    """A column called __class__ is a column."""
    (item,) = items(written("x", "__class__,__dict__,text\na,b,gut\n"), TEXT | {"author": "__class__"})
    assert (item.values["author"], dict(item.row)["__dict__"]) == ("a", "b")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("shape", ["csv", "json", "ndjson"])
def test_encodings_with_a_mark_are_read_in_every_shape(
    items: Callable[..., Any], written: Any, encoding: str, shape: str
) -> None:
    """A byte-order mark is no part of the first column, key or bracket."""
    text = {"csv": "text,n\nGrüße 🗳,1\n", "json": '[{"text": "Grüße 🗳"}]', "ndjson": '{"text": "Grüße 🗳"}\n'}[shape]
    (item,) = items(written("x", text.encode(encoding)), TEXT)
    assert item.values["text"] == "Grüße 🗳"


def test_a_file_that_goes_away_is_not_a_file_that_was_read(written: Any) -> None:
    """Gone between two passes, the file raises instead of being empty."""
    path = written("x", "text,n\ngut,1\n")
    content = readers.open_content(path)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        list(content.records())


def test_quotation_marks_that_are_text_join_no_rows(items: Callable[..., Any], written: Any) -> None:
    """A tab between cells needs no quotation marks, and some programs write none: a text that begins with one and a
    later one that ends with one would be one text, with the other's label. Both lines are refused, and kept."""
    lines = ['1\t"Kommt alle\tTrue\n', '2\tSie sagt „nein"\tFalse\n', "3\tGeht\tTrue\n", '4\t"Zwei\nZeilen"\tTrue\n']
    path = written("x", "Identifier\tText\tMajority Decision\n" + "".join(lines))
    first, *rest = items(path)
    assert first.problem == "a quotation mark in line 2 joins 2 rows into one"
    assert first.row == {"misquoted row": "".join(lines[:2])}
    assert [item.values["text"] for item in rest] == ["Geht", "Zwei\nZeilen"]
