"""Agreement equals what the literature and a published implementation print."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from tests.corpus.conftest import frame, vote

from aufruf.data.agreement import (
    Agreement,
    alpha,
    annotators,
    by_text_type,
    count,
    interval,
    kappa,
    measure,
    pairwise_kappa,
    shown,
)
from aufruf.data.readers.votes import annotator as stored_as
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE

PUBLISHED = {  # Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), section C; "." is missing
    "A": "123321412...",
    "B": "1233224125.3",
    "C": ".3332342251.",
    "D": "12332441251.",
}


def table(rows: dict[str, str]) -> pd.DataFrame:
    """One vote for each letter: annotator -> what was said of unit 0, 1, ...; "." is missing."""
    return frame(
        [vote(f"t{at:02}", who, said) for who, row in rows.items() for at, said in enumerate(row) if said != "."]
    )


def published_votes() -> pd.DataFrame:
    return table(PUBLISHED)


@pytest.mark.parametrize(
    ("rows", "published"),
    [
        ({"Meg": "0100000010", "Owen": "1110010000"}, 0.095),
        ({"Ben": "aabbdcccedda", "Gerry": "babbbccceddd"}, 0.692),
        (PUBLISHED, 0.743),
    ],
    ids=["A: binary, two observers", "B: nominal, two observers", "C: nominal, four observers, missing values"],
)
def test_alpha_of_the_published_examples(rows: dict[str, str], published: float) -> None:
    """Sections A, B and C of Krippendorff's own paper give the values that it prints."""
    votes = table(rows)
    assert measure(votes, sorted(set(votes["label"]))).alpha == pytest.approx(published, abs=5e-4)


def test_alpha_of_real_double_coding(shared_data: Path) -> None:
    """The 90 doubly coded tweets give the published .86 for anti-elitism and .71 for people-centrism.

    Unrounded .8619 and .7074: both coders called 16 and 7 tweets so, and differed on 4 and 5.
    """
    with (shared_data / "politician_tweets_2021" / "tw_annot.csv").open(encoding="utf-8-sig", newline="") as lines:
        tweets = list(csv.DictReader(lines))

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
    assert elitism.alpha == pytest.approx(0.8619, abs=5e-5)
    assert people.alpha == pytest.approx(0.7074, abs=5e-5)
    assert elitism.low < 0.86 < elitism.high
    assert people.low < 0.71 < people.high


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
    counts = np.array([[[3, 1]]])
    assert interval(counts, seed=0) == pytest.approx((alpha(counts), alpha(counts)))


def test_texts_that_read_alike_are_drawn_together() -> None:
    """Each text there four times is no new evidence: alpha's interval is that of the texts once, not half as wide."""
    once = published_votes().assign(reading=lambda rows: rows["text_id"])
    copies = pd.concat([once.assign(text_id=once["text_id"] + f"-{at}") for at in range(4)], ignore_index=True)
    few, many, alone = (measure(some, list("12345")) for some in (once, copies, copies.drop(columns="reading")))
    assert (many.low, many.high) == pytest.approx((few.low, few.high), abs=0.03)
    assert alone.high - alone.low < 0.6 * (few.high - few.low)
    unknown = once.assign(reading=None)
    assert measure(unknown, list("12345")) == measure(published_votes(), list("12345"))


def test_an_interval_that_says_little_is_noted() -> None:
    """No width, and a label on fewer than five readings: both are said; else nothing."""
    agreed = table({"A": "0000011111", "B": "0000011111"})
    assert measure(agreed, ["0", "1"]).note == "no draw gives another value, which does not make this one sure"
    rare = table({"A": "0000000011", "B": "0000000001"})
    assert measure(rare, ["0", "1"]).note == (
        "fewer than 5 texts speak for or against 1 (2): the interval is too narrow"
    )
    assert measure(table({"A": "0000011111", "B": "0000111110"}), ["0", "1"]).note == ""


def test_abstentions_and_labels_decided_elsewhere_are_no_votes() -> None:
    """Neither an abstention nor a label that arrived decided changes any figure of agreement."""
    votes = [vote("t1", "A", "x"), vote("t1", "B", "x"), vote("t2", "A", "y"), vote("t2", "B", "x")]
    more = [*votes, vote("t1", "C", ABSTAIN), vote("t2", DECIDED_ELSEWHERE, "y"), vote("t3", "A", ABSTAIN)]
    assert measure(frame(more), ["x", "y"]) == measure(frame(votes), ["x", "y"])


@pytest.mark.parametrize(
    ("votes", "texts"),
    [
        ([], 0),
        ([vote("t1", "A", "x"), vote("t2", "A", "y")], 0),
        ([vote("t1", "A", "x"), vote("t2", "B", "y")], 0),
        ([vote("t1", "A", "x"), vote("t1", "B", "x")], 1),
    ],
    ids=["no votes", "one annotator", "no text in common", "one value only"],
)
def test_alpha_is_none_where_it_is_not_defined(votes: list, texts: int) -> None:
    """Nothing that could differ means no alpha, which is not an alpha of 0 or 1."""
    empty = pd.DataFrame(columns=["text_id", "annotator", "label"], dtype=object)
    assert measure(frame(votes) if votes else empty, ["x", "y"]) == Agreement(None, None, None, texts)


