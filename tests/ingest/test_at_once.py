"""Two who take files in at once: what either knows of a text is kept, and each text is there once."""

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as Waits
from contextlib import suppress

import pytest

from aufruf.steps.ingest import ingest
from aufruf.store import Store

VOTES = "post,words,coder,label,net\nC1,Geht wählen,mia,ja,instagram\n"
POSTS = "post,kind,words,who,day,net\nC1,caption,Geht wählen,anna,2021-09-01T10:00:00,instagram\n"
VOTED = {"post_id": "post", "text": "words", "annotator": "coder", "label": "label", "platform": "net"}
COLLECTED = {"post_id": "post", "text_type": "kind", "text": "words", "author": "who", "posted_at": "day"} | {
    "platform": "net"
}


@pytest.fixture
def at_once(settings, store, classifier, written, monkeypatch):
    """``at_once(first, second)``: the second (columns, file) begins when the first is about to write its texts."""
    put, running = Store.put, list[Future]()

    def run(first, second):
        with ThreadPoolExecutor(1) as pool:

            def late(self, table, rows, *rest, **named):
                if table == "texts" and not running:
                    columns, content = second
                    other = written("second.csv", content)
                    running.append(pool.submit(ingest, settings, [classifier], [other], columns=columns))
                    with suppress(Waits):  # it waits for its turn
                        running[0].result(timeout=3)
                return put(self, table, rows, *rest, **named)

            monkeypatch.setattr(Store, "put", late)
            columns, content = first
            taken = ingest(settings, [classifier], [written("first.csv", content)], columns=columns)
            return taken, running[0].result(timeout=60)

    return run


@pytest.mark.parametrize("votes_first", [True, False])
def test_nobody_writes_over_what_another_has_just_learnt(store, at_once, votes_first):
    """The author, the date and the type that the collection tells are there, and the vote is on that text. They were
    gone for good: the same file, given again, was "unchanged"."""
    files = [(VOTED, VOTES), (COLLECTED, POSTS)]
    at_once(*(files if votes_first else files[::-1]))
    [text] = store.read("texts").to_dict("records")
    assert (text["author"], text["text_type"], text["platform"]) == ("anna", "caption", "instagram")
    assert text["posted_at"].year == 2021
    assert store.read("annotations")["text_id"].tolist() == [text["text_id"]]


def test_one_file_given_to_both_is_told_once(at_once):
    """Who comes second finds it taken."""
    first, second = at_once((VOTED, VOTES), (VOTED, VOTES))
    assert [one["files"][0]["status"] for one in (first, second)] == ["new", "unchanged"]
    assert (first["annotations"], second["annotations"]) == (1, 0)
