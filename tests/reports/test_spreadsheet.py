"""What a spreadsheet would run is text, wherever it lets a cell begin."""

import csv
import io

import pytest

from aufruf.reports.spreadsheet import safe


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("Geht wählen;=HYPERLINK(A1)", "Geht wählen;'=HYPERLINK(A1)"),
        ('Zeile\n "=1+1', "Zeile\n \"'=1+1"),
        ("a|=b\t=c", "a|'=b\t'=c"),
        ("Liste:\n- eins\n- zwei", "Liste:\n- eins\n- zwei"),
        ("1+1=2, a=b", "1+1=2, a=b"),
        ("\n=1", "\n'=1"),
        ("Kommt alle;+cmd|' /C calc'!A0", "Kommt alle;'+cmd|' /C calc'!A0"),
        ('a;@SUM(1);-2+3|"+1\t＠x', "a;'@SUM(1);'-2+3|\"'+1\t'＠x"),
        ("a;-(1)", "a;'-(1)"),
        (" =1+1", "' =1+1"),
        ("\ufeff\u00a0@SUM(1)", "'\ufeff\u00a0@SUM(1)"),
        ("\u2003-2+3", "'\u2003-2+3"),
        ("a;\u00a0=1", "a;\u00a0'=1"),
        (" a =1", " a =1"),
        ("Bis morgen ;-) a, +b, @c", "Bis morgen ;-) a, +b, @c"),
    ],
)
def test_no_cell_begins_with_a_formula(cell, written):
    """Behind a semicolon, a bar, a tab or a new line too; ordinary lines stay as they are."""
    assert safe(cell) == written


@pytest.mark.parametrize("text", ["a,;+1", 'Er sagt: "Ja";@x, oder', "a, =1+1\n@b", "x|-1 ;-)"])
def test_a_program_reads_what_was_written(text):
    """Columns stay columns, and without the apostrophes the text is the text."""
    file = io.StringIO(newline="")
    csv.writer(file).writerow(["id", safe(text), "end"])
    [[one, read, other]] = csv.reader(io.StringIO(file.getvalue(), newline=""))
    assert (one, read.replace("'", ""), other) == ("id", text, "end")
