"""A share corrected for the classifier's errors holds the true one as often as it says, and differences know doubt."""

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from aufruf.reports import prevalence
from aufruf.reports.day import render
from aufruf.reports.desk import render as render_desk
from aufruf.reports.prevalence import Errors, Prevalence, contrasts, correct, share
from aufruf.steps.prevalence import as_json, kept

GOOD = Errors(found=80, positives=100, spared=190, negatives=200)


def test_the_value_is_rogan_and_gladens():
    """(share + specificity - 1) / (sensitivity + specificity - 1), by hand: (0.2 + 0.95 - 1) / 0.75 = 0.2."""
    assert correct(200, 1000, GOOD).value == pytest.approx(0.2)
    assert correct(350, 1000, GOOD).value == pytest.approx(0.4)


def test_a_perfect_classifier_on_endless_tests_corrects_nothing():
    """What needs no correction stays as it is, and the interval is then the share's own."""
    found = correct(200, 1000, Errors(1e9, 1e9, 1e9, 1e9))
    assert found.value == pytest.approx(0.2)
    raw = share(None, 200, 1000, GOOD).raw
    assert (found.low, found.high) == pytest.approx((raw.low, raw.high), abs=0.002)


@pytest.mark.parametrize(
    ("truth", "sensitivity", "specificity", "tested"),
    [
        (0.1, 0.8, 0.95, (60, 240)),
        (0.3, 0.7, 0.9, (40, 100)),
        (0.03, 0.9, 0.98, (100, 300)),
        (0.5, 0.85, 0.85, (30, 30)),
    ],
)
def test_the_interval_holds_the_true_share(truth, sensitivity, specificity, tested):
    """Over 2,000 drawn samples and test sets the 95 % interval holds the truth in at least 93 % of them."""
    draw, texts, held = np.random.default_rng(5460), 400, 0
    for _ in range(2000):
        positives = draw.binomial(texts, truth)
        calls = draw.binomial(positives, sensitivity) + draw.binomial(texts - positives, 1 - specificity)
        errors = Errors(
            draw.binomial(tested[0], sensitivity), tested[0], draw.binomial(tested[1], specificity), tested[1]
        )
        found = correct(calls, texts, errors)
        held += found.low <= truth <= found.high
    assert held / 2000 >= 0.93


def test_the_raw_interval_does_not():
    """The same draws with the raw share's interval: the truth lies outside nearly always, so the correction matters."""
    draw, held = np.random.default_rng(5460), 0
    for _ in range(500):
        calls = draw.binomial(draw.binomial(400, 0.03), 0.9) + draw.binomial(388, 0.1)
        raw = share(None, int(calls), 400, GOOD).raw
        held += raw.low <= 0.03 <= raw.high
    assert held / 500 < 0.05


@pytest.mark.parametrize(
    "errors",
    [Errors(0, 0, 190, 200), Errors(4, 4, 190, 200), Errors(80, 100, 0, 0), Errors(20, 100, 100, 200)],
    ids=["no positives", "four positives", "no negatives", "worse than chance"],
)
def test_what_cannot_be_corrected_is_not(errors):
    """Without a test worth the name there is a raw share and no corrected one."""
    found = share("SPD", 20, 100, errors)
    assert found.corrected is None
    assert found.raw.value == 0.2


def test_shares_stay_within_0_and_1():
    """Fewer calls than false alarms are expected: the corrected share is 0, and its interval reaches up from there."""
    none, all_ = correct(0, 50, GOOD), correct(40, 50, GOOD)
    assert (none.value, none.low, all_.value, all_.high) == (0, 0, 1, 1)
    assert none.high > 0
    assert all_.low < 1


RUNAWAY = Errors(found=30, positives=36.5, spared=57, negatives=115)  # sensitivity 82 %, specificity 50 %


def test_a_misfit_is_said_and_makes_no_share_certain():
    """114 calls of 114 by a model that finds 82 % of the positives: the formula says 155 %, and held at 100 % the share
    is not sure to a point. The row says why; so does one held at 0, in the other direction."""
    all_ = share("A", 114, 114, RUNAWAY)
    assert all_.held
    assert all_.corrected.value == 1
    assert all_.corrected.low < 0.75
    assert all_.misfit == "the model labels more than its tested error rates explain"
    none = share("B", 0, 20, GOOD)
    assert none.held
    assert none.misfit == "the model labels fewer than its tested error rates explain"
    fits = share("C", 50, 200, GOOD)
    assert (fits.held, fits.misfit) == (False, None)


