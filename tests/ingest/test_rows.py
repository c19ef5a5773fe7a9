"""Rows in are rows kept plus rows refused, whatever a file holds."""

import csv
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aufruf.data import readers

CELL = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
TIDY = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FEW = settings(TIDY, max_examples=12)


@TIDY
@given(rows=st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=8), delimiter=st.sampled_from(",;\t|"))
def test_every_csv_row_comes_out_as_it_went_in(tmp_path: Path, rows: list[tuple[str]], delimiter: str) -> None:
    """Whatever a well-formed CSV holds, each row that has a character is an item, cell by cell the same."""
    path = tmp_path / "x"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        writer.writerows([("text", "a", "b"), *rows])
    content = readers.open_content(path)
    assert [tuple(record.row.values()) for record in content.records()] == [row for row in rows if any(row)]


@TIDY
@given(lines=st.lists(st.text(string.printable.replace("\n", "").replace("\r", "") + "ü", max_size=20), max_size=9))
def test_every_line_of_a_wild_csv_is_kept_or_refused(tmp_path: Path, lines: list[str]) -> None:
    """Unquoted nonsense of any width gives one item a line, good or refused, and never a silent loss."""
    lines = [line.replace('"', "'") for line in lines]
    path = tmp_path / "x"
    path.write_text("\n".join(["text,a", *lines]), encoding="utf-8", newline="")
    records = list(readers.open_content(path).records())
    assert len(records) == sum(bool(line.strip(",")) for line in lines)
    assert all(len(record.row) == 2 or record.problem for record in records)


@TIDY
@given(values=st.lists(ANY_JSON, max_size=6), broken=st.lists(st.text(max_size=6), max_size=4))
def test_every_ndjson_line_is_kept_or_refused(tmp_path: Path, values: list[object], broken: list[str]) -> None:
    """Any JSON value and any broken line gives exactly one item, with a problem unless it is an object."""
    good = json.dumps({"item_id": "1", "source_platform": "instagram.com", "data": {}})
    wild = [json.dumps(value) for value in values]
    wild += ["{" + "".join(c for c in line if c not in "\n\r") for line in broken]
    path = tmp_path / "x"
    path.write_text("\n".join([good, *wild]), encoding="utf-8", errors="replace", newline="")
    content = readers.open_content(path)
    items = list(readers.find(content, "zeeschuimer").read(content))
    assert [item.number for item in items] == list(range(1, len(wild) + 2))
    assert all(item.problem or item.values["post_id"] for item in items)


@FEW
@given(
    rows=st.lists(
        st.tuples(
            st.text(max_size=6),
            st.sampled_from(["True", "False", "Unsure", "vielleicht", None]),
            st.sampled_from(["", "7", "8\0", "9\ud83d"]),
            st.sampled_from([None, "1", "2"]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_rows_read_are_rows_kept_plus_rows_refused(
    tmp_path: Path, taken: Callable[..., Any], rows: list[tuple[str | None, ...]]
) -> None:
    """Through all the checks each row ends as one vote or one refused row, never both and never neither."""
    path = tmp_path / "x"
    names = ("text", "label", "annotator", "text_id")
    path.write_text(json.dumps([dict(zip(names, row, strict=True)) for row in rows]))
    asked = readers.asked_for("table", {name: name for name in names})
    found = taken(path, asked)
    assert found.rows == len(rows)
    if found.refusal:
        assert (found.kept, found.votes, found.texts, found.quarantine) == (0, (), (), ())
        return
    assert found.kept == len(found.votes) == len(found.texts)
    assert found.kept + len(found.quarantine) == len(rows)
    keys = [(vote.text_id, vote.annotator) for vote in found.votes]
    assert len(set(keys)) == len(keys)
    assert all(row.reasons for row in found.quarantine)
    json.dumps([row.row for row in found.quarantine], ensure_ascii=False).encode("utf-8")


@pytest.mark.parametrize("row", ["\ud83d", "\0"])
def test_what_cannot_be_stored_is_refused_and_kept_readable(
    tmp_path: Path, taken: Callable[..., Any], row: str
) -> None:
    """Half a character and NUL refuse their row; the quarantine still shows where they stood."""
    path = tmp_path / "x"
    path.write_text(json.dumps([{"text": f"a{row}b", "label": "True"}, {"text": "gut", "label": "True"}]))
    asked = readers.asked_for(None, {"text": "text", "label": "label"})
    found = taken(path, asked)
    assert [text.text for text in found.texts] == ["gut"]
    (refused,) = found.quarantine
    assert refused.reasons == "the text holds a NUL or half a character (a lone surrogate)"
    assert json.loads(refused.row)["text"] == f"a{row}b"
