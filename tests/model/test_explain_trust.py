"""Whether an explanation is faithful, and what is suspected of being a shortcut."""

import numpy as np
import pytest

from aufruf.model.explain import Effort, Explained, explain
from aufruf.model.explain_trust import faithfulness, kind_of, swapped
from aufruf.sections import Explain

TEXT = "Kommt heute alle zum großen Infostand auf den Marktplatz, wir freuen uns sehr auf euch"
PARTIES = ("CDU", "CSU", "Grüne", "Grünen", "SPD")


def one_word(texts) -> np.ndarray:
    """A model for which one word decides."""
    return np.array([0.9 if "Infostand" in text else 0.1 for text in texts])


def named(*words: tuple[str, float]) -> Explained:
    return Explained(list(words), 0.9, 1.0, 0.9, 1, "drawn")


def test_a_faithful_explanation_beats_random_words():
    """Deleting the word that decides changes the prediction more than nearly any random word does."""
    found = explain(TEXT, one_word, Effort(words=1), 1)
    assert found.words[0][0] == "Infostand"
    assert faithfulness(TEXT, found, one_word, 1) > 0.9


def test_an_unfaithful_explanation_is_worse_than_chance():
    """An explanation that names words which do nothing is no better than random ones."""
    assert faithfulness(TEXT, named(("heute", 0.5), ("alle", 0.4)), one_word, 1) <= 0.5


def test_words_that_pull_the_other_way_are_not_deleted_with_them():
    """Only words that pull the way the strongest does are deleted, so that two errors cannot hide each other."""
    both = named(("Infostand", 0.5), ("heute", -0.4))
    assert faithfulness(TEXT, both, one_word, 1) == faithfulness(TEXT, named(("Infostand", 0.5)), one_word, 1)


@pytest.mark.parametrize("found", [named(), named(("Kommt", 0.5))])
def test_without_other_words_it_is_not_measured(found):
    """A text without words, or with none but those named, has nothing to be held against."""
    assert faithfulness("Kommt", found, one_word, 1) is None


def test_a_model_that_does_not_care_is_at_chance():
    """Where nothing changes the prediction, ties count half."""
    assert faithfulness(TEXT, named(("heute", 0.1)), lambda texts: np.full(len(texts), 0.9), 1) == 0.5


def without(word: str):
    """A model that makes no number of a text without this word."""
    return lambda texts: np.where([word in text for text in texts], one_word(texts), np.nan)


def test_texts_of_which_the_model_makes_no_number_prove_nothing():
    """Random sets among them are left out; where it is the named words' own, or all are, nothing is measured."""
    found = named(("Infostand", 0.5))
    assert faithfulness(TEXT, found, without("Kommt"), 1) == faithfulness(TEXT, found, one_word, 1) == 1.0
    assert faithfulness(TEXT, named(("heute", 0.5)), without("Kommt"), 1) == pytest.approx(0.5, abs=0.05)
    assert faithfulness(TEXT, found, without("Infostand"), 1) is None
    assert faithfulness(TEXT, found, lambda texts: np.array([0.1] + [np.nan] * (len(texts) - 1)), 1) is None


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("CDU", "party"),
        ("#cdu", "party"),
        ("grüne", "party"),
        ("#Gru\u0308ne", "party"),
        ("🗳️", "emoji"),
        ("🇩🇪", "emoji"),
        ("1️⃣", "emoji"),
        ("‼", "emoji"),
        ("ℹ️", "emoji"),
        ("™️", "emoji"),
        ("™", None),
        ("ℹ", None),
        ("＃cdu", "party"),
        ("@cdu", "handle"),
        ("wählen", None),
        ("#Wahl", None),
        ("18", None),
    ],
)
def test_what_should_not_matter(word, kind):
    """Party names and their hashtags, emoji and handles are suspects; other words are not."""
    assert kind_of(word, PARTIES) == kind


@pytest.mark.parametrize(
    ("text", "word", "other"),
    [
        ("Wählt #CDU, wählt #CDU!", "#CDU", "Wählt #CSU, wählt #CSU!"),
        ("Grünen wählen", "Grünen", "SPD wählen"),
        ("Die Grünen: Grüne wählen! #Grüne #Grünen", "Grünen", "Die SPD: SPD wählen! #SPD #SPD"),
        ("Gru\u0308ne und Grüne", "Gru\u0308ne", "SPD und SPD"),
        ("Wählt ＃CDU", "CDU", "Wählt ＃CSU"),
        ("Mehr™ bei Infoℹ️", "ℹ️", "Mehr™ bei Info"),
        ("Wählt CDU! #CDU, @cdu, cdu", "CDU", "Wählt CSU! #CSU, @CSU, CSU"),
        ("CDUler der #CDUWahl wählen @cdu.berlin und cdu", "CDU", "CDUler der #CDUWahl wählen @cdu.berlin und CSU"),
        ("Folgt @ada.l jetzt", "@ada.l", "Folgt @konto jetzt"),
        ("Folgt @SPD und der SPD", "@spd", "Folgt @konto und der SPD"),
        ("Jetzt 🗳️ wählen", "🗳️", "Jetzt  wählen"),
    ],
)
def test_a_suspect_is_swapped_everywhere(text, word, other):
    """A party becomes another one in each spelling and form of its name, a handle nobody's, an emoji nothing."""
    assert swapped(text, word, PARTIES) == other


def test_a_party_is_known_however_the_list_spells_it():
    """An umlaut of two signs is the same umlaut, in the list as in a text."""
    parties = ("Gru\u0308ne", "Gru\u0308nen", "SPD")
    assert kind_of("#Grüne", parties) == "party"
    assert swapped("Grüne und Grünen", "Grüne", parties) == "SPD und SPD"


def test_both_forms_of_a_german_name_are_listed():
    """Die Linke, der Linken: without a list of its own a classifier suspects either."""
    assert {kind_of(word, Explain().parties) for word in ("Grüne", "Grünen", "Linke", "Linken")} == {"party"}
    assert Explain(parties=("Gru\u0308ne",)).parties == ("Gru\u0308ne",)


def test_an_only_party_is_left_out():
    """Where the list has no other name, the name goes."""
    assert swapped("Wählt CSU #CSU", "CSU", ("CSU",)) == "Wählt  "
