"""The page on words, written from the lake with a model that counts what it is asked."""

import json
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

from aufruf.data.identity import digest, group_id
from aufruf.model.words import tokens
from aufruf.release.registry import Version
from aufruf.schemas import Explanation, Prediction, Text
from aufruf.steps.words import words_due, write_words
from aufruf.store import Store

NOW = datetime(2026, 9, 1, tzinfo=UTC)
KEY = "call_to_action"
VERSION = Version("1", "r", "", {}, 0)
HIDING = {
    "Schreibt an maria.mustermann@spd.de": ["maria", "mustermann", "spd"],
    "Ruft an: 030 5550 1234": ["030", "5550", "1234"],
    "Kommt zu t.me/lotteliese jetzt": ["lotteliese"],
    "Folgt @anna-lena heute": ["anna", "lena"],
}


class Saying:
    """A model for which everything is a call."""

    positive = 1

    def probabilities(self, texts):
        return np.array([[0.1, 0.9]] * len(texts))

    def said(self, probabilities):
        return [["call"]] * len(probabilities)


class Failing(Saying):
    """A model that makes no number of a text with one of these words."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def probabilities(self, texts):
        rows = [[np.nan] * 2 if any(one in text for one in self.words) else [0.1, 0.9] for text in texts]
        return np.array(rows) - [[0.0, 0.4 * ("SPD" in text)] for text in texts]

    def said(self, probabilities):
        return [["call"] if row[1] > 0.6 else ["no_call"] for row in probabilities]


@pytest.fixture
def explained(settings):
    """``explained(text, ...)``: a lake in which every word of each speaks for a call."""

    def fill(*texts: str) -> Store:
        store = Store(settings.lake)
        for n, text in enumerate(texts):
            about = ("caption", None, "instagram", None, "FDP", NOW, NOW)
            store.add("texts", [Text(f"t{n}", f"t{n}", text, *about, digest(text), group_id(text), "f")])
            key = (KEY, f"t{n}", digest(text), "1")
            store.add("predictions", [Prediction(*key, "call", {"no_call": 0.1, "call": 0.9}, True, NOW, "r")])
            words = json.dumps([[word, 0.1] for word in tokens(text)])
            store.add("explanations", [Explanation(*key, "call", "call", words, 0.9, 1.0, NOW, unreliable="")])
        return store

    return fill


def hiding(classifier, *, mask: bool = True, **policy):
    report = classifier.report.model_copy(update={"mask": mask})
    return classifier.model_copy(update={"report": report, "explain": classifier.explain.model_copy(update=policy)})


@pytest.mark.parametrize(("text", "parts"), HIDING.items())
def test_no_part_of_what_is_hidden_stands_on_the_page(settings, classifier, explained, text, parts):
    """Addresses, numbers, links and handles are cut into words; none is listed, nor suspected, nor in the JSON."""
    for mask in (True, False):
        asked = hiding(classifier, mask=mask, parties=("CDU", *parts))
        page = write_words(settings, explained(text), asked, VERSION, Saying())
        html = page.read_text("utf-8")
        told = html[html.index("<main>") :] + (page.parent / "words.json").read_text("utf-8")
        assert [part for part in parts if part in told.casefold()] == ([] if mask else parts)
        assert text.split()[0] in told


@pytest.mark.parametrize(
    ("words", "found"),
    [((), (2, 2, pytest.approx(0.4))), (("SPD da",), (1, 1, pytest.approx(0.4))), (("SPD",), (0, 0, None))],
)
def test_a_swap_counts_where_the_model_makes_a_number(settings, classifier, explained, words, found):
    """Of others no label is flipped; of none there is no mean, and in the JSON never a NaN."""
    asked = hiding(classifier, parties=("CDU", "SPD"))
    page = write_words(settings, explained("Wählt CDU heute", "Die CDU da"), asked, VERSION, Failing(*words))
    listed = json.loads((page.parent / "words.json").read_text("utf-8"), parse_constant=lambda _: 1 / 0)
    [one] = listed["suspects"]
    assert (one["tried"], one["flipped"], one["moved"]) == found
    assert f"<b>{found[1]}</b> of {found[0]}" in page.read_text("utf-8")


def test_a_word_is_shown_where_it_stands_openly(settings, classifier, explained):
    """What one text hides counts as that; what another says in the open counts as the word."""
    store = explained("Schreibt an maria.mustermann@spd.de", "Maria kommt", "maria")
    page = write_words(settings, store, classifier, VERSION, Saying())
    listed = json.loads((page.parent / "words.json").read_text("utf-8"))
    words = {one["word"].casefold(): one["texts"] for one in listed["overall"]}
    assert words == {"schreibt": 1, "an": 1, "‹e-mail›": 1, "maria": 2, "kommt": 1}


@pytest.mark.parametrize("gone", ["texts", "explanations"])
def test_a_page_that_counts_what_is_gone_is_written_again(settings, classifier, explained, gone):
    """Also where what was forgotten, or reads otherwise by now, is no example on it."""
    store = explained("Geht wählen", "Geht hin", "Geht heute", "Geht bald", "Geht")
    write_words(settings, store, classifier, VERSION, Saying())
    assert not words_due(settings, store, classifier, VERSION)
    store.delete(gone, pd.DataFrame({"text_id": ["t4"]}))
    assert words_due(settings, store, classifier, VERSION)
    page = write_words(settings, store, classifier, VERSION, Saying())
    assert not words_due(settings, store, classifier, VERSION)
    assert json.loads((page.parent / "words.json").read_text("utf-8"))["explained"] == 4
