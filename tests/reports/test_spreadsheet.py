"""What a spreadsheet would run is text, wherever it lets a cell begin."""

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
    ],
)
def test_no_cell_begins_with_a_formula(cell, written):
    """Behind a semicolon, a bar, a tab or a new line too; ordinary lines stay as they are."""
    assert safe(cell) == written
