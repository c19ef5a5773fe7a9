"""Whatever the cells hold, every row of every format comes out: as items with values, or with a problem."""

import csv
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aufruf.data import readers, rows
from aufruf.data.readers import json_document
from aufruf.data.readers.item import NO_ROW, row_of
from aufruf.data.readers.json_text import DECODER
from aufruf.errors import DataRefused

FILES = Path(__file__).parent / "files"
ASKED = frozenset({"Call to Action", "Party"})
TIDY = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture]}
SOME = settings(max_examples=12, **TIDY)
TABLES = sorted(path.name for path in FILES.iterdir() if path.suffix in (".csv", ".tsv"))
DOCUMENTS = sorted(path.name for path in FILES.iterdir() if path.suffix in (".json", ".ndjson"))
CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=10) | st.sampled_from(
    [
        '{"choices": ["True"]}',
        '["a", "b"]',
        "[[[",
        "{}",
        "True",
        "a@b.de",
        "NaN",
        "1e5",
        "=1+1",
        "0",
        "-1",
        "inf",
        "2024-01-01",
        "\0",
    ]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6)
ANY = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def judged(content: readers.Content) -> list[readers.Item]:
    """The items of a file, each whole: numbered by rows, with a problem or with values that are text or nothing."""
    found = [item for item in readers.find(content, "").read(content) if item.number != NO_ROW]
    numbers = [item.number for item in found]
    assert len(set(numbers)) == len(numbers)
    of_rows = list(dict.fromkeys(map(row_of, numbers)))
    assert of_rows == list(range(1, len(of_rows) + 1))
    for item in found:
        assert item.problem or item.values
        assert all(value is None or isinstance(value, str) for value in item.values.values())
        json.dumps(item.row, default=str)
        if not item.problem:
            with suppress(ValueError):  # a sentence, for the quarantine
                rows.typed(item)
    return found


@pytest.mark.parametrize("name", TABLES)
@SOME
@given(data=st.data())
def test_every_row_of_a_table_is_kept_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Under the header of each format, rows of arbitrary cells give each at least one item, in their order."""
    with (FILES / name).open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file, delimiter="\t" if name.endswith("tsv") else ","))
    width = len(header)
    drawn = data.draw(st.lists(st.lists(CELL, min_size=width, max_size=width + 1), min_size=1, max_size=5))
    path = tmp_path / "x"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([header, *drawn])
    content = readers.open_content(path, questions=ASKED)
    solid = [row for row in drawn if any(row)]
    kept = [list(record.row.get("cells", record.row.values())) for record in content.records()]
    assert kept == solid
    several = {"crowdtangle.csv": 2, "label-studio.csv": 2, "label-studio.tsv": 2}.get(name, 1)  # items of a row
    found = judged(content)
    assert len(solid) <= len(found) <= several * len(solid)
    ragged = sum(len(row) != width for row in solid)
    assert sum(item.problem.endswith(f"cells, the header {width}") for item in found) == ragged


@pytest.mark.parametrize("name", DOCUMENTS)
@SOME
@given(data=st.data())
def test_every_object_is_kept_or_refused(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """Objects of each format with arbitrary values in their places, and arbitrary values among them."""
    known = list(readers.open_content(FILES / name, questions=ASKED).records())
    first = dict(known[0].row)
    laid = st.dictionaries(st.sampled_from(sorted(first)), ANY, max_size=4)
    drawn = data.draw(st.lists(laid.map(lambda some: first | some) | ANY, max_size=5))
    path, values = tmp_path / "x", [first, *drawn]
    lines = data.draw(st.booleans())
    path.write_text("\n".join(map(json.dumps, values)) if lines else json.dumps(values), "utf-8")
    content = readers.open_content(path, questions=ASKED)
    found = judged(content)
    if name != "label-studio.json":
        assert len(found) >= len(values)
        return
    tasks = [row["annotations"] if isinstance(row, dict) and "annotations" in row else None for row in values]
    assert len(found) >= sum(len(votes) if isinstance(votes, list) else 1 for votes in tasks)


@SOME
@given(
    drawn=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6),
    roles=st.sets(st.sampled_from(["text", "ocr", "transcript"]), min_size=1),
)
def test_every_row_of_a_named_table_is_kept_or_refused(
    tmp_path: Path, drawn: list[tuple[str, ...]], roles: set[str]
) -> None:
    """As many items as a row has texts that are not blank, but one at least."""
    path, columns = tmp_path / "x", ["text", "ocr", "transcript"]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([columns, *drawn])
    content = readers.open_content(path)
    asked = readers.asked_for(None, {role: role for role in roles})
    found = list(readers.find(content, asked).read(content))
    there = [[cell for name, cell in zip(columns, row, strict=True) if name in roles and cell.strip()] for row in drawn]
    assert len(found) == sum(max(1, len(texts)) for texts, row in zip(there, drawn, strict=True) if any(row))


def streamed(path: Path) -> list[Any]:
    return [record.row.get("broken element", record.row) for record in json_document.document_records(path, "utf-8")]


@settings(max_examples=100, **TIDY)
@given(values=st.lists(ANY, max_size=6), chunk=st.integers(1, 40), indent=st.none() | st.integers(0, 2))
def test_a_document_is_what_the_json_module_says(
    tmp_path: Path, values: list[Any], chunk: int, indent: int | None
) -> None:
    """Any JSON list, cut into chunks of any size, gives just the elements that the whole gives."""
    path = tmp_path / "x"
    path.write_text(
        json.dumps(values, indent=indent, ensure_ascii=chunk % 2 == 0), "utf-8", errors="replace", newline=""
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "CHUNK", chunk)
        assert streamed(path) == DECODER.decode(path.read_text("utf-8"))


@settings(max_examples=150, **TIDY)
@given(
    values=st.lists(ANY, max_size=4),
    at=st.integers(0, 400),
    wrong=st.sampled_from(["", ",", "]", '"', "\\", "}", "1", "-", "e", "\n", "é"]),
    chunk=st.integers(1, 40),
)
def test_a_broken_document_is_one_for_the_json_module_too(
    tmp_path: Path, values: list[Any], at: int, wrong: str, chunk: int
) -> None:
    """Cut off, or with a character changed: refused just where the whole cannot be read, and read where it can."""
    text = json.dumps(values)
    at = min(at, len(text))
    text = text[:at] + wrong + (text[at + 1 :] if wrong else "")
    path = tmp_path / "x"
    path.write_text(text, "utf-8", newline="")
    try:
        expected: Any = DECODER.decode(text)
    except ValueError:
        expected = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_document, "CHUNK", chunk)
        if isinstance(expected, list):
            assert streamed(path) == expected
        elif expected is None:
            with pytest.raises(DataRefused, match="broken or cut off"):
                streamed(path)
        else:
            assert streamed(path) == [expected]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_the_place_of_a_fault_is_that_of_the_whole(
    written: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    """Line and column in the message count from the start of the file, whatever was read before."""
    monkeypatch.setattr(json_document, "CHUNK", chunk)
    path = written("x", '[\n {"a": 1},\n\n {"a": 2} {"a": 3}]')
    with pytest.raises(DataRefused, match=r"line 4, column 11: expecting ',' or '\]'"):
        streamed(path)
