"""Agreement equals what the literature prints, and too little of it stops the labels."""

import math

import numpy as np
import pandas as pd
import pytest
from tests.corpus.conftest import frame, vote

from aufruf.data.agreement import Agreement, alpha, count, guard, interval, kappa, measure
from aufruf.errors import DataRefused
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE

PUBLISHED = {  # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C; "." is missing
    "A": "123321412...",
    "B": "1233224125.3",
    "C": ".3332342251.",
    "D": "12332441251.",
}


def published_votes() -> pd.DataFrame:
    return frame(
        [
            vote(f"t{at:02}", who, value)
            for who, row in PUBLISHED.items()
            for at, value in enumerate(row)
            if value != "."
        ]
    )


def test_alpha_of_the_published_example() -> None:
    """Krippendorff prints .743 for his nominal example with four observers and missing values."""
    assert measure(published_votes(), list("12345")).alpha == pytest.approx(0.743, abs=5e-4)


def test_alpha_of_real_double_coding(tweets: list[dict[str, str]]) -> None:
    """The 90 doubly coded tweets give the published .86 for anti-elitism and .71 for people-centrism."""

    def of(variable: str) -> Agreement:
        votes = [
            vote(row["status_id"], who, row[f"{variable}_{who}"])
            for row in tweets
            for who in "AB"
            if row[f"{variable}_{who}"]
        ]
        return measure(frame(votes), ["0.0", "1.0"])

    elitism, people = of("ane"), of("ppc")
    assert (elitism.texts, people.texts) == (90, 90)
    assert (round(elitism.alpha or 0, 2), round(people.alpha or 0, 2)) == (0.86, 0.71)


def test_the_interval_encloses_alpha_and_is_the_same_each_time() -> None:
    """Resampling texts gives an interval around the point value, and one seed gives one interval."""
    counts = count(published_votes(), list("12345"))
    low, high = interval(counts, seed=1)
    assert low is not None
    assert high is not None
    assert low < 0.743 < high
    assert interval(counts, seed=1) == (low, high)
    assert interval(counts, seed=2) != (low, high)


def test_the_interval_of_a_resample_uses_the_same_formula_as_alpha() -> None:
    """With one text and both labels on it every resample is the sample, so both ends are alpha."""
    counts = np.array([[3, 1]])
    assert interval(counts, seed=0) == pytest.approx((alpha(counts), alpha(counts)))


def test_abstentions_and_labels_decided_elsewhere_are_no_votes() -> None:
    """Neither an abstention nor a label that arrived decided changes any figure of agreement."""
    votes = [vote("t1", "A", "x"), vote("t1", "B", "x"), vote("t2", "A", "y"), vote("t2", "B", "x")]
    more = [*votes, vote("t1", "C", ABSTAIN), vote("t2", DECIDED_ELSEWHERE, "y"), vote("t3", "A", ABSTAIN)]
    assert measure(frame(more), ["x", "y"]) == measure(frame(votes), ["x", "y"])


@pytest.mark.parametrize(
    "votes",
    [
        [],
        [vote("t1", "A", "x"), vote("t2", "A", "y")],
        [vote("t1", "A", "x"), vote("t2", "B", "y")],
        [vote("t1", "A", "x"), vote("t1", "B", "x")],
    ],
    ids=["no votes", "one annotator", "no text in common", "one value only"],
)
def test_alpha_is_none_where_it_is_not_defined(votes: list) -> None:
    """Nothing that could differ means no alpha, which is not an alpha of 0 or 1, and holds nothing back."""
    empty = pd.DataFrame(columns=["text_id", "annotator", "label"], dtype=object)
    agreement = measure(frame(votes) if votes else empty, ["x", "y"])
    assert (agreement.alpha, agreement.low, agreement.high) == (None, None, None)
    guard(agreement, 1.0, "c")


def test_kappa_of_a_worked_table() -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: agreement .7, .5 by chance, so kappa is .4."""
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(one, other) == pytest.approx(0.4)


def test_kappa_of_two_who_only_ever_say_the_same_word_is_none() -> None:
    """Chance alone explains the agreement of two constant annotators."""
    assert kappa(["no"] * 3, ["no"] * 3) is None


def test_every_pair_that_shares_a_text_has_a_kappa() -> None:
    """Pairs are named in order; a pair with no text in common is not listed."""
    votes = [vote("t1", "B", "x"), vote("t1", "A", "x"), vote("t2", "A", "y"), vote("t2", "C", "x")]
    assert set(measure(frame(votes), ["x", "y"]).kappas) == {("A", "B"), ("A", "C")}


def test_too_little_agreement_names_alpha_floor_and_the_odd_one_out() -> None:
    """The refusal says which alpha, which floor, and which annotator agrees least with the others."""
    truth = ["x", "y"] * 10
    flip = {"x": "y", "y": "x"}
    votes = [vote(f"t{at}", who, label) for at, label in enumerate(truth) for who in ("A", "B")]
    votes += [vote(f"t{at}", "Mallory", flip[label]) for at, label in enumerate(truth)]
    agreement = measure(frame(votes), ["x", "y"])
    assert agreement.alpha is not None
    assert agreement.alpha < 0
    assert math.isclose(agreement.kappas[("A", "B")] or 0, 1)
    with pytest.raises(DataRefused) as refusal:
        guard(agreement, 0.4, "annotations of c")
    assert f"{agreement.alpha:.3f}" in refusal.value.what
    assert "floor 0.4" in refusal.value.what
    assert "'Mallory'" in refusal.value.next
    assert "votes.alpha_floor" in refusal.value.next


def test_agreement_at_the_floor_passes() -> None:
    """The floor itself is enough."""
    guard(Agreement(0.4, 0.2, 0.6, 10, 2, {}), 0.4, "c")
