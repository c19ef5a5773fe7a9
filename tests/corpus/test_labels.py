"""Votes become a label only where they say one thing."""

from collections.abc import Sequence
from datetime import timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.conftest import NOW, frame, text, vote

from aufruf.data.labels import DECIDED, changed, decide, keep
from aufruf.errors import DataRefused
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, Annotation, Text

LABELS = ("no_call", "call")


def outcome(
    votes: list[Annotation],
    texts: list[Text] | None = None,
    minimum: int = 2,
    labels: tuple[str, ...] = LABELS,
    standing: Sequence[str] | None = None,
) -> dict[str, tuple]:
    """text_id -> (label, votes, margin, how)."""
    stored = frame(texts or [text(v.text_id, v.text_id) for v in votes])
    stands = None if standing is None else pd.Series(list(standing), dtype=object)
    rows = decide(frame(votes), stored, labels, minimum, "c", NOW, stands)
    return {row.text_id: (row.label, row.votes, round(row.margin, 3), row.how) for row in rows.itertuples()}


def of(text_id: str, *labels: str) -> list[Annotation]:
    return [vote(text_id, f"coder{at}", label) for at, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        (["call", "call"], ("call", 2, 1.0, "unanimous")),
        (["no_call", "no_call", "call"], ("no_call", 3, 0.333, "majority")),
        (["call", "call", ABSTAIN], ("call", 2, 1.0, "unanimous")),
        (["call", "no_call"], (None, 2, 0.0, "tie")),
        (["call", "no_call", ABSTAIN, ABSTAIN, ABSTAIN], (None, 2, 0.0, "tie")),
        (["call"], (None, 1, 0.0, "too_few_votes")),
        (["call", ABSTAIN], (None, 1, 0.0, "too_few_votes")),
        ([ABSTAIN, ABSTAIN, ABSTAIN], (None, 0, 0.0, "too_few_votes")),
    ],
)
def test_votes_of_one_text(votes: list[str], expected: tuple) -> None:
    """The majority of the votes that are not abstentions decides; a tie and too few votes decide nothing."""
    assert outcome(of("t", *votes)) == {"t": expected}


def test_of_three_labels_the_most_frequent_wins_and_a_shared_first_place_is_a_tie() -> None:
    """Two of four votes beat one and one; two and two beat nobody."""
    three = ("support", "inform", "none")
    votes = of("a", "inform", "inform", "support", "none") + of("b", "inform", "inform", "none", "none")
    assert outcome(votes, labels=three) == {
        "a": ("inform", 4, 0.25, "majority"),
        "b": (None, 4, 0.0, "tie"),
    }


def test_a_label_decided_elsewhere_outranks_votes_and_needs_no_minimum() -> None:
    """It decides alone, against a majority, and its margin says that the majority thinks otherwise."""
    votes = [
        vote("a", DECIDED_ELSEWHERE, "call"),
        vote("b", DECIDED_ELSEWHERE, "call"),
        *of("b", "no_call", "no_call"),
    ]
    assert outcome(votes, minimum=3) == {
        "a": ("call", 1, 1.0, "elsewhere"),
        "b": ("call", 3, -0.333, "elsewhere"),
    }


def test_an_abstention_decided_elsewhere_decides_nothing() -> None:
    """The votes of annotators then count as if it were not there."""
    votes = [
        vote("a", DECIDED_ELSEWHERE, ABSTAIN),
        *of("a", "call", "call"),
        vote("b", DECIDED_ELSEWHERE, ABSTAIN),
    ]
    assert outcome(votes) == {"a": ("call", 2, 1.0, "unanimous"), "b": (None, 0, 0.0, "too_few_votes")}


@pytest.mark.parametrize(
    ("said", "stands", "expected"),
    [
        (["call", "call"], ["held_out", "held_out"], (None, 0, 0.0, "held_back")),
        (["call", ABSTAIN], ["held_out", "counts"], (None, 0, 0.0, "held_back")),
        (["call", "call"], ["held_out", "counts"], (None, 1, 0.0, "too_few_votes")),
        ([ABSTAIN, ABSTAIN], ["held_out", "held_out"], (None, 0, 0.0, "too_few_votes")),
        (["call", "call"], ["excluded", "excluded"], (None, 0, 0.0, "too_few_votes")),
        (["call", "call", "no_call"], ["counts", "counts", "held_out"], ("call", 2, 1.0, "unanimous")),
        (["call", "no_call", "call"], ["counts", "counts", "excluded"], (None, 2, 0.0, "tie")),
    ],
)
def test_votes_that_do_not_count(said: list[str], stands: list[str], expected: tuple) -> None:
    """Held-out and excluded votes decide nothing; a text with no others but held-out ones is held back."""
    assert outcome(of("t", *said), standing=stands) == {"t": expected}


VOTES = st.lists(
    st.tuples(st.sampled_from("tuv"), st.sampled_from(["", *"ABCDE"]), st.sampled_from([*LABELS, ABSTAIN])),
    min_size=1,
    max_size=14,
    unique_by=lambda one: one[:2],
)


