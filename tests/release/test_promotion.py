"""The gate as a table of cases: what it says, and in which words."""

from dataclasses import replace

import pytest

from aufruf.release.promotion import Evidence, Rule, judge, sentence

AUTO = Rule(margin=0.02, beat_baseline=True, mode="auto")
FIRST = Evidence("f1", "1", None, 0.80, None, 0.70, None)
BETTER = Evidence("f1", "9", "7", 0.85, 0.80, 0.70, (0.05, 0.01, 0.09))

CASES = {
    "no champion, beats the baseline": (FIRST, AUTO, "first"),
    "no champion, the baseline is better": (replace(FIRST, baseline_value=0.81), AUTO, "kept"),
    "no champion, the baseline is equal": (replace(FIRST, baseline_value=0.80), AUTO, "kept"),
    "no champion, the baseline does not count": (
        replace(FIRST, baseline_value=0.99),
        replace(AUTO, beat_baseline=False),
        "first",
    ),
    "no champion, no baseline measured": (replace(FIRST, baseline_value=None), AUTO, "first"),
    "better for sure": (BETTER, AUTO, "promoted"),
    "better, and never worse than the margin": (replace(BETTER, difference=(0.01, -0.02, 0.04)), AUTO, "promoted"),
    "better, but perhaps worse than the margin": (replace(BETTER, difference=(0.01, -0.021, 0.04)), AUTO, "kept"),
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
        "the baseline is as good or better: f1 90.0 against 85.0",
        "not better than version 7 (-1.2 points)",
        "could be worse than version 7 by 5.0 points; the margin is 2.0",
    ]


def test_a_wider_margin_lets_more_through():
    """The margin is the only thing between these two verdicts."""
    evidence = replace(BETTER, difference=(0.01, -0.04, 0.06))
    assert judge(evidence, AUTO).verdict == "kept"
    assert judge(evidence, replace(AUTO, margin=0.05)).verdict == "promoted"


SAID = [
    (
        "kept",
        replace(BETTER, difference=(0.008, -0.021, 0.036)),
        "kept version 7: version 9 is +0.8 F1, interval -2.1 to +3.6",
    ),
    ("promoted", BETTER, "promoted version 9 is +5.0 F1, interval +1.0 to +9.0"),
    ("waiting", BETTER, "version 9 is +5.0 F1, interval +1.0 to +9.0, waits for a person"),
    ("first", FIRST, "version 1 is the first champion: F1 80.0"),
    ("waiting", FIRST, "version 1 waits for a person: F1 80.0"),
    ("kept", FIRST, "version 1 was not taken: F1 80.0"),
    (
        "kept",
        replace(BETTER, metric="average_precision", difference=(-0.1, -0.2, 0.0)),
        "kept version 7: version 9 is -10.0 AVERAGE PRECISION, interval -20.0 to +0.0",
    ),
]


@pytest.mark.parametrize(("verdict", "evidence", "said"), SAID)
def test_the_sentence(verdict, evidence, said):
    """A decision is one sentence in points, with its interval."""
    assert sentence(verdict, evidence) == said
