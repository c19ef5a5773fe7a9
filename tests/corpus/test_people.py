"""One annotator whom two exports name twice is one person once the classifier file says so; before, it is told."""

from dataclasses import replace
from datetime import timedelta

import pytest
from pydantic import ValidationError
from tests.corpus.conftest import NOW, frame

from aufruf.classifier import Votes
from aufruf.data.agreement import alpha, count, first_codings, shown
from aufruf.data.batches import EXCLUDED, standing
from aufruf.data.people import as_one, doubles
from aufruf.data.readers.votes import annotator as stored_as
from aufruf.schemas import ABSTAIN, Annotation

LABELS = ("no_call", "call")
MAIL = "Mia@uni.example"
SAID = {"c": "call", "n": "no_call", "a": ABSTAIN}


def votes(annotator: str, said: str, minutes: float = 1.0, file: str = "f") -> list[Annotation]:
    """What an annotator said of text 0, 1, ..., a vote every so many minutes; "." is nothing."""
    return [
        Annotation("c", f"t{at:03}", annotator, SAID[one], NOW + timedelta(minutes=minutes * at), file)
        for at, one in enumerate(said)
        if one != "."
    ]


def twice() -> list[Annotation]:
    """Mia by number and by address, and Ben, who contradicts her on six of twelve texts."""
    return [*votes("7", "cncncncncncn"), *votes(stored_as(MAIL), "cncncncncncn"), *votes("8", "cncncnncncnc", 2)]


@pytest.mark.parametrize("same", [(("7", MAIL),), ((MAIL.upper(), "7"),), ((stored_as(MAIL), "7"),)])
def test_two_names_are_one_person(same):
    """By number, address or as results show it, in either order: every text has one vote of hers, and alpha falls."""
    rows = frame(twice())
    before = alpha(count(rows, LABELS))
    one = as_one(rows, same)
    assert sorted(set(one["annotator"])) == sorted(["8", shown(same[0][0])])
    assert one.groupby("text_id").size().tolist() == [2] * 12
    assert alpha(count(one, LABELS)) < before
    assert doubles(one) == []


def test_of_two_votes_of_one_person_the_later_counts():
    """A vote changed between two exports stands as it was changed; one without a date gives way to one that has it."""
    early, late = votes("7", "c"), votes(stored_as(MAIL), "n")
    late = [replace(one, annotated_at=NOW + timedelta(days=1)) for one in late]
    undated = [replace(one, annotated_at=None) for one in early]
    for first, second in ((early, late), (late, early), (undated, late), (late, undated)):
        [row] = as_one(frame([*first, *second]), (("7", MAIL),)).to_dict("records")
        assert (row["annotator"], row["label"]) == ("7", "no_call")


def test_who_is_excluded_is_so_under_each_name():
    """``exclude`` names one of a person's names; the votes under the others do not count either."""
    for name in ("7", MAIL):
        rule = Votes(exclude=(name,), same_person=(("7", MAIL),))
        rows = as_one(frame(twice()), rule.same_person)
        stands, _ = standing(rows, frame([]).reindex(columns=["digest", "ingested_at"]), LABELS, rule)
        assert set(rows.loc[stands == EXCLUDED, "annotator"]) == {"7"}


def test_the_same_at_the_same_moment_is_one_person():
    """Twelve votes that are equal to the second are told; equal labels at other times, and equal times that stand for
    a whole day, are not; nor are four votes."""
    assert doubles(frame(twice())) == [("7", stored_as(MAIL), 12)]
    alike = [*votes("7", "cncncncncncn"), *votes("8", "cncncncncncn", 2)]
    assert doubles(frame(alike)) == []
    day = [replace(one, annotated_at=NOW) for one in twice()]
    assert doubles(frame(day)) == []
    assert doubles(frame([replace(one, annotated_at=None) for one in twice()])) == []
    assert doubles(frame([*votes("7", "cncn"), *votes("8", "cncn")])) == []


def test_two_casings_of_a_name_are_told():
    """Names that differ in case or in blanks may be one person's, who would decide labels alone; numbers may not."""
    some = [*votes("Anna", "c"), *votes("anna", ".n"), *votes(" ANNA ", "..c"), *votes("7", "c"), *votes("70", "c")]
    assert doubles(frame(some)) == [(" ANNA ", "Anna", 0), (" ANNA ", "anna", 0)]
    assert doubles(frame([*votes("Mia M", "cncncn"), *votes("mia  m", "cncncn")])) == [("Mia M", "mia  m", 6)]


def test_a_few_votes_changed_between_the_exports_hide_nothing():
    """One of twelve votes is another in the later export: still one person; half of them: nobody can say."""
    one, other = votes("7", "cncncncncncn"), votes("9", "nncncncncncn")
    assert doubles(frame([*one, *other])) == [("7", "9", 11)]
    assert doubles(frame([*one, *votes("9", "ncncncnncncn")])) == []


def test_nobody_is_two_people():
    """A name in two persons' lists, or a person of one name, is an error of the classifier file."""
    with pytest.raises(ValidationError, match="names '7' twice"):
        Votes(same_person=(("7", "8"), ("7", "9")))
    with pytest.raises(ValidationError, match="at least 2"):
        Votes(same_person=(("7",),))


def test_a_second_look_under_the_other_name_keeps_the_first_coding():
    """Mia settles a tie under her address: the label is the later one, and agreement is still about the first."""
    first, again = votes("7", "c"), [replace(one, why="tie") for one in votes(stored_as(MAIL), "n")]
    again = [replace(one, annotated_at=NOW + timedelta(days=1)) for one in again]
    one = as_one(frame([*first, *votes("8", "n", 2), *again]), (("7", MAIL),))
    assert dict(zip(one["annotator"], one["label"], strict=True)) == {"7": "no_call", "8": "no_call"}
    coded = first_codings(one)
    assert dict(zip(coded["annotator"], coded["label"], strict=True)) == {"7": "call", "8": "no_call"}