@settings(max_examples=60, deadline=None)
@given(VOTES, st.integers(1, 4))
def test_a_label_is_there_only_with_votes_enough_and_a_winner(cast: list[tuple], minimum: int) -> None:
    """A label was decided elsewhere, or has at least the minimum of votes and more than any other label."""
    for text_id, (said, votes, _, how) in outcome([vote(*one) for one in cast], minimum=minimum).items():
        counted = [label for of_text, who, label in cast if of_text == text_id and label != ABSTAIN]
        elsewhere = [label for of_text, who, label in cast if of_text == text_id and who == "" and label != ABSTAIN]
        assert votes == len(counted)
        assert (said is not None) == (how in DECIDED)
        if elsewhere:
            assert said == elsewhere[0]
        elif said is not None:
            assert len(counted) >= minimum
            assert 2 * counted.count(said) > len(counted)
        else:
            assert len(counted) < minimum or 2 * counted.count("call") == len(counted)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(("support", "inform", "none", ABSTAIN)), min_size=1, max_size=7), st.integers(1, 3))
def test_a_tie_never_gives_a_label(said: list[str], minimum: int) -> None:
    """Of three labels, a first place that is shared gives none, however few votes are asked for."""
    three = ("support", "inform", "none")
    counts = sorted((said.count(one) for one in three), reverse=True)
    (label, votes, margin, how) = outcome(of("t", *said), minimum=minimum, labels=three)["t"]
    assert votes == sum(counts)
    if counts[0] == counts[1] or votes < minimum:
        assert (label, margin, how) == (None, 0.0, "too_few_votes" if votes < minimum else "tie")
    else:
        assert (said.count(label), how) == (counts[0], "unanimous" if counts[0] == votes else "majority")


@settings(max_examples=60, deadline=None)
@given(VOTES, st.randoms(use_true_random=False))
def test_the_order_of_votes_changes_nothing(cast: list[tuple], random: object) -> None:
    """Permuted votes give the same rows."""
    votes = [vote(*one) for one in cast]
    before = outcome(votes)
    random.shuffle(votes)  # type: ignore[attr-defined]
    assert outcome(votes) == before


@settings(max_examples=60, deadline=None)
@given(VOTES, st.sampled_from("tuv"))
def test_an_abstention_changes_no_label(cast: list[tuple], text_id: str) -> None:
    """Nor does it change votes, margin or reason of a text that has votes."""
    before = outcome([vote(*one) for one in cast])
    after = outcome([vote(*one) for one in [*cast, (text_id, "Z", ABSTAIN)]])
    assert {name: after[name] for name in before} == before
    assert all(after[name] == (None, 0, 0.0, "too_few_votes") for name in after.keys() - before.keys())


@settings(max_examples=60, deadline=None)
@given(VOTES)
def test_votes_that_do_not_count_leave_labels_alone(cast: list[tuple]) -> None:
    """With other people's votes held out or excluded, every label is what it is without them."""
    counts = [vote(*one) for one in cast]
    aside = [vote(one, "X", "call") for one in "tuv"] + [vote(one, "Y", "call") for one in "tuv"]
    stands = ["counts"] * len(counts) + ["held_out"] * 3 + ["excluded"] * 3
    after = outcome([*counts, *aside], standing=stands)
    assert {name: (row[0], row[1]) for name, row in outcome(counts).items()} == {
        name: (after[name][0], after[name][1]) for name in {one.text_id for one in counts}
    }


def kept(stored: tuple, votes: list[tuple[str, str, str]], arrived_after: bool = True, minimum: int = 2) -> tuple:
    """(label, how) of text t; ``stored``: label, votes; ``votes``: annotator, label, standing ("new": counts, and came
    after the label was decided)."""
    rows = frame([vote("t", who, said) for who, said, _ in votes])
    rows["file"] = [f"file of {stands}" for _, _, stands in votes]
    stands = pd.Series([one for _, _, one in votes], dtype=object).replace("new", "counts")
    decided = decide(rows, frame([text("t", "t")]), LABELS, minimum, "c", NOW + timedelta(days=2), stands)
    known = pd.DataFrame([{"classifier": "c", "text_id": "t", "label": stored[0], "votes": stored[1], "margin": 1.0}])
    known = known.assign(how="unanimous", decided_at=pd.Timestamp(NOW))
    hours = {"held_out": 1 if arrived_after else -1, "counts": -2, "new": 2}
    arrived = pd.Series({f"file of {name}": pd.Timestamp(NOW) + timedelta(hours=h) for name, h in hours.items()})
    [row] = keep(decided, known, rows, stands, arrived, minimum).to_dict("records")
    return row["label"], row["how"]


