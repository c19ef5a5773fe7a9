"""The page on a file's checks says what it has looked at."""

import re
from datetime import UTC, datetime
from pathlib import Path

from aufruf.reports.check import write_check


def test_what_was_looked_at_has_a_unit(tmp_path: Path) -> None:
    """Columns are looked for in parts, values in rows, shares in the file; rows refused before are not among them."""
    counts = [
        {"expectation": f"expect_column_{what}", "column": column, "success": True, "evaluated": n, "unexpected": 0}
        for what, column, n in (
            ("to_exist", "data", 8),
            ("values_to_not_be_null", "text", 1704),
            ("values_to_be_between", "broken", 1),
            ("values_to_be_between", "shift label 0", 1),
        )
    ]
    at = datetime(2026, 9, 1, tzinfo=UTC)
    seen = []
    for kept in (1704, 1713):
        page = write_check(tmp_path, "a" * 64, ("label-studio", "annotations"), (1713, kept), counts, at).read_text()
        seen.append(" ".join(re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split()))
    for told in ("8 parts 0 holds", "The text is there 1,704 rows 0", "broken rows lies within its bounds 1 file 0"):
        assert told in seen[0]
    assert "known lies within its bounds 1 file 0" in seen[0]
    assert ["refused as they are read, and not looked at here" in page for page in seen] == [True, False]
