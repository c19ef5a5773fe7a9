"""The page on which a day starts answers its questions in words, and shows hostile words as words."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from aufruf.reports.champions import VERDICTS
from aufruf.reports.day import DayReport, DecisionNote, Explained
from aufruf.reports.day import render as render_day
from aufruf.reports.desk import Desk, Event, Link, Waiting, render, render_front, render_problem
from aufruf.reports.page import header_policy
from aufruf.reports.prevalence import Errors, Prevalence, share

AT = datetime(2025, 2, 17, 5, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\"'\u202e"


def words(page: str) -> str:
    """What a reader sees: no style, no script, no tags."""
    seen = re.sub(r"<(style|script).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", seen).split())


def test_the_five_questions_are_answered_in_words(desk: Desk) -> None:
    """Which model since when, why not promoted, how sure, which posts and words, what to annotate: without a script."""
    seen = words(render(desk))
    assert "Version 3 scores the posts since 17 February 2025, 05:12 UTC: a person approved it" in seen
    assert "Not promoted. Version 4 is not better than version 3. F1 70.1 against 71.0" in seen
    assert "−0.9 points (−3.0 to 1.2)" in seen
    assert "F1 0.71 0.65–0.77" in seen
    assert "Because of Geht +0.31, wählen +0.27" in seen
    assert "15 Texts to decide 5 tied. Task file" in seen


def test_hostile_words_stay_words(desk: Desk) -> None:
    """Whatever comes from outside - texts, names of files, reasons, notes - is escaped, and links lead nowhere odd."""
    bad = [Link(HOSTILE, "javascript:alert(1)"), Link(HOSTILE, "//evil.example/"), Link(HOSTILE, "../../up")]
    page = render(
        replace(
            desk,
            calls=[replace(call, text=HOSTILE, party=HOSTILE, author=HOSTILE) for call in desk.calls],
            events=[Event(AT, "held", HOSTILE, bad)],
            waiting=[Waiting(HOSTILE, 1, HOSTILE, bad)],
            verdict=replace(desk.verdict, note=DecisionNote("kept", HOSTILE, [HOSTILE], AT)),
            pages=bad,
            checks=bad,
        )
    )
    assert page.count("<script>") == 1, "our own"
    assert "alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page
    addresses = re.findall(r'href="([^"]*)"', page)
    assert [one for one in addresses if one.startswith(("javascript:", "//", "../.."))] == []


def test_a_page_runs_nothing_but_what_the_server_admits(desk: Desk) -> None:
    """The page's own policy and the one that a server sends name the same script, and no address."""
    [own] = re.findall(r"script-src ('sha256-[^']+')", render(desk))
    assert own in header_policy("frame.js")
    assert "http" not in header_policy("frame.js")


def test_before_the_first_night_the_page_says_what_comes_first(desk: Desk) -> None:
    """Nobody scores yet: no empty tables, a sentence on what makes the first model."""
    nothing = replace(
        desk, champion=None, challenger=None, verdict=None, calls=[], events=[], learnt=[], waiting=[], scored_on=None
    )
    seen = words(render(nothing))
    assert "No model scores the posts yet. The first one comes out of the DAG call_to_action.train" in seen
    assert "Nothing waits for a person." in seen


def test_the_list_and_a_refusal_are_pages_too() -> None:
    """With names escaped, and a way on."""
    assert '<a href="call_to_action/">' in render_front([("call_to_action", "Version 3 scores.")])
    assert "There is no classifier that you may see" in render_front([])
    page = render_problem("Log in first", "Not authenticated.", "Log in.", Link("Go to Airflow", "/"))
    assert '<a href="/" target="_top">Go to Airflow</a>' in page


def test_a_call_is_explained_by_words_that_speak_for_it(desk: Desk, day: DayReport) -> None:
    """Also where four others weigh more; where none does, no reason is announced."""
    against = [("nicht", -0.4), ("kein", -0.3), ("nie", -0.25), ("ohne", -0.2)]
    calls = [replace(day.calls[0], explained=Explained([*against, *more], 0.8, 0.8)) for more in ([("Wahl", 0.19)], [])]
    seen = words(render(replace(desk, calls=calls)))
    assert "Because of Wahl +0.19" in seen
    assert "No word speaks for it." in seen
    assert seen.count("Because of") == 1


def test_a_version_that_waits_is_not_called_refused(desk: Desk) -> None:
    """Nobody has said yet that it is not promoted."""
    waiting = [replace(desk.learnt[0], waits=True), desk.learnt[1]]
    seen = words(render(replace(desk, learnt=waiting)))
    assert "4 17 February 2025, waits for a person" in seen
    assert "not promoted" not in seen


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_verdict_has_one_name(desk: Desk, day: DayReport, verdict: str) -> None:
    """The same on the morning's page and in the report of the day."""
    note = DecisionNote(verdict, "So it is", [], AT)
    pages = render(replace(desk, verdict=replace(desk.verdict, note=note))), render_day(replace(day, decision=note))
    assert [f"{VERDICTS[verdict]}. So it is" in words(page) for page in pages] == [True, True]


def test_each_version_has_the_size_of_its_own_test_set(desk: Desk) -> None:
    """It grows, and the two may have been measured on different nights; where it is the same it is said once."""
    assert "On 129 frozen test texts, with" in words(render(desk))
    seen = words(render(replace(desk, challenger=replace(desk.challenger, test_rows=182))))
    assert "On frozen test texts, with" in seen
    assert "Champion, version 3 , on 129 texts" in seen
    assert "Challenger, version 4 , on 182 texts" in seen


def test_weeks_that_are_left_out_are_counted(desk: Desk) -> None:
    """The last eight with a date, whether or not some texts have none."""
    errors = Errors(90, 100, 180, 200)
    weeks = [share(f"2025-W{n:02}", 3, 40, errors) for n in range(1, 12)]
    slices = {"party": [], "week": [*weeks, share(None, 1, 9, errors)]}
    found = Prevalence(errors, share(None, 33, 440, errors), slices, [])
    page = render(replace(desk, prevalence=found))
    assert re.findall(r"2025-W\d\d", page) == [f"2025-W{n:02}" for n in range(4, 12)]
    assert "The last 8 of 11 weeks." in page
