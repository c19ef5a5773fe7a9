"""Where a text may have several labels, each is a question of its own: does it apply or not?"""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.corpus.conftest import NOW, frame, text, vote

from aufruf.classifier import Votes
from aufruf.data.agreement import alpha, annotators, by_label, count, interval, measure
from aufruf.data.batches import hold_out
from aufruf.data.labels import decide
from aufruf.data.shares import FEWEST
from aufruf.data.splits import _strata
from aufruf.errors import DataRefused
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE

LABELS = ("support", "inform", "interact")
SETS = ["none", "support", "inform", "interact", "support|inform", "support|interact", "support|inform|interact"]


def outcome(*said: str, minimum: int = 2, elsewhere: str = "") -> tuple:
    """label, votes, margin and how of one text, from what its annotators said."""
    votes = [vote("t", f"coder{at}", one) for at, one in enumerate(said)]
    votes += [vote("t", DECIDED_ELSEWHERE, elsewhere)] if elsewhere else []
    [row] = decide(frame(votes), frame([text("t", "t")]), LABELS, minimum, "c", NOW, several=True).itertuples()
    return row.label, row.votes, round(row.margin, 3), row.how


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (["support|inform", "support|inform"], ("support|inform", 2, 1.0, "unanimous")),
        (["none", "none", ABSTAIN], ("none", 2, 1.0, "unanimous")),
        (["support|inform", "support", "support|interact"], ("support", 3, 0.333, "majority")),
        (["support", "inform", "none"], ("none", 3, 0.333, "majority")),
        (["support|inform", "support|interact", "inform|interact"], ("support|inform|interact", 3, 0.333, "majority")),
        (["support", "support|inform"], (None, 2, 0.0, "tie")),
        (["support", "none"], (None, 2, 0.0, "tie")),
        (["support|inform"], (None, 1, 0.0, "too_few_votes")),
    ],
)
def test_each_label_by_its_own_majority(said: list[str], expected: tuple) -> None:
    """A label applies when more than half say so; a tie on one label leaves the text undecided."""
    assert outcome(*said) == expected


def test_a_set_decided_elsewhere_outranks_votes() -> None:
    """The set that was decided elsewhere is the label, be it empty; its margin is that of the label most in doubt."""
    assert outcome("support", "support", elsewhere="inform|interact") == ("inform|interact", 3, -0.333, "elsewhere")
    assert outcome("support", "support", elsewhere="none")[0] == "none"


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from([*SETS, ABSTAIN]), min_size=1, max_size=7), st.randoms())
def test_the_order_of_votes_changes_nothing(said: list[str], random) -> None:
    """Whoever votes first, the label, its margin and how it was decided are the same; each label has its majority."""
    shuffled = random.sample(said, len(said))
    found = outcome(*said)
    assert outcome(*shuffled) == found
    if found[0] is not None:
        cast = [set(one.split("|")) for one in said if one != ABSTAIN]
        named = [label for label in LABELS if 2 * sum(label in one for one in cast) > len(cast)]
        assert found[0] == ("|".join(named) or "none")


@pytest.mark.parametrize(("several", "strange"), [(True, "support|other"), (False, "support|inform"), (False, "none")])
def test_what_is_no_set_of_labels_is_refused(several: bool, strange: str) -> None:
    """A name that the classifier does not have is refused, and so is a set where a text has one label."""
    rows = frame([vote("t", "a", strange)])
    with pytest.raises(DataRefused, match="not a label of the classifier"):
        decide(rows, frame([text("t", "t")]), LABELS, 1, "c", NOW, several=several)


CAST = [
    vote(f"t{at}", who, SETS[(at + (who == "b" and at % 4 == 0) + 2 * (who == "c" and at % 9 == 0)) % len(SETS)])
    for at in range(40)
    for who in "abc"
]


