"""Texts and votes that arrive again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from aufruf.data.recollect import as_stored, merge, outdated, texts_to_write, votes_to_write
from aufruf.schemas import Annotation, Text

DAY = datetime(2024, 11, 12, tzinfo=UTC)
DATED = Text(
    text_id="instagram:C1:caption",
    post_id="C1",
    text="alt",
    text_type="caption",
    post_type="reel",
    platform="instagram",
    author="Katha",
    party=None,
    posted_at=DAY,
    collected_at=DAY,
    digest="d1",
    group_id="g1",
    file="f1",
)
UNDATED = replace(DATED, text="neu", digest="d2", post_type=None, party="Grüne", collected_at=None, file="f2")
LATER = replace(UNDATED, collected_at=DAY + timedelta(days=1), file="f3")
VOTE = Annotation("calls", "t", "7", "call", DAY, "f1")


@pytest.mark.parametrize(("first", "second"), [(DATED, UNDATED), (UNDATED, DATED)])
def test_overlapping_exports_end_alike_in_either_order(first: Text, second: Text) -> None:
    """A collection with no date never replaces a dated one; what only one of them knows is kept."""
    assert merge(second, first) == replace(DATED, party="Grüne")


def test_the_later_collection_of_a_text_stays() -> None:
    """An edited caption replaces the older one, and an older file that comes late does not bring it back."""
    assert merge(LATER, DATED).text == merge(DATED, LATER).text == "neu"
    assert merge(LATER, DATED).post_type == "reel"


def test_a_task_does_not_make_a_post_an_annotators_text() -> None:
    """What annotators were shown may differ in spaces or in how the party is written: where it says the same the
    collected text stays as it is, and gains what it lacks. Other words replace undated ones, and it stays a post."""
    post = replace(UNDATED, file="posts", author=None)
    task = replace(post, text="neu\n", party="GRÜNE", author="Katha", file="tasks")
    assert merge(task, post, {"posts"}) == replace(post, author="Katha")
    edited = replace(task, text="anders", digest="d9")
    assert merge(edited, post, {"posts"}) == replace(edited, file="posts")
    assert merge(post, task, {"posts"}).file == "posts"
    assert merge(edited, task, {"posts"}).file == "tasks"


def test_an_annotators_text_that_is_collected_is_a_post() -> None:
    """It is written as one of the file of posts even where that says nothing new, or is older; once, not each time."""
    task = replace(DATED, file="tasks")
    post = replace(task, file="posts")
    for arrives in (post, replace(post, collected_at=None)):
        assert texts_to_write([arrives], {task.text_id: task}, {}, {"posts"}) == ([post], 0)
    assert texts_to_write([replace(post, file="more")], {post.text_id: post}, {}, {"posts", "more"}) == ([], 0)
    assert texts_to_write([replace(task, file="again")], {task.text_id: task}, {}, {"posts"}) == ([], 0)


def test_a_text_that_says_nothing_new_is_not_written() -> None:
    """The same text from another file is not written again and does not count; an edited one does both."""
    again = replace(DATED, file="f9")
    assert texts_to_write([again, again], {DATED.text_id: DATED}, {}) == ([], 0)
    changed, fresh = texts_to_write([LATER], {DATED.text_id: DATED}, {})
    assert ([text.digest for text in changed], fresh) == (["d2"], 1)


def test_a_party_comes_from_what_is_known_of_the_author() -> None:
    """A post that names no party gets its author's, whatever the case of the name; one that does keeps it."""
    parties = {"katha": "CSU"}
    (bare,), _ = texts_to_write([DATED], {}, parties)
    (named,), _ = texts_to_write([UNDATED], {}, parties)
    assert (bare.party, named.party) == ("CSU", "Grüne")


def test_a_second_look_keeps_what_was_said_at_the_first() -> None:
    """A vote on a tie that was sent out again remembers the first label, a third look too; another wording's does not,
    nor does a vote that nobody was asked to look at again."""
    key = ("calls", "t", "7")
    again = replace(VOTE, label="no_call", annotated_at=DAY + timedelta(days=1), why="tie", file="f2")
    [second], _ = votes_to_write([again], {key: VOTE})
    assert (second.label, second.first) == ("no_call", "call")
    [third], _ = votes_to_write([replace(again, annotated_at=DAY + timedelta(days=2))], {key: second})
    assert third.first == "call"
    assert votes_to_write([replace(again, group_id="other")], {key: replace(VOTE, group_id="g")})[0][0].first is None
    assert votes_to_write([replace(again, why=None)], {key: VOTE})[0][0].first is None
    assert votes_to_write([again], {})[0][0].first is None


def test_an_older_vote_changes_nothing() -> None:
    """A re-uploaded older export, or one with no dates, does not undo a later vote."""
    known = {("calls", "t", "7"): VOTE}
    older = replace(VOTE, label="no_call", annotated_at=DAY - timedelta(days=1), file="f2")
    undated = replace(VOTE, label="no_call", annotated_at=None, file="f2")
    assert votes_to_write([older, undated], known) == ([], 0)


def test_votes_that_are_left_out_are_counted() -> None:
    """Those that say something else than a later or a dated vote; who says the same is not missed."""
    known = {("calls", "t", "7"): VOTE}
    undated = replace(VOTE, label="no_call", annotated_at=None)
    older = replace(VOTE, label="no_call", annotated_at=DAY - timedelta(days=1))
    newer = replace(VOTE, label="no_call", annotated_at=DAY + timedelta(days=1))
    stranger = replace(undated, annotator="8")
    assert outdated([undated, older, newer, stranger, replace(VOTE, annotated_at=None)], known) == 2


def test_a_name_once_given_stays() -> None:
    """A text that is stored under another group_id than its words have today keeps it, and so do new votes on it; other
    words, and other texts, are named as they are today."""
    vote = replace(VOTE, text_id=DATED.text_id, group_id="today")
    today, edited = replace(DATED, group_id="today"), replace(LATER, group_id="today")
    known = {DATED.text_id: DATED}
    assert as_stored([today], [vote], known) == ([DATED], [replace(vote, group_id="g1")])
    assert as_stored([edited], [vote], known) == ([edited], [vote])
    assert as_stored([today], [vote], {}) == ([today], [vote])


def test_a_changed_mind_counts_and_a_repetition_does_not() -> None:
    """A later vote with another label is new; the same label with a later date is only noted."""
    known = {("calls", "t", "7"): VOTE}
    changed_mind = replace(VOTE, label="no_call", annotated_at=DAY + timedelta(hours=1), file="f2")
    repeated = replace(VOTE, annotated_at=DAY + timedelta(hours=1), file="f2")
    assert votes_to_write([changed_mind], known) == ([changed_mind], 1)
    assert votes_to_write([repeated], known) == ([repeated], 0)
    assert votes_to_write([replace(VOTE, file="f2")], known) == ([], 0)


def test_what_a_broken_off_run_left_behind_still_counts_as_new() -> None:
    """Votes and texts stored from the very same file were announced to nobody: the next run announces them."""
    assert votes_to_write([VOTE], {("calls", "t", "7"): VOTE}) == ([], 1)
    assert texts_to_write([DATED], {DATED.text_id: DATED}, {}) == ([], 1)