A, B = ("A", "call", "counts"), ("B", "no_call", "held_out")


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([A, B], ("call", "unanimous")),
        ([("A", "call", "held_out"), B], ("call", "unanimous")),
        ([A, ("C", "no_call", "counts"), ("D", "call", "counts"), B], ("call", "majority")),
        ([A, ("C", "no_call", "counts"), B], (None, "tie")),
        ([A, ("C", "no_call", "counts")], (None, "tie")),
        ([A, B, ("X", "call", "excluded")], (None, "too_few_votes")),
        ([("A", "call", "outdated"), ("C", "call", "held_out"), B], (None, "held_back")),
    ],
    ids=[
        *("one replaced", "both replaced", "decided anew", "a true tie", "nothing held out", "an excluded vote"),
        "another wording",
    ],
)
def test_a_held_out_batch_takes_no_label_away(votes: list, expected: tuple) -> None:
    """A and B said call; B's second vote is held out. The label stays while nothing else decides the text."""
    assert kept(("call", 2), votes) == expected


AGAIN = [("A", "no_call", "held_out"), ("B", "call", "held_out"), ("C", "call", "counts"), ("D", "no_call", "counts")]


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([*AGAIN, ("E", "no_call", "counts")], ("call", "unanimous")),
        ([*AGAIN[:2], ("D", "no_call", "counts"), ("E", "no_call", "counts")], ("call", "unanimous")),
        ([*AGAIN, ("E", "no_call", "counts"), ("F", "no_call", "new")], ("no_call", "majority")),
        ([*AGAIN, ("E", "no_call", "new")], ("no_call", "majority")),
        ([*AGAIN[:2], ("D", "no_call", "counts"), ("E", "no_call", "counts"), ("C", ABSTAIN, "new")],
         ("no_call", "unanimous")),
        ([*AGAIN[:3], ("D", "no_call", "new")], ("call", "unanimous")),
    ],
    ids=["majority", "unanimous", "one more", "one voted again", "one withdrew", "a new vote that decides nothing"],
)  # fmt: skip
def test_a_held_out_batch_turns_no_label(votes: list, expected: tuple) -> None:
    """A, B and C had said call, D and E no; A's and B's second votes are held out. Those that are left do not turn the
    label, unless a vote that counts has come since and they decide."""
    assert kept(("call", 5), votes) == expected


def test_a_label_that_held_out_votes_had_decided_goes() -> None:
    """With a higher floor an old batch is held out: labels decided after it arrived may be its work."""
    assert kept(("call", 2), [A, B], arrived_after=False) == (None, "too_few_votes")


def test_a_kept_label_has_votes_enough() -> None:
    """A label that was decided by fewer votes than are asked for now does not stay."""
    assert kept(("call", 2), [A, B], minimum=3) == (None, "too_few_votes")


def test_the_same_words_labelled_differently_elsewhere_contradict_each_other() -> None:
    """All such texts stay undecided; the same words labelled alike, and other words, do not."""
    texts = [
        text("a", "Geht wählen!"),
        text("b", "geht WÄHLEN 🗳"),
        text("c", "Guten Morgen"),
        text("d", "guten Morgen!"),
        text("e", "Gute Nacht"),
    ]
    said = {"a": "call", "b": "no_call", "c": "no_call", "d": "no_call", "e": "call"}
    votes = [vote(text_id, DECIDED_ELSEWHERE, label) for text_id, label in said.items()]
    assert {text_id: how for text_id, (*_, how) in outcome(votes, texts).items()} == {
        "a": "contradiction",
        "b": "contradiction",
        "c": "elsewhere",
        "d": "elsewhere",
        "e": "elsewhere",
    }
    assert outcome(votes, texts)["a"][0] is None


def test_a_vote_for_an_unknown_label_is_refused_by_name() -> None:
    """A label renamed in the classifier file must not drop votes silently."""
    with pytest.raises(DataRefused, match=r"'cal'.*Did you mean 'call'"):
        outcome(of("t", "cal", "call"))


def test_changed_keeps_new_and_different_rows_only() -> None:
    """A later time of decision is no change; another label, margin or reason is."""
    before = decide(
        frame(of("a", "call", "call") + of("b", "call", "no_call")),
        frame([text("a", "a")]),
        LABELS,
        2,
        "c",
        NOW,
    )
    votes = of("a", "call", "call") + of("b", "call", "no_call", "call") + of("d", "call")
    after = decide(frame(votes), frame([text("a", "a")]), LABELS, 2, "c", NOW)
    assert changed(after, before)["text_id"].tolist() == ["b", "d"]
    assert changed(after, after).empty


def test_real_labels_that_contradict_each_other_are_not_used(germeval: list[dict[str, str]]) -> None:
    """In GermEval's 6,840 decided posts two wordings have both labels; their five posts stay undecided."""
    texts = [text(row["id"], row["description"]) for row in germeval]
    said = {"TRUE": "call", "FALSE": "no_call"}
    votes = [vote(row["id"], DECIDED_ELSEWHERE, said[row["C2A"]]) for row in germeval]
    rows = decide(frame(votes), frame(texts), LABELS, 2, "c", NOW)
    left = rows[rows["how"] == "contradiction"].merge(frame(texts)[["text_id", "group_id"]], on="text_id")
    assert (len(left), left["group_id"].nunique()) == (5, 2)
    assert left["label"].isna().all()
    assert rows["how"].value_counts().to_dict() == {"elsewhere": 6835, "contradiction": 5}
