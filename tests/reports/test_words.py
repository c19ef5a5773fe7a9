"""The page on words, and words.json beside it."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from aufruf.reports.words import Trust, WordsReport, render, write

ALL = Trust(1200, 0.716, 0.834, 10, 0.95, 160, 160 / 1200)
CALLS = Trust(0, None, None, 0, None, 0, None)
REPORT = WordsReport("c", "call", "3", datetime(2025, 2, 17, tzinfo=UTC), 1201, 0, 160, ALL, CALLS, [], [], [])


def rows_of(html: str) -> list[str]:
    part = html[html.index('id="trust"') : html.index('id="limits"')]
    rows = re.findall(r"<tr>(.*?)</tr>", part, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", row).split()) for row in rows]


def test_the_page_says_how_far_its_words_can_be_trusted() -> None:
    """Medians with the number of texts behind them, and a dash where there is none."""
    assert rows_of(render(REPORT)) == [
        "Calls All texts",
        "Explanations 0 1,200",
        "with faithfulness 0 10",
        "Fit – 0.72",
        "Stability – 0.83",
        "Faithfulness – 0.95",
        "Not reliable – 13 %",
    ]


def test_the_same_stands_in_the_json(tmp_path: Path) -> None:
    """Unrounded; null, which any program can read, where there is no figure."""
    write(tmp_path, REPORT)
    listed = json.loads((tmp_path / "words.json").read_text("utf-8"), parse_constant=lambda found: 1 / 0)
    assert listed["trust"] == {
        "texts": 1200, "fit": 0.716, "stability": 0.834, "measured": 10, "faithfulness": 0.95,
        "unreliable": 160, "unreliable_share": 160 / 1200,
    }  # fmt: skip
    assert listed["trust_of_calls"] == {
        "texts": 0, "fit": None, "stability": None, "measured": 0, "faithfulness": None,
        "unreliable": 0, "unreliable_share": None,
    }  # fmt: skip


def test_one_explanation_is_spoken_of_in_the_singular() -> None:
    """Also where it is not reliable."""
    html = render(replace(REPORT, explained=1, unreliable=1))
    assert "<b>1</b> explanation by version" in html
    assert "1 is marked as not reliable" in html
