"""A batch of votes counts or is held out as a whole, in the order in which files arrived."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.conftest import NOW, classifier, frame

from aufruf.classifier import Votes
from aufruf.data.agreement import alpha, count, shown
from aufruf.data.batches import arrival, hold_out, standing
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, Annotation

LABELS = ("no_call", "call")
RULE = Votes(alpha_texts=20)
RIGHT, WRONG = "cncncncncn" * 3, "ncncncncnc" * 3  # 30 texts: call, no_call, ...
SAID = {"c": "call", "n": "no_call", "a": ABSTAIN}


def votes(file: str, annotator: str, said: str, start: int = 0) -> list[Annotation]:
    """What an annotator said of text ``start`` and the following, as a file brought it; "." is nothing."""
    return [
        Annotation("c", f"t{at:03}", annotator, SAID[one], None, file)
        for at, one in enumerate(said, start)
        if one != "."
    ]


def files(*digests: str) -> pd.DataFrame:
    """Files ingested a minute apart."""
    return pd.DataFrame(
        {"digest": list(digests), "ingested_at": [NOW + timedelta(minutes=at) for at in range(len(digests))]}
    )


def held(rows: list[Annotation], *order: str, rule: Votes = RULE) -> list[str]:
    return [batch.file for batch in hold_out(frame(rows), files(*order), LABELS, rule)]


def test_one_annotator_who_turns_every_label_is_held_out_and_named() -> None:
    """The first two batches agree; the third is held out, with alpha, interval, number of texts and the suspect."""
    rows = votes("a", "21", RIGHT) + votes("b", "22", RIGHT) + votes("m", "66", WRONG)
    [batch] = hold_out(frame(rows), files("a", "b", "m"), LABELS, RULE)
    assert (batch.file, batch.votes, batch.agreement.texts) == ("m", 30, 30)
    counts = count(frame(rows), LABELS)
    assert batch.agreement.alpha == alpha(counts)
    assert batch.agreement.low <= batch.agreement.alpha <= batch.agreement.high < 0.4
    assert batch.reason.startswith(f"annotators agree too little: Krippendorff's alpha {alpha(counts):.3f} [")
    assert "on 30 texts is below the floor 0.4." in batch.reason
    assert "Annotator '66' agrees least with the others (mean Cohen's kappa -1.00)." in batch.reason
    for way_out in ("guideline", "votes.alpha_floor", "votes.exclude"):
        assert way_out in batch.reason


def test_votes_on_ties_are_no_batch_that_disagrees() -> None:
    """A third annotator of 30 ties can only disagree with somebody: sent out as ties they hold nothing out."""
    rows = votes("a", "21", RIGHT * 5) + votes("b", "22", WRONG + RIGHT * 4)
    third = votes("c", "23", RIGHT)
    assert held(rows + third, "a", "b", "c") == ["c"]
    assert held(rows + [replace(one, why="tie") for one in third], "a", "b", "c") == []


def test_of_two_annotators_nobody_is_suspected() -> None:
    """Two who contradict each other: it cannot be said whose votes are off, and the reason says so."""
    [batch] = hold_out(frame(votes("a", "21", RIGHT) + votes("b", "22", WRONG)), files("a", "b"), LABELS, RULE)
    assert "Of '21' and '22' alone it cannot be said whose votes are off." in batch.reason


def test_order_is_that_of_ingestion_not_of_names() -> None:
    """Of two batches that contradict each other the one that came first counts."""
    rows = votes("a", "21", RIGHT) + votes("b", "22", WRONG)
    assert (held(rows, "a", "b"), held(rows, "b", "a")) == (["b"], ["a"])


def test_files_of_one_moment_go_by_digest_and_unknown_ones_last() -> None:
    """A file whose ingest broke off has no time yet; it will be entered next."""
    same = pd.DataFrame({"digest": ["b", "a"], "ingested_at": [NOW, NOW]})
    assert arrival({"0", "a", "b"}, same) == ["a", "b", "0"]


def test_a_batch_with_everybody_s_votes_is_judged_by_itself() -> None:
    """An export that merges several people's votes is held out when they disagree among themselves."""
    rows = votes("a", "21", RIGHT) + votes("a", "22", WRONG)
    assert held(rows, "a") == ["a"]


def test_later_batches_are_measured_without_what_is_held_out() -> None:
    """Votes that are held out do not speak against those that come after them."""
    rows = votes("a", "21", RIGHT) + votes("m", "66", WRONG) + votes("c", "23", RIGHT)
    assert held(rows, "a", "m", "c") == ["m"]


