"""The gate as a table of cases: what it says, and in which words."""

from dataclasses import replace
from math import log, sqrt
from statistics import NormalDist

import pytest

from aufruf.release.promotion import Evidence, Rule, behaviour_of, enough, judge, looks, sentence, slices_of, step

AUTO = Rule(margin=0.02, beat_baseline=True, mode="auto")
FIRST = Evidence("f1", "1", None, 0.80, 0.70, None, over_baseline=(0.1, 0.02, 0.18), unlike_baseline=30)
BETTER = Evidence("f1", "9", "7", 0.85, 0.70, (0.05, 0.01, 0.09))
FLOORS = replace(AUTO, floors={"party=X": 0.4}, behaviour={"negation": 0.8})
EACH = replace(AUTO, floors={"party=*": 0.2, "party=X": 0.1})

NO_MATTER = (replace(FIRST, baseline_value=0.99), replace(AUTO, beat_baseline=False))

CASES = {
    "no champion, beats the baseline": (FIRST, AUTO, "first"),
    "no champion, the baseline is better": (replace(FIRST, baseline_value=0.81), AUTO, "kept"),
    "no champion, the baseline is equal": (replace(FIRST, baseline_value=0.80), AUTO, "kept"),
    "no champion, the first look, better on the sample": (
        replace(FIRST, over_baseline=(0.01, -0.1, 0.1)),
        AUTO,
        "first",
    ),
    "no champion, a later look, by less than the step": (
        replace(FIRST, over_baseline=(0.03, -0.019, 0.139), looks=2),
        AUTO,
        "kept",
    ),
    "no champion, a later look, by more than the step": (replace(FIRST, looks=7), AUTO, "first"),
    "no champion, as good, but the thirtieth look": (replace(FIRST, looks=30), AUTO, "kept"),
    "no champion, a later look, better on two texts": (replace(FIRST, unlike_baseline=2, looks=2), AUTO, "kept"),
    "a champion, and unsure of the baseline": (replace(BETTER, over_baseline=(0.03, -0.1, 0.1)), AUTO, "promoted"),
    "no champion, the baseline does not count": (*NO_MATTER, "first"),
    "no champion, no baseline measured": (replace(FIRST, baseline_value=None), AUTO, "first"),
    "better for sure": (BETTER, AUTO, "promoted"),
    "better, and never worse than the margin": (replace(BETTER, difference=(0.03, -0.02, 0.07)), AUTO, "promoted"),
    "better, but perhaps worse than the margin": (replace(BETTER, difference=(0.03, -0.021, 0.07)), AUTO, "kept"),
    "better by less than a standard error": (replace(BETTER, difference=(0.01, -0.015, 0.035)), AUTO, "kept"),
    "better by little, but surely": (replace(BETTER, difference=(0.01, 0.001, 0.019)), AUTO, "promoted"),
    "as sure, but the thirtieth look": (replace(BETTER, difference=(0.01, 0.001, 0.019), looks=30), AUTO, "kept"),
    "better on two texts": (replace(BETTER, disagreements=2), AUTO, "kept"),
    "better on three texts": (replace(BETTER, disagreements=3), AUTO, "promoted"),
    "better on three texts, but the third look": (replace(BETTER, disagreements=3, looks=3), AUTO, "kept"),
    "so much better that looks do not count": (
        replace(BETTER, difference=(0.1, 0.05, 0.15), looks=365),
        AUTO,
        "promoted",
    ),
    "a slice below its floor": (replace(BETTER, slices={"party=X": 0.39}), FLOORS, "kept"),
    "a slice at its floor": (replace(BETTER, slices={"party=X": 0.4}), FLOORS, "promoted"),
    "a slice below the floor of each": (replace(BETTER, slices={"party=X": 0.5, "party=Y": 0.19}), EACH, "kept"),
    "a slice with a floor of its own": (replace(BETTER, slices={"party=X": 0.1, "party=Y": 0.2}), EACH, "promoted"),
    "a slice of unknown party is no party": (replace(BETTER, slices={"party=unknown": 0.0}), EACH, "promoted"),
    "a slice of unknown party with a floor of its own": (
        replace(BETTER, slices={"party=unknown": 0.0}),
        replace(EACH, floors={"party=unknown": 0.1}),
        "kept",
    ),
    "a slice of a dimension without floors": (replace(BETTER, slices={"month=2025-02": 0.0}), EACH, "promoted"),
    "a slice that has no floor": (replace(BETTER, slices={"party=Y": 0.0}), FLOORS, "promoted"),
    "first, with a slice below its floor": (replace(FIRST, slices={"party=X": 0.39}), FLOORS, "kept"),
    "behaviour below its share": (replace(BETTER, behaviour={"negation": (7, 10)}), FLOORS, "kept"),
    "behaviour at its share": (replace(BETTER, behaviour={"negation": (8, 10)}), FLOORS, "promoted"),
    "no behaviour test": (replace(BETTER, behaviour={"negation": (0, 0)}), FLOORS, "promoted"),
    "equal": (replace(BETTER, difference=(0.0, 0.0, 0.0)), AUTO, "kept"),
    "worse within the margin": (replace(BETTER, difference=(-0.01, -0.015, 0.0)), AUTO, "kept"),
    "worse": (replace(BETTER, difference=(-0.10, -0.2, -0.01)), AUTO, "kept"),
    "better than the champion, not than the baseline": (replace(BETTER, baseline_value=0.9), AUTO, "kept"),
    "better, a person approves": (BETTER, replace(AUTO, mode="approve"), "waiting"),
    "better, a person decides": (BETTER, replace(AUTO, mode="manual"), "waiting"),
    "first, a person decides": (FIRST, replace(AUTO, mode="manual"), "waiting"),
    "worse, a person would decide": (
        replace(BETTER, difference=(-0.1, -0.2, -0.01)),
        replace(AUTO, mode="manual"),
        "kept",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case):
    """Each case has one verdict and at least one reason."""
    evidence, rule, expected = CASES[case]
    found = judge(evidence, rule)
    assert found.verdict == expected
    assert found.reasons
    assert all(reason.strip() for reason in found.reasons)


def test_every_objection_is_named():
    """Kept for three reasons, all three are given, with their figures."""
    evidence = replace(BETTER, baseline_value=0.9, difference=(-0.012, -0.05, 0.03))
    assert judge(evidence, AUTO).reasons == [
        "the baseline is as good or better: F1 0.900 against 0.850",
        "not better than version 7 (-1.2 points)",
        "could be worse than version 7 by 5.0 points; the margin is 2.0",
    ]


def test_a_first_champion_that_may_be_luck_is_refused_in_words():
    """From the second look on the lead over the baseline must exceed the step, and that is said."""
    evidence = replace(FIRST, over_baseline=(0.03, -0.04, 0.1), looks=7)
    assert judge(evidence, AUTO).reasons == [
        "+3.0 points over the baseline may be luck: look number 7 at this test set needs more than +7.0; "
        "new test texts lower that",
    ]


def test_a_wider_margin_lets_more_through():
    """The margin is the only thing between these two verdicts."""
    evidence = replace(BETTER, difference=(0.03, -0.02, 0.08))
    assert judge(evidence, replace(AUTO, margin=0.01)).verdict == "kept"
    assert judge(evidence, AUTO).verdict == "promoted"


def test_objections_of_floors_and_looks_have_figures():
    """Too small a step, a slice and a capability: each with what was found and what was needed."""
    evidence = replace(
        BETTER,
        difference=(0.01, 0.001, 0.019),
        looks=30,
        slices={"party=X": 0.35},
        behaviour={"negation": (7, 10)},
    )
    assert judge(evidence, FLOORS).reasons == [
        "+1.0 points over version 7 may be luck: look number 30 at this test set needs more than +1.2; "
        "new test texts lower that",
        "party=X falls to F1 0.350; its floor is 0.400",
        "behaviour negation: 7 of 10 tests hold; at least 80% must",
    ]


def test_what_was_not_measured_is_said():
    """A floor of a slice that is not there, or too small, refuses nothing; that it was not checked is a reason."""
    assert judge(BETTER, FLOORS).reasons[1:] == [
        "not checked: party=X has no test texts, or too few",
        "not checked: no tests of negation",
    ]
    others = replace(BETTER, slices={"party=Y": 0.5}, behaviour={"negation": (10, 10)})
    for rule in (FLOORS, EACH):
        assert judge(others, rule).reasons[1:] == ["not checked: party=X has no test texts, or too few"]


@pytest.mark.parametrize(("number", "errors"), [(1, 1.0), (2, 1.1774), (7, 1.9728), (30, 2.6082), (365, 3.4351)])
def test_the_step_grows_with_the_looks(number, errors):
    """One standard error at the first look; then the square root of twice the logarithm of the looks."""
    evidence = replace(BETTER, difference=(0.05, 0.05 - 0.0196, 0.05 + 0.0196), looks=number)
    assert step(evidence, AUTO) == pytest.approx(0.01 * errors, abs=2e-6)
    first = replace(FIRST, over_baseline=evidence.difference, looks=number)
    assert step(first, AUTO) == (step(evidence, AUTO) if number > 1 else 0)
    assert step(first, replace(AUTO, beat_baseline=False)) == 0


@pytest.mark.parametrize(("number", "least"), [(1, 3), (2, 4), (3, 4), (10, 6), (100, 10), (365, 12)])
def test_so_many_disagreements_can_tell(number, least):
    """All in the challenger's favour, they are as unlikely among equals as a lead by the step; one fewer is not."""
    assert enough(number) == least
    assert 2.0**-least <= NormalDist().cdf(-max(1, sqrt(2 * log(number)))) < 2.0 ** (1 - least)


def test_too_few_disagreements_are_named():
    """The reason gives their number and the one that this look needs, whatever the interval says."""
    [reason] = judge(replace(BETTER, disagreements=2), AUTO).reasons
    assert reason.startswith("too few disagreements to tell: the two differ on 2 test texts")
    assert reason.endswith("look number 1 needs 3")


def test_a_look_at_half_of_the_rows_is_half_a_look():
    """Distinct challengers count, this one once; a look at a smaller test set counts as its share, rounded up."""
    judged = [("1", 100), ("2", 100), ("2", 200), ("9", 200), ("3", 50)]
    assert looks(judged, "9", 200) == 1 + 2  # 0.5 + 1 + 0.25, rounded up
    assert looks([], "1", 200) == 1


def test_what_an_evaluation_has_written_is_read():
    """Slices are named DIMENSION=VALUE; without tags there is nothing to check."""
    slices = '{"party": {"X": {"n": 40, "positives": 12, "f1": {"value": 0.5, "low": 0.3, "high": 0.7}}}}'
    assert slices_of(slices) == {"party=X": 0.5}
    assert behaviour_of('{"negation": {"passed": 7, "of": 10}}') == {"negation": (7, 10)}
    assert (slices_of(None), behaviour_of(None)) == ({}, {})


SAID = [
    (
        "kept",
        replace(BETTER, difference=(0.008, -0.021, 0.036)),
        "kept version 7: version 9 is +0.8 points of F1, interval -2.1 to +3.6",
    ),
    ("promoted", BETTER, "promoted version 9 is +5.0 points of F1, interval +1.0 to +9.0"),
    ("waiting", BETTER, "version 9 is +5.0 points of F1, interval +1.0 to +9.0, waits for a person"),
    ("first", FIRST, "version 1 is the first champion: F1 0.800"),
    ("waiting", FIRST, "version 1 waits for a person: F1 0.800"),
    ("kept", FIRST, "version 1 was not taken: F1 0.800"),
    (
        "kept",
        replace(BETTER, metric="average_precision", difference=(-0.1, -0.2, 0.0)),
        "kept version 7: version 9 is -10.0 points of AVERAGE PRECISION, interval -20.0 to +0.0",
    ),
]


@pytest.mark.parametrize(("verdict", "evidence", "said"), SAID)
def test_the_sentence(verdict, evidence, said):
    """A decision is one sentence in points, with its interval."""
    assert sentence(verdict, evidence) == said


def test_a_baseline_that_is_better_is_not_said_to_be_beaten():
    """Where the baseline need not be beaten the reason says which is better."""
    assert "does not beat the baseline's 0.990" in "".join(judge(*NO_MATTER).reasons)
    assert "0.800 beats the baseline's 0.700" in "".join(judge(FIRST, AUTO).reasons)
