"""What grows with the nights, the annotators or the posts is cut on a page, and the page says of how many."""

from dataclasses import replace

from aufruf.reports import agreement
from aufruf.reports.day import DayReport, render
from aufruf.reports.index import render_index

NONE = agreement.Alpha(None, None, None, 0)


def test_the_list_has_the_newest_evaluations() -> None:
    """Thirty; with fewer it says nothing of a number."""
    page = render_index([], "calls", evaluated=[str(one) for one in range(40, 0, -1)])
    assert page.count("evaluation/") == 30
    assert "evaluation/40/" in page
    assert "The newest 30 of 40; the others lie in <code>evaluation</code>." in page
    assert "The newest" not in render_index([], "calls", evaluated=["2", "1"])


def agreed(pairs: list[agreement.Pair]) -> str:
    facts = {"by_type": {}, "by_label": {}, "coders": [], "batches": [], "undecided": []}
    return agreement.render(agreement.AgreementReport("c", ["call"], 0, {}, 0.4, 2, NONE, pairs=pairs, **facts))


def test_the_pairs_with_the_most_texts_in_common_are_shown() -> None:
    """A hundred; two annotators more are two hundred pairs more. Fewer stand in the order of their names."""
    many = agreed([agreement.Pair("1", str(other), 0.5, other) for other in range(1002, 1152)])
    assert "100 of 150, those with the most texts in common" in many
    assert ("<bdi>1151</bdi>" in many, "<bdi>1002</bdi>" in many) == (True, False)
    few = agreed([agreement.Pair("1", "2", 0.5, 3), agreement.Pair("1", "3", 0.5, 9)])
    assert few.index("<bdi>2</bdi>") < few.index("<bdi>3</bdi>")
    assert "in common:" not in few


def test_the_parties_with_the_most_calls_are_shown(day: DayReport) -> None:
    """Forty, and texts without a party; a day of few parties has all, and no number."""
    first = day.parties[0]
    named = [replace(first, party=f"Partei {one:03}", calls=60 - one, texts=100) for one in range(60)]
    page = render(replace(day, parties=[*named, replace(first, party=None)]))
    table = page.partition('<table class="parties">')[2].partition("</table>")[0]
    assert "41 of 61, those with the most of them" in table
    assert ("Partei 039" in table, "Partei 040" in table, "no party" in table) == (True, False, True)
    assert "those with the most of them" not in render(day)