def test_only_the_texts_that_a_batch_votes_on_say_whether_it_is_good() -> None:
    """Perfect agreement on a hundred other texts does not carry twenty bad ones."""
    rows = votes("a", "21", "cn" * 50) + votes("b", "22", "cn" * 50)
    rows += votes("c", "21", "cn" * 10, 200) + votes("m", "66", "nc" * 10, 200)
    assert held(rows, "a", "b", "c", "m") == ["m"]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (WRONG[:19], "19 texts with two votes are too few"),
        ("." * 30 + WRONG, "no text in common"),
        ("a" * 30, "abstentions say nothing"),
    ],
)
def test_what_cannot_be_measured_holds_nothing_out(second: str, why: str) -> None:
    """Too few texts with two votes, or nothing that could differ, is no reason to refuse votes."""
    assert held(votes("a", "21", RIGHT) + votes("b", "22", second), "a", "b") == [], why


def test_one_label_only_holds_nothing_out() -> None:
    """Alpha is not defined when everyone says the same word throughout."""
    assert held(votes("a", "21", "n" * 30) + votes("b", "22", "n" * 30), "a", "b") == []


def test_twenty_texts_are_enough_and_the_floor_itself_passes() -> None:
    """At `alpha_texts` a batch is judged; at exactly `alpha_floor` it counts."""
    rows = votes("a", "21", "cn" * 10) + votes("b", "22", "cc" + "cn" * 6 + "nc" * 3)
    value = alpha(count(frame(rows), LABELS))
    assert held(rows, "a", "b", rule=Votes(alpha_floor=value)) == []
    assert held(rows, "a", "b", rule=Votes(alpha_floor=value + 1e-9)) == ["b"]


def test_an_excluded_annotator_counts_nowhere_and_holds_nothing_out() -> None:
    """Without 66, whose file came first, the other two agree; in a merged file only 66's votes are out."""
    rows = votes("m", "66", WRONG) + votes("m", "21", RIGHT) + votes("b", "22", RIGHT)
    assert held(rows, "m", "b") == ["m"]
    stands, batches = standing(frame(rows), files("m", "b"), LABELS, Votes(exclude=("66",)))
    assert batches == []
    assert stands.tolist() == ["excluded"] * 30 + ["counts"] * 60


def test_an_annotator_can_be_excluded_by_the_name_that_results_show() -> None:
    """Who is known by an e-mail address is shown as a digest; either may stand in the classifier file."""
    rows = frame(votes("a", "anna@uni.example", "cn") + votes("a", "22", "cn"))
    for name in ("anna@uni.example", shown("anna@uni.example")):
        stands, _ = standing(rows, files("a"), LABELS, Votes(exclude=(name,)))
        assert stands.tolist() == ["excluded"] * 2 + ["counts"] * 2


def test_what_was_decided_elsewhere_is_outside_of_this() -> None:
    """It is not measured, not held out with its file, and nobody's to exclude."""
    rows = votes("a", "21", RIGHT) + votes("a", "22", WRONG) + votes("a", DECIDED_ELSEWHERE, WRONG)
    stands, [batch] = standing(frame(rows), files("a"), LABELS, RULE)
    assert (batch.votes, stands.tolist()) == (60, ["held_out"] * 60 + ["counts"] * 30)


def test_no_votes_no_batches() -> None:
    """A classifier without votes has nothing to hold out."""
    empty = pd.DataFrame(columns=["text_id", "annotator", "label", "file"], dtype=object)
    stands, batches = standing(empty, files(), LABELS, classifier().votes)
    assert (len(stands), batches) == (0, [])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.text("cna.", min_size=8, max_size=8)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_the_order_of_votes_changes_nothing(batches: list[tuple[str, str]], random: object) -> None:
    """Which batches are held out depends on the votes, not on where they stand in the table."""
    rows, seen = [], set()
    for at, (annotator, said) in enumerate(batches):
        new = [one for one in votes(f"f{at}", annotator, said) if (one.text_id, annotator) not in seen]
        seen |= {(one.text_id, annotator) for one in new}
        rows += new
    if not rows:
        return
    order, rule = [f"f{at}" for at in range(len(batches))], Votes(alpha_texts=3)
    before = hold_out(frame(rows), files(*order), LABELS, rule)
    random.shuffle(rows)  # type: ignore[attr-defined]
    assert hold_out(frame(rows), files(*order), LABELS, rule) == before
    assert all(batch.agreement.alpha < rule.alpha_floor and batch.agreement.texts >= 3 for batch in before)
    assert not np.isnan([batch.agreement.low for batch in before]).any()
