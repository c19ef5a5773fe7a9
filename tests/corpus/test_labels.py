"""Votes become a label only where they say one thing, and the step writes only what is new."""

import pandas as pd
import pytest
from tests.corpus.conftest import NOW, classifier, frame, text, vote

from aufruf.classifier import Votes
from aufruf.data.labels import changed, decide
from aufruf.errors import DataRefused
from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, Annotation, Text
from aufruf.settings import Settings
from aufruf.steps.label import label
from aufruf.store import Store

LABELS = ("no_call", "call")


def outcome(
    votes: list[Annotation],
    texts: list[Text] | None = None,
    minimum: int = 2,
    labels: tuple[str, ...] = LABELS,
) -> dict[str, tuple]:
    """text_id -> (label, votes, margin, how)."""
    stored = frame(texts or [text(v.text_id, v.text_id) for v in votes])
    rows = decide(frame(votes), stored, labels, minimum, "c", NOW)
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


AGREED = [v for at in range(6) for v in of(f"t{at}", *(["call", "call"] if at % 2 else ["no_call", "no_call"]))]


def fill(store: Store, votes: list[Annotation]) -> None:
    store.put("annotations", votes)
    store.put("texts", [text(v.text_id, f"Text {v.text_id}") for v in votes])


def test_the_step_counts_and_writes_once(settings: Settings, store: Store) -> None:
    """A second call writes nothing and says so; a new vote changes one row."""
    fill(store, [*AGREED, *of("tie", "call", "no_call"), *of("few", "call")])
    first = label(settings, classifier())
    assert {key: first[key] for key in ("labels", "ties", "too_few_votes", "undecided", "changed", "status")} == {
        "labels": 6,
        "ties": 1,
        "too_few_votes": 1,
        "undecided": 2,
        "changed": 8,
        "status": "new",
    }
    assert first["alpha_low"] <= first["alpha"] <= first["alpha_high"]
    version = store.version("labels")
    second = label(settings, classifier())
    assert (second["changed"], second["status"], store.version("labels")) == (0, "nothing to do", version)
    assert {key: second[key] for key in ("labels", "ties", "alpha")} == {
        key: first[key] for key in ("labels", "ties", "alpha")
    }
    fill(store, of("few", "call", "call"))
    assert label(settings, classifier())["changed"] == 1
    assert store.read("labels", {"text_id": "few"})["label"].tolist() == ["call"]


def test_too_little_agreement_leaves_the_labels_as_they_were(settings: Settings, store: Store) -> None:
    """A batch of flipped votes is held back whole."""
    fill(store, AGREED)
    label(settings, classifier())
    before = store.read("labels")
    flip = {"call": "no_call", "no_call": "call"}
    fill(store, [vote(v.text_id, "Mallory", flip[v.label]) for v in AGREED])
    with pytest.raises(DataRefused, match="alpha"):
        label(settings, classifier())
    pd.testing.assert_frame_equal(store.read("labels"), before)


def test_without_votes_there_is_nothing_to_do(settings: Settings) -> None:
    """A night that brought posts only is no failure."""
    result = label(settings, classifier())
    assert (result["labels"], result["alpha"], result["status"]) == (0, None, "nothing to do")


def test_votes_of_another_classifier_do_not_count(settings: Settings, store: Store) -> None:
    """Each classifier decides its own labels."""
    fill(store, [*AGREED, Annotation("other", "t0", "coder9", "anything", None, "f")])
    assert label(settings, classifier(votes=Votes(minimum=2)))["labels"] == 6


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