def test_alpha_by_text_type_is_that_of_its_texts() -> None:
    """Captions and transcripts are measured apart; a type with one vote a text has no alpha but is there."""
    votes = [vote(f"t{at}", who, "xy"[at % 2]) for at in range(4) for who in "AB"]
    votes += [
        vote(f"u{at}", who, said)
        for at, pair in enumerate(["xy", "xx", "yx", "yy"])
        for who, said in zip("AB", pair, strict=True)
    ]
    votes += [vote("v1", "A", "x")]
    types = {f"t{at}": "caption" for at in range(4)} | {f"u{at}": "transcript" for at in range(4)} | {"v1": "ocr"}
    found = by_text_type(frame(votes), types, ["x", "y"])
    assert list(found) == ["caption", "ocr", "transcript"]
    assert found["transcript"] == measure(frame([v for v in votes if v.text_id[0] == "u"]), ["x", "y"])
    assert (found["caption"].alpha, found["caption"].texts) == (1.0, 4)
    assert found["ocr"] == Agreement(None, None, None, 0)


def test_kappa_of_a_worked_table() -> None:
    """20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: agreement .7, .5 by chance, so kappa is .4."""
    one = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert kappa(one, other) == pytest.approx(0.4)


def test_kappa_of_two_who_only_ever_say_the_same_word_is_none() -> None:
    """Chance alone explains the agreement of two constant annotators."""
    assert kappa(["no"] * 3, ["no"] * 3) is None


def test_kappa_is_the_one_of_scikit_learn_s_example() -> None:
    """The example in scikit-learn's documentation prints .6875."""
    one = ["negative", "positive", "negative", "neutral", "positive"]
    other = ["negative", "positive", "negative", "neutral", "negative"]
    assert kappa(one, other) == pytest.approx(0.6875)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=40))
def test_kappa_is_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    """For any two lists of labels that could differ; where they could not, ours is None and theirs no number."""
    one, other = zip(*pairs, strict=True)
    ours = kappa(one, other)
    if len({*one, *other}) == 1:
        assert ours is None
    else:
        assert ours == pytest.approx(cohen_kappa_score(one, other))


def test_every_pair_that_shares_a_text_has_a_kappa_and_their_number() -> None:
    """Pairs are named in order, with the number of texts both voted on; a pair without one is not listed."""
    votes = [
        vote("t1", "B", "x"),
        vote("t1", "A", "x"),
        vote("t2", "A", "y"),
        vote("t2", "C", "x"),
        vote("t2", "B", "y"),
    ]
    votes += [vote("t3", "A", ABSTAIN), vote("t3", "C", "y"), vote("t4", "D", "y"), vote("t4", DECIDED_ELSEWHERE, "y")]
    found = pairwise_kappa(frame(votes))
    assert {pair: one.texts for pair, one in found.items()} == {("A", "B"): 2, ("A", "C"): 1, ("B", "C"): 1}
    assert found[("A", "B")].value == 1
    assert found[("A", "C")].value == 0


def test_pairs_are_measured_on_the_texts_in_common() -> None:
    """A pair's kappa is that of its own two lists, whatever the others say and in whatever order votes stand."""
    rows = {"A": "xyxyxyxx..", "B": "xxxyyyxx.y", "C": "yyxy..xyxy"}
    found = pairwise_kappa(table(rows).sample(frac=1, random_state=1))
    for (one, other), measured in found.items():
        both = [(a, b) for a, b in zip(rows[one], rows[other], strict=True) if "." not in (a, b)]
        assert measured.texts == len(both)
        assert measured.value == pytest.approx(cohen_kappa_score(*zip(*both, strict=True)))


def test_annotators_in_figures() -> None:
    """Votes per label, share of abstentions, share of the others' votes that are the same, median seconds."""
    votes = [*table({"A": "xxyy", "B": "xxyx", "C": "y..."}).to_dict("records")]
    more = frame([vote("t09", "A", ABSTAIN), vote("t01", DECIDED_ELSEWHERE, "y"), vote("t08", "D", ABSTAIN)])
    all_votes = pd.concat([pd.DataFrame(votes), more], ignore_index=True)
    all_votes["seconds"] = [1.0, 2.0, 6.0, None, 5.0, 5.0, 5.0, 5.0, None, 100.0, None, None]
    found = {one.name: one for one in annotators(all_votes, ["x", "y"], pairwise_kappa(all_votes))}
    assert list(found) == ["A", "B", "C", "D"]
    assert (found["A"].votes, found["A"].abstentions, found["A"].abstained) == ({"x": 2, "y": 2}, 1, 0.2)
    assert found["A"].agreement == pytest.approx(3 / 5)  # with B on three of four texts, with C on none of one
    assert found["C"].agreement == 0
    assert (found["A"].seconds, found["B"].seconds, found["C"].seconds) == (4.0, 5.0, None)
    assert found["A"].kappa == pytest.approx((0.5 * 4 + 0.0 * 1) / 5)
    assert (found["D"].agreement, found["D"].kappa, found["D"].abstained) == (None, None, 1.0)


def test_an_annotator_s_time_is_not_needed() -> None:
    """Without a column of seconds there is no median, and everything else is as it was."""
    [one] = annotators(table({"A": "xy"}), ["x", "y"], {})
    assert (one.seconds, one.votes) == (None, {"x": 1, "y": 1})


def test_an_address_is_never_shown() -> None:
    """An e-mail address becomes a digest, the same each time; an id stays readable."""
    assert shown("13724") == "13724"
    assert shown("anna@uni.example") == shown("Anna@Uni.example") != shown("ben@uni.example")
    assert "anna" not in shown("anna@uni.example")


@pytest.mark.parametrize("name", ["13724", "Ada", "Anna@uni.example"])
def test_an_annotator_is_shown_as_the_exports_of_label_studio_are_stored(name: str) -> None:
    """The reader and the results hide an address behind the same number."""
    assert shown(name) == shown(name.upper() if "@" in name else name) == stored_as(name)
