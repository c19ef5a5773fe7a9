"""A format is told from the content, and from nothing else."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aufruf.data import readers
from aufruf.errors import DataRefused

ASKED = frozenset({"Call to Action"})
FILES = {
    "label-studio.json": "label-studio",
    "json-min.json": "label-studio-flat",
    "label-studio.csv": "label-studio-flat",
    "label-studio.tsv": "label-studio-flat",
    "long-frame.csv": "long-frame",
    "text-master-labels.csv": "text-master-labels",
    "text-master-decided.csv": "text-master-labels",
    "ground-truth.csv": "ground-truth",
    "zeeschuimer.ndjson": "zeeschuimer",
    "4cat.csv": "4cat",
    "4cat-tutorial.csv": "4cat",
    "4cat-ma.csv": "4cat",
    "instaloader.json": "instaloader",
    "instaloader-story.json": "instaloader",
    "instaloader-profile.json": "instaloader",
    "crowdtangle.csv": "crowdtangle",
    "content-library.csv": "content-library",
    "content-library-facebook.csv": "content-library",
    "apify.json": "apify",
    "tidal-tales.csv": "tidal-tales",
    "text-master.csv": "text-master",
    "text-master-2023.csv": "text-master",
}
WITH_LABELS = {
    "text-master-labels",
    "text-master",
    "ground-truth",
}  # a Text Master with labels is one without, and more


def test_there_is_a_file_for_every_format_and_a_format_for_every_file() -> None:
    """No format is without its example, no example without its format."""
    assert set(FILES.values()) == {one.name for one in readers.FORMATS}
    assert set(FILES) == {path.name for path in (Path(__file__).parent / "files").iterdir()}


@pytest.mark.parametrize(("name", "expected"), FILES.items())
def test_one_format_claims_a_file(sample: Callable[[str], Path], name: str, expected: str) -> None:
    """The file's own name is not asked, and no other format would have taken it, but for tables with labels added."""
    content = readers.open_content(sample(name), questions=ASKED)
    claims = {one.name for one in readers.FORMATS if one.fits(content)}
    assert readers.find(content, "").name == expected
    assert claims == {expected} or claims <= WITH_LABELS == WITH_LABELS | {expected}


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(("csv", "tsv"))])
@pytest.mark.parametrize("change", ["semicolon", "utf-16", "crlf", "bom", "more columns"])
def test_a_table_saved_otherwise_is_still_known(sample: Callable[[str], Path], name: str, change: str) -> None:
    """Another delimiter, another encoding, other line ends and added columns change nothing."""
    import csv

    path = sample(name)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t" if name.endswith("tsv") else ","))
    if change == "more columns":
        rows = [[*row, "=1+1", ""] if at else [*row, "Mehr", "Noch mehr"] for at, row in enumerate(rows)]
    ends = "\r\n" if change == "crlf" else "\n"
    encoding = {"utf-16": "utf-16", "bom": "utf-8-sig"}.get(change, "utf-8")
    with path.open("w", encoding=encoding, newline="") as file:
        delimiter = ";" if change == "semicolon" else ","
        csv.writer(file, delimiter=delimiter, lineterminator=ends).writerows(rows)
    content = readers.open_content(path, questions=ASKED)
    assert readers.find(content, "").name == FILES[name]
    assert len(list(content.records())) == len(rows) - 1


def test_json_is_known_on_one_line_and_on_many(written: Callable[..., Path], sample: Callable[[str], Path]) -> None:
    """A document indented, on one line, or an element a line holds the same records."""
    import json

    tasks = json.loads(sample("label-studio.json").read_text("utf-8"))
    shapes = [json.dumps(tasks, indent=4), json.dumps(tasks), "\n".join(map(json.dumps, tasks))]
    read = []
    for text in shapes:
        content = readers.open_content(written("x", text))
        read.append((readers.find(content, "").name, [record.row for record in content.records()]))
    assert read[0] == read[1] == read[2]
    assert read[0][0] == "label-studio"


def test_a_line_of_json_in_a_cell_makes_no_json_of_a_table(written: Callable[..., Path]) -> None:
    """A caption over several lines may hold an object; the table stays one."""
    content = readers.open_content(written("x", 'text,n\n"so:\n{}\n{""a"": 1}\nEnde",1\nzwei,2\n'))
    assert (content.shape, len(list(content.records()))) == ("delimited", 2)


@pytest.mark.parametrize(
    ("header", "sentence"),
    [
        ("a,b,c\n1,2,3\n", "with 'a', 'b', 'c'"),
        ("author,party\nkatha,SPD\n", "a table of authors"),
        ("\u202etxet,=1+1,name\nx,y,z\n", r"with \.\.\., \.\.\., 'name'"),
        (",".join(f"c{n}" for n in range(20)) + "\n", "and 5 more"),
    ],
)
def test_an_unknown_header_is_shown_and_not_guessed(written: Callable[..., Path], header: str, sentence: str) -> None:
    """What was seen stands in the message, where it looks like a name."""
    with pytest.raises(DataRefused, match=sentence):
        readers.find(readers.open_content(written("zeeschuimer.ndjson", header)), "")


def test_the_docs_name_every_format_with_what_it_is_told_from() -> None:
    """docs/formats.md has a line for each format, with the columns or keys that make it one."""
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text("utf-8").splitlines()
    lines = {line.split("`")[1]: line for line in page if line.startswith("| `")}
    for one in readers.FORMATS:
        missing = [column for column in one.needs if f"`{column}`" not in lines[one.name]]
        assert not missing, f"say in docs/formats.md that {one.name} is told from {missing}"
    assert all(role in "\n".join(page) for role in readers.ROLES)
