import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from aufruf.reports.day import DayReport, write
from aufruf.reports.index import IndexEntry, entries, render_index, write_index
from aufruf.reports.words import Trust, WordsReport
from aufruf.reports.words import write as write_words


def test_days_are_listed_with_the_last_one_first(day: DayReport, tmp_path: Path) -> None:
    """What the index says of a day is what the day's page says; other folders are not listed."""
    write(tmp_path / "2025-02-17", day)
    write(tmp_path / "2025-02-18", replace(day, day=date(2025, 2, 18), scored_total=0, calls_total=0))
    (tmp_path / "2025-02-19").mkdir()
    (tmp_path / "2025-02-19" / "index.html").write_text("<p>something else", encoding="utf-8")
    assert entries(tmp_path) == [
        IndexEntry(date(2025, 2, 17), "2025-02-17/index.html", 1412, 297, "3"),
        IndexEntry(date(2025, 2, 18), "2025-02-18/index.html", 0, 0, "3"),
    ]
    page = write_index(tmp_path, "call_to_action")
    html = page.read_text(encoding="utf-8")
    assert page == tmp_path / "index.html"
    assert re.findall(r'href="([^"]*)">([^<]*)<', html) == [
        ("2025-02-18/index.html", "Tuesday, 18 February 2025"),
        ("2025-02-17/index.html", "Monday, 17 February 2025"),
    ]
    assert "1,412" in html


def test_names_in_the_index_are_inert() -> None:
    """A classifier, version or path cannot bring in an element or a scheme."""
    bad = '"><script>alert(1)</script>\u202e'
    html = render_index([IndexEntry(date(2025, 2, 17), f"javascript:{bad}", 1, 1, bad)], bad)
    assert "<script" not in html
    assert "\u202e" not in html
    assert 'href="javascript:' not in html


def test_no_day_yet_says_what_to_run() -> None:
    """An empty index is a page too."""
    assert "aufruf report" in render_index([], "call_to_action")


def test_a_long_version_does_not_hide_the_day(day: DayReport, tmp_path: Path) -> None:
    """The facts of a page are found whatever their length, and given back unescaped."""
    version = "<&\"'" * 3000
    write(tmp_path / "2025-02-17", replace(day, model=replace(day.model, version=version)))
    assert [entry.version for entry in entries(tmp_path)] == [version]


def test_the_page_on_words_leads_back(tmp_path: Path) -> None:
    """Like every page beside the days, once there is a list of them."""
    none = Trust(0, None, None, 0, None, 0, None)
    report = WordsReport("calls", "call", "3", datetime(2025, 2, 17, tzinfo=UTC), 0, 0, 0, none, none, [], [], [])
    assert 'href="../' not in write_words(tmp_path / "words", report).read_text("utf-8")
    write_index(tmp_path, "calls")
    assert '<a href="../index.html">aufruf</a>' in write_words(tmp_path / "words", report).read_text("utf-8")


def test_standing_pages_are_linked_where_they_are(day: DayReport, tmp_path: Path) -> None:
    """The index leads to the pages beside the days that lie in its folder, and to no others."""
    write(tmp_path / "2025-02-17", day)
    assert "Beside the days" not in write_index(tmp_path, "calls").read_text("utf-8")
    (tmp_path / "audit.html").write_text("<p>an audit", encoding="utf-8")
    html = write_index(tmp_path, "calls").read_text("utf-8")
    assert re.findall(r'href="([^"]*)"', html) == ["audit.html", "2025-02-17/index.html"]