def test_alpha_is_the_mean_of_the_labels_alphas() -> None:
    """Each label's alpha is that of a yes-or-no question; the overall figure is their mean, its interval around it."""
    found, each = measure(frame(CAST), LABELS, several=True), by_label(frame(CAST), LABELS)
    for label in LABELS:
        plain = [vote(one.text_id, one.annotator, "yes" if label in one.label.split("|") else "no") for one in CAST]
        binary = measure(frame(plain), ["no", "yes"])
        assert each[label] == binary
    assert found.alpha == pytest.approx(np.mean([one.alpha for one in each.values()]))
    assert found.low < found.alpha < found.high
    assert found.texts == 40


def test_a_label_that_nobody_names_has_no_alpha_and_weighs_nothing() -> None:
    """Its alpha is not defined: the mean is over the others; with none defined there is none."""
    votes = [vote(f"t{at}", who, "support" if at % 2 else "none") for at in range(6) for who in "ab"]
    found = by_label(frame(votes), LABELS)
    assert (found["support"].alpha, found["inform"].alpha) == (1.0, None)
    assert measure(frame(votes), LABELS, several=True).alpha == 1.0
    silent = count(frame([vote("t", who, "none") for who in "ab"]), LABELS, several=True)
    assert (alpha(silent), interval(silent, 1)) == (None, (None, None))


def test_a_draw_without_a_label_is_no_draw_of_its_mean() -> None:
    """A label on one text is missing in a third of the draws; what is left of the labels is another figure."""
    said = {at: "support" if at % 2 else "none" for at in range(20)}
    votes = [vote(f"t{at:02}", who, word) for at, word in said.items() for who in "ab"]
    votes += [vote("t20", "a", "inform"), vote("t20", "b", "none")]  # its alpha is 0 or less, support's is 1
    found = measure(frame(votes), LABELS, several=True)
    assert found.high == pytest.approx(found.alpha, abs=0.03)  # was 1: that of support alone
    assert found.note == "fewer than 5 texts speak for or against inform (1): the interval is too narrow"


def test_annotators_are_counted_by_their_sets() -> None:
    """What a person said is counted whole: a set is one vote."""
    people = annotators(frame([vote("t", "a", "support"), vote("u", "a", "support|inform")]), LABELS, {})
    assert people[0].votes == {"support": 1, "inform": 0, "interact": 0, "support|inform": 1}


def test_a_batch_is_held_out_by_the_mean_over_labels() -> None:
    """Where people agree on no label the batch does not count; where they agree on all of them it does."""
    turned = [vote(f"t{at}", "b", SETS[(at + 3) % 7]) for at in range(28)]
    right = [vote(f"t{at}", who, SETS[at % 7]) for at in range(28) for who in "ab"]
    files = pd.DataFrame({"digest": ["f"], "ingested_at": [NOW]})
    rule = Votes(alpha_floor=0.4, alpha_texts=20)
    [held] = hold_out(frame([*right[::2], *turned]), files, LABELS, rule, several=True)
    assert held.agreement.alpha < 0.4
    assert hold_out(frame(right), files, LABELS, rule, several=True) == []


def test_rare_sets_are_dealt_with_the_rarest_of_their_labels() -> None:
    """A set that fewer than ten texts have shares the stratum of its rarest label; a frequent one has its own."""
    values = ["support"] * 30 + ["inform"] * 12 + ["interact"] * 11 + ["support|inform"] * FEWEST + ["none"] * 3
    values += ["support|interact"] * 2 + ["support|inform|interact"] * 2
    found = Counter(_strata(pd.Series(values, dtype=object)))
    expected = {"support": 30, "inform": 12, "interact": 15, "support|inform": FEWEST, "none": 3}
    assert found == expected


def test_strata_of_single_labels_are_the_labels() -> None:
    """However few texts have it, a single label is its own stratum, and an undecided text has none."""
    labels = pd.Series(["call", "no_call", None, "no_call"], dtype=object)
    assert _strata(labels).tolist()[:2] == ["call", "no_call"]
    assert _strata(labels).isna().tolist() == [False, False, True, False]
