"""The page on what has moved calls only that unmoved which was looked at, and says what was not."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from aufruf.phrases import told
from aufruf.reports.monitor import Bars, MonitorReport, outcome, render, sentence
from aufruf.schemas import Shift

DAY = date(2025, 2, 16)


def shift(against: str, distance: float, moved: bool = False, day: str = "2025-02-16") -> Shift:
    return Shift(
        classifier="calls",
        day=day,
        figure="labels",
        against=against,
        model_version="3",
        texts=300,
        compared=900,
        mean_before=0.2,
        mean_now=0.35,
        distance=distance,
        noise=0.05,
        allowed=0.1,
        moved=moved,
        measured_at=datetime(2025, 2, 16, tzinfo=UTC),
    )


def report(*shifts: Shift, **changed: object) -> MonitorReport:
    """What is made of these comparisons of labels."""
    bars = {(one.figure, one.against): Bars(["call", "no_call"], [0.2, 0.8], [0.35, 0.65]) for one in shifts}
    sizes = {"training": 900, "weeks": 60}
    made = MonitorReport("calls", "call", DAY, 7, 4, "3", 300, sizes, 100, [], shifts, bars, [])
    return replace(made, **changed)


def words(page: str) -> str:
    seen = re.sub(r"<style.*?</style>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", seen).split()).replace(" ,", ",").replace(" .", ".")


@pytest.mark.parametrize(
    ("distance", "moved", "called"),
    [(0.09, False, "as before"), (0.4, True, "moved"), (0.4, False, "further off, not checked")],
)
def test_a_figure_over_its_limit_is_never_as_before(distance: float, moved: bool, called: str) -> None:
    """``moved`` is cleared where [monitor] against leaves a comparison out; its distance still stands there."""
    one = shift("training", distance, moved)
    assert outcome(one) == called
    assert called in words(render(report(one)))


def test_limit_and_chance_are_told_apart() -> None:
    """Where chance explains more than the limit allows, both are said: raising the limit would change nothing."""
    plain = sentence(shift("training", 0.4, True), date(2026, 9, 1))
    wide = sentence(replace(shift("training", 0.4, True), noise=0.31), date(2026, 9, 1))
    assert "limit 0.10, since" in plain
    assert "limit 0.10 (by chance up to 0.31), since" in wide


def test_only_what_was_checked_looks_as_before() -> None:
    """The first sentence names what the posts were checked against, and what lies further off without a check."""
    seen = words(render(report(shift("training", 0.4), shift("weeks", 0.02), checked=["weeks"])))
    assert "look like the weeks before. 1 comparison that is not checked lies further off than the limit." in seen
    both = words(render(report(shift("training", 0.02), shift("weeks", 0.02))))
    assert "look like the labelled texts and the weeks before. " in both
    assert "not checked" not in both.split("Labels")[0]
    assert "too few" not in both.split("Labels")[0]
    first = words(render(report(shift("training", 0.02))))
    assert "look like the labelled texts. There are too few texts of the weeks before to compare with. " in first


def test_nothing_compared_is_not_called_alike() -> None:
    """Too few texts on either side say nothing, of all comparisons or of those that are checked."""
    none = words(render(report()))
    assert (
        "Of the 300 posts that arrived in the 7 days up to 16 February 2025 nothing can be said: there are too few"
        in none
    )
    assert "look like" not in none
    unchecked = words(render(report(shift("training", 0.02), checked=["weeks"])))
    assert "nothing was checked: there are too few texts of the weeks before to compare with." in unchecked
    assert "look like" not in unchecked


def test_every_day_over_the_dashed_line_has_a_dot() -> None:
    """In the drawing, in its words, and in the rows below it."""
    days = [shift("training", distance, day=f"2025-02-{n:02}") for n, distance in enumerate([0.05, 0.4, 0.3], 14)]
    page = render(report(days[-1], history=days, checked=["weeks"]))
    assert page.count("moved dot") == 2
    assert "3 days measured, further than allowed on 2." in page


def test_every_column_has_a_name() -> None:
    """Also those whose name only a screen reader says."""
    page = render(report(shift("training", 0.02), history=[shift("training", 0.02, day="2025-02-15")]))
    heads = re.findall(r'<th scope="col"[^>]*>(.*?)</th>', page)
    assert {"Compared with", "Outcome"} <= {re.sub(r"<[^>]+>", "", one) for one in heads}
    assert [one for one in heads if not re.sub(r"<[^>]+>|[\u2060\s]|&#8288;", "", one)] == []


def test_one_day_is_a_day() -> None:
    assert "in the day up to 16 February 2025" in words(render(report(shift("weeks", 0.02), days=1)))


def test_the_command_line_says_so_too() -> None:
    """Nothing has moved only where something was compared."""
    result = {"model_version": "3", "texts": 300, "day": "2025-02-16", "compared": {"training": 9}, "told": []}
    for shifts, said in (([], "too few texts to compare them with"), ([{}], "nothing has moved")):
        assert told("monitor", {**result, "shifts": shifts, "page": "p"})[1] == said
