"""The page on champions: what it says, and that nothing in it can act."""

from datetime import UTC, datetime

from aufruf.reports.champions import Reign, render, write
from aufruf.reports.index import write_index

AT = datetime(2026, 11, 3, 5, 12, tzinfo=UTC)


def test_every_change_is_a_line_with_how_it_came_about():
    """Gate, approval, hand and rollback in words, what was replaced, and an alias that was taken away."""
    ways = {
        "gate": "the gate promoted it",
        "approval": "a person approved it in Airflow",
        "hand": "a person chose it",
        "rollback": "a person rolled back",
    }
    page = render("c", [Reign(AT, str(n), how, None, None) for n, how in enumerate(ways)], listed=False)
    assert [said in page for said in ways.values()] == [True] * 4
    assert "3 November 2026, 05:12 UTC" in page
    page = render("c", [Reign(AT, None, "hand", "4", None)])
    assert "a person took the alias away" in page
    assert "<bdi>4</bdi>" in page


def test_a_refusal_is_shown_with_its_reason_as_text():
    """A reason that would be HTML is a sentence, and the page admits no script."""
    page = render("<b>c</b>", [Reign(AT, "7", "hand", "6", "<script>alert(1)</script>\u202e was changed")])
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;‹U+202E› was changed" in page
    assert "Version <bdi>6</bdi> went on." in page
    assert "&lt;b&gt;c&lt;/b&gt;" in page
    assert "default-src 'none'" in page


def test_the_list_of_days_leads_to_it_and_back(tmp_path):
    """The link is there exactly when the page is; a page with no list of days beside it links to none."""
    assert "champions/index.html" not in write_index(tmp_path, "c").read_text("utf-8")
    assert "../index.html" not in write(tmp_path, "c", []).read_text("utf-8")
    assert 'href="champions/index.html"' in write_index(tmp_path, "c").read_text("utf-8")
    (tmp_path / "2026-11-03").mkdir()
    (tmp_path / "2026-11-03" / "index.html").write_text("a day", "utf-8")
    assert 'href="../index.html"' in write(tmp_path, "c", []).read_text("utf-8")