def test_a_worse_misfit_never_narrows_an_interval():
    """Of 60 texts from the tested sensitivity on, each call more leaves the interval of the share, held at 1, wide
    (within two points as wide as before), until no share explains the calls."""
    errors = Errors(41, 50, 190, 200)
    found = [correct(calls, 60, errors) for calls in range(50, 61)]
    widths = [one.high - one.low for one in found if one]
    assert found[0].high == 1
    assert all(after >= before - 0.02 for before, after in itertools.pairwise(widths))
    assert min(widths) > 0.15


def test_a_share_that_is_none_has_its_reason():
    """Where all of the interval lies outside 0..1 there is no corrected share and nothing held, and the reason."""
    row = share("SPD", 0, 1000, GOOD)
    assert (row.corrected, row.held) == (None, False)
    assert row.misfit == "the model labels fewer than its tested error rates explain"


def test_parties_held_at_the_bound_are_not_told_apart_more_surely():
    """A party whose share is held at 100 % differs from others by no more than its uncut interval lets it."""
    [one] = contrasts([share("A", 114, 114, RUNAWAY), share("B", 70, 114, RUNAWAY)], RUNAWAY)
    assert one.within_error


def test_pages_and_json_say_that_a_share_is_held(day, desk):
    """The day's page, Airflow's page and the JSON say of a held share that the model labels more than its rates say;
    where no share is held they say nothing of it."""
    found = counted(RUNAWAY)
    whole = share(None, 114, 114, RUNAWAY)
    found = replace(found, whole=whole)
    told = "more than its tested error rates explain"
    assert told in render(replace(day, prevalence=found))
    assert told in render_desk(replace(desk, prevalence=found))
    assert as_json(found)["whole"]["held"] is True
    assert told in as_json(found)["whole"]["misfit"]
    fits = replace(counted(), slices={name: [] for name in counted().slices})
    assert "tested error rates explain" not in render(replace(day, prevalence=fits))


def test_calls_that_no_share_explains_have_no_corrected_share():
    """No call in 1,000 texts where 50 false alarms are expected: no share is made up where the rates cannot hold."""
    assert correct(0, 1000, GOOD) is None
    assert correct(1000, 1000, GOOD) is None
    assert share("SPD", 0, 1000, GOOD).corrected is None


def test_a_small_difference_is_within_error_and_a_large_one_is_not():
    """25 % and 20 % of 200 texts each cannot be told apart, 60 % and 20 % can; texts without a party take no part."""
    rows = [share(name, calls, 200, GOOD) for name, calls in (("A", 50), ("B", 40), ("C", 120), (None, 199))]
    found = {(one.one, one.other): one.within_error for one in contrasts(rows, GOOD)}
    assert found == {("C", "A"): False, ("C", "B"): False, ("A", "B"): True}


def test_more_texts_do_not_make_the_errors_smaller():
    """With a small test set even a million texts leave a difference of two points within the classifier's error."""
    rows = [share(name, calls, 10**6, GOOD) for name, calls in (("A", 220_000), ("B", 200_000))]
    [one] = contrasts(rows, GOOD)
    assert one.within_error
    large = Errors(80_000, 100_000, 190_000, 200_000)
    [sure] = contrasts([share(row.name, row.calls, row.texts, large) for row in rows], large)
    assert not sure.within_error


def test_each_share_is_corrected_once_however_many_pairs_there_are(monkeypatch):
    """Of 400 parties, which posts may name, 79,800 pairs took the classifier's page five seconds at each look."""
    rows, asked = [share(f"Liste {at}", 10 + at % 30, 100, GOOD) for at in range(400)], []
    monkeypatch.setattr(prevalence, "correct", lambda *of: asked.append(of) or correct(*of))
    assert len(contrasts(rows, GOOD)) == 400 * 399 / 2
    assert len(asked) == 400


