"""Test texts that an edit has put out of use count in no figure, as no training looks at them."""

from datetime import UTC, datetime

import pytest

from aufruf.data.identity import digest, group_id
from aufruf.schemas import Annotation, Label, Prediction, SplitRow, Text
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.steps.beside import track_record
from aufruf.steps.chosen import mismatches
from aufruf.steps.mismatches import tasks
from aufruf.steps.prevalence import test_errors as errors_of
from aufruf.steps.waiting import disputed
from aufruf.steps.watched import corpus_frame
from aufruf.store import Store

NOW = datetime(2025, 2, 17, 5, tzinfo=UTC)
KEY = ("call_to_action",)
LEARNT = "Kommt am Samstag alle zum Infostand auf dem Marktplatz und bringt Freunde mit"
WORDS = {f"t{n:02}": f"Nummer {n}: {chr(97 + n) * 9} im Wahlkreis {n}, kommt vorbei" for n in range(24)}


def text(text_id: str, words: str) -> Text:
    about = (None, "instagram", text_id, None, NOW, NOW)
    return Text(text_id, text_id, words, "caption", *about, digest(words), group_id(words), "f")


def told(text_id: str, words: str) -> Prediction:
    return Prediction(*KEY, text_id, digest(words), "1", "no_call", {"no_call": 0.6, "call": 0.4}, True, NOW, "r")


@pytest.fixture
def store(settings: Settings) -> Store:
    """24 test texts, which are calls, and one that is trained on; version 1 has scored them, and says that none is."""
    store, texts = Store(settings.lake), WORDS | {"learnt": LEARNT}
    store.add("texts", [text(*one) for one in texts.items()])
    store.add("predictions", [told(*one) for one in texts.items()])
    store.add("labels", [Label(*KEY, one, "call", 2, 1.0, "unanimous", NOW) for one in texts])
    rows = [(one, digest(words), one, "train" if one == "learnt" else "test", "", NOW) for one, words in texts.items()]
    store.add("splits", [SplitRow(*KEY, *row) for row in rows])
    return store


def edited(store: Store, text_id: str, words: str) -> None:
    store.put("texts", [text(text_id, words)])
    store.put("predictions", [told(text_id, words)])


def counts(store: Store, classifier) -> dict[str, float]:
    record = track_record(store, classifier, "1")(0.4)
    frame = corpus_frame(store, classifier, "1")
    return {
        "errors": errors_of(store, classifier, "1").positives,
        "record": record.texts if record else 0,
        "doubts": len(disputed(store, classifier, "1")),
        "watched": int((frame["split"] == "test").sum()),
        "mismatches": len(mismatches(store, classifier, "1")),
    }


def test_a_test_text_that_now_reads_like_a_learnt_one_counts_nowhere(store, classifier):
    """Nor a near-duplicate of it; one whose new words nobody else has goes on counting. Looking signs nothing."""
    many = classifier.model_copy(update={"explain": classifier.explain.model_copy(update={"mismatches": 99})})
    assert counts(store, many) == dict.fromkeys(["errors", "record", "doubts", "watched", "mismatches"], 24)
    edited(store, "t00", LEARNT)
    edited(store, "t01", f"{LEARNT}!!! Bis dann")
    edited(store, "t02", "Ganz andere Worte, die sonst in keinem Text der Sammlung stehen")
    found = counts(store, many)
    assert found == dict.fromkeys(found, 22)
    assert store.version("signatures") is None


def test_figures_are_of_the_words_as_they_read_now(store, classifier):
    """A test text that was edited before anybody scored it counts everywhere with what is said of it now."""
    many = classifier.model_copy(update={"explain": classifier.explain.model_copy(update={"mismatches": 99})})
    first, now = "So stand es zuerst da, ohne jeden Aufruf", "So steht es jetzt da, noch immer ohne jeden"
    store.add("labels", [Label(*KEY, "late", "call", 2, 1.0, "unanimous", NOW)])
    store.add("splits", [SplitRow(*KEY, "late", digest(first), "late", "test", "", NOW)])
    edited(store, "late", now)
    assert counts(store, many) == dict.fromkeys(["errors", "record", "doubts", "watched", "mismatches"], 25)


def test_what_is_not_edited_costs_no_proof(store, classifier, monkeypatch):
    """The proof is made only where a text of these sides has been edited; of other sides none matters."""
    monkeypatch.setattr(corpus, "alike", None)
    edited(store, "learnt", WORDS["t00"])
    assert len(corpus.in_use(store, classifier, "test")) == 24


def test_a_queue_of_doubts_counts_the_votes_that_count(settings, store, classifier):
    """Not those of excluded annotators, nor votes for what the text said before."""
    rule = classifier.model_copy(update={"votes": classifier.votes.model_copy(update={"exclude": ["rash"]})})
    now, before = group_id(WORDS["t00"]), group_id("So stand es einmal da")
    cast = [("one", "call", now), ("two", "call", now), ("rash", "no_call", now), ("late", "no_call", before)]
    votes = [Annotation(*KEY, "t00", who, says, NOW, "v", group_id=of) for who, says, of in cast]
    store.add("annotations", votes)
    [task] = [one for one in tasks(settings, rule, disputed(store, rule, "1")) if one["data"]["text_id"] == "t00"]
    assert task["data"]["votes"] == {"call": 2}