def counted(errors: Errors = GOOD) -> Prevalence:
    parties = [share(name, calls, 200, errors) for name, calls in (("<b>Rot</b>", 50), ("Blau", 120), (None, 3))]
    slices = {"party": parties, "text_type": parties[:1], "post_type": parties[:1], "week": parties[:1]}
    return Prevalence(errors, share(None, 173, 600, errors), slices, contrasts(parties, errors))


def test_the_page_shows_both_shares_and_what_cannot_be_told(day):
    """Raw and corrected stand side by side, names are inert, and the page says what lies within error."""
    page = render(replace(day, prevalence=counted()))
    assert "<b>Rot</b>" not in page
    section = page[page.index('id="prevalence"') : page.index('id="calls"')]
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", section))
    assert "Corrected" in plain
    assert "More than its errors explain" in plain
    assert "Cite corrected shares" in page
    assert section.count('class="model dot"') == 7


def test_a_party_that_is_not_compared_is_named(day):
    """Where no share explains what the classifier says of a party's texts, page and JSON say that none compares it."""
    found = counted()
    grey = share("Grau & Co", 0, 1000, GOOD)
    found = replace(found, slices={**found.slices, "party": [*found.slices["party"], grey]})
    assert "Not compared: <bdi>Grau &amp; Co</bdi>." in render(replace(day, prevalence=found))
    assert as_json(found)["not_compared"] == ["Grau & Co"]
    assert "Not compared" not in render(replace(day, prevalence=counted()))
    assert as_json(counted(Errors(3, 3, 9, 9)))["not_compared"] == []


def test_of_very_many_parties_those_with_most_texts_are_told(day):
    """400 of 402, in their order, and the texts of none; of weeks the last. How many more there are is said."""
    rows = [share(f"{n:03}", 1, 10 + n % 400, GOOD) for n in range(402)] + [share(None, 1, 2, GOOD)]
    told = kept(rows, dated=False)
    assert [one.name for one in told] == [one.name for one in rows if one.name not in ("000", "400")]
    assert [one.name for one in kept(rows, dated=True)] == [one.name for one in rows[2:]]
    assert kept(rows[:400], dated=False) == rows[:400]
    found = replace(counted(), left_out={"party": 2, "text_type": 0, "post_type": 0, "week": 0})
    assert "2 more parties, those with the fewest texts, are left out" in render(replace(day, prevalence=found))
    assert "are left out, here" not in render(replace(day, prevalence=counted()))
    assert as_json(found)["left_out"]["party"] == 2


def test_the_page_says_when_nothing_could_be_corrected(day):
    """With too small a test set the section says that all shares are raw, and draws no corrected one."""
    page = render(replace(day, prevalence=counted(Errors(3, 3, 9, 9))))
    assert "all shares are raw" in page
    assert "model dot" not in page[page.index('id="prevalence"') : page.index('id="calls"')]


@pytest.mark.parametrize("errors", [Errors(5, 6, 3, 14), Errors(4, 5, 260, 1000)])
def test_a_classifier_near_chance_corrects_nothing(errors):
    """Sensitivity and specificity sum to little more than 1, shrunk as for the interval to less: shares are raw."""
    assert not errors.usable
    assert share("X", 30, 100, errors).corrected is None


def test_the_page_says_how_many_posts_are_counted(day):
    """So many of 100 as go to validation or test, and where that is not known nothing is said of it."""
    assert "about 30 of 100: those whose wording" in render(replace(day, prevalence=replace(counted(), dealt=0.3)))
    assert "of 100: those whose wording" not in render(replace(day, prevalence=counted()))


def test_weeks_that_are_left_out_are_counted(day):
    """The last 26 with a date are shown beside the texts without one, and of how many they are is said."""
    weeks = [share(f"w{n:02}", 1, 40, GOOD) for n in range(30)]
    found = counted()
    found = replace(found, slices={**found.slices, "week": [*weeks, share(None, 1, 9, GOOD)]})
    page = render(replace(day, prevalence=found))
    assert re.findall(r"<bdi>(w\d\d)</bdi>", page) == [f"w{n:02}" for n in range(4, 30)]
    assert "no date" in page
    assert "The last 26 of 30 weeks" in page
