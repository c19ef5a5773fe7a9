"""Our LIME gives what the library gives, from fewer calls of the model, and sees emoji, hashtags and mentions."""

import hashlib
import math

import numpy as np
import pandas as pd
import pytest

from aufruf.errors import AufrufError
from aufruf.model.explain import explain, seed_of

GERMAN = [
    "Geht am Sonntag wählen!",
    "Wir danken euch allen für einen großartigen Wahlkampf in Köln und Düsseldorf.",
    "Kommt heute um 18 Uhr zum Infostand auf dem Marktplatz, wir freuen uns auf euch!",
    "Die Partei hat gestern in Berlin getagt und ein Programm beschlossen.",
    "Wer wählt, entscheidet. Wer nicht wählt, lässt andere entscheiden.",
    "Am Sonntag, am Sonntag, am Sonntag: wählen gehen, wählen gehen!",
    "Klimaschutz ist Freiheitsschutz.",
    "Teilt diesen Beitrag, damit ihn möglichst viele Menschen sehen.",
    "Jetzt spenden und den Wechsel möglich machen",
    "Was für ein Abend in Hamburg",
    "Unterschreibt die Petition, bevor es zu spät ist: Link in der Bio.",
    "CSU",
    "Csu Cdu Col C 2du CDU",
    "Heute vor 60 Jahren wurde die Mauer gebaut. Wir gedenken der Opfer.",
    "Ich stehe für eine Politik, die zuhört, abwägt, handelt und Verantwortung übernimmt.",
    "Briefwahl beantragen: Das geht bis Freitag, 18 Uhr!",
    "Bürger:innen, CO2-Preis, 2,5 Prozent & mehr",
    "Schaltet ein: Heute Abend, 20:15 Uhr, ARD.",
    "Mit dir. Für uns. Für morgen.",
    "Respekt für dich. Scholz packt das an.",
]


def toy(texts) -> np.ndarray:
    """A probability that depends on every word of a text, and on their order not at all: a model with no training."""
    out = []
    for text in texts:
        words = [word.strip(".,!:?").lower() for word in text.split()]
        total = sum(int(hashlib.md5(word.encode()).hexdigest()[:4], 16) / 32768 - 1 for word in words if word)  # noqa: S324
        out.append(1 / (1 + math.exp(-total)))
    return np.array(out)


def by_library(text: str, positives, samples: int, words: int, seed: int) -> list[tuple[str, float]]:
    from lime.lime_text import LimeTextExplainer

    both = lambda texts: np.column_stack([1 - positives(texts), positives(texts)])  # noqa: E731
    explainer = LimeTextExplainer(split_expression=r"\W+", random_state=seed, class_names=["no", "yes"])
    return explainer.explain_instance(text, both, labels=(1,), num_features=words, num_samples=samples).as_list(label=1)


def assert_same(ours: list[tuple[str, float]], theirs: list[tuple[str, float]]) -> None:
    assert {word for word, _ in ours} == {word for word, _ in theirs}
    assert dict(ours) == pytest.approx(dict(theirs), abs=1e-6)


@pytest.mark.parametrize("text", GERMAN)
def test_it_equals_the_library(text):
    """For the same seed and the library's own split: the same features with the same weights."""
    ours = explain(text, toy, perturbations=300, words=6, seed=11, split=r"\W+")
    assert_same(ours.words, by_library(text, toy, 300, 6, 11))


def test_it_equals_the_library_with_a_real_model(predictor):
    """The same holds for a trained BERT, whose answers depend a little on how texts are batched."""
    text = "geht am sonntag wählen, die partei hat gestern getagt"
    ours = explain(text, predictor.positives, perturbations=200, words=4, seed=3, split=r"\W+")
    theirs = by_library(text, predictor.positives, 200, 4, 3)
    assert dict(ours.words) == pytest.approx(dict(theirs), abs=0.02)


def test_it_equals_the_library_on_real_posts(shared_data):
    """The same holds for real tweets, links, umlauts and emoji included, for more words than are tried in turn."""
    texts = pd.read_csv(shared_data / "politician_tweets_2021" / "tw_data.csv", dtype=str)["full_text"].dropna()
    for text in texts[texts.str.len().between(40, 160)].iloc[::100].head(20):
        ours = explain(text, toy, perturbations=200, words=10, seed=5, split=r"\W+")
        assert_same(ours.words, by_library(text, toy, 200, 10, 5))


def test_emoji_hashtags_and_mentions_are_features():
    """What the library cannot name is named whole: here only these three say anything."""
    speaking = {"🗳️": 2.0, "#Wahl2025": 1.0, "@gruene": -1.5}

    def positives(texts):
        return np.array([1 / (1 + math.exp(-sum(v for k, v in speaking.items() if k in text))) for text in texts])

    found = explain("Heute am Sonntag 🗳️ #Wahl2025 @gruene", positives, 400, 3, seed=1)
    assert {word for word, _ in found.words} == set(speaking)
    assert all(weight * speaking[word] > 0 for word, weight in found.words)
    assert found.words[0][0] == "🗳️"
    assert (found.fit > 0.9, found.stability) == (True, 1.0)


def test_the_same_text_and_version_give_the_same_explanation():
    """A day later, in another process, it is the same: the seed depends on text and version only."""
    assert seed_of(5460, "twitter:1:caption", "7") == 4_285_404_094
    one, again = (explain(GERMAN[2], toy, 200, 6, seed_of(5460, "a", "1")) for _ in range(2))
    other = explain(GERMAN[2], toy, 200, 6, seed_of(5460, "a", "2"))
    assert one == again
    assert other.words != one.words


@pytest.mark.parametrize("text", ["", "   ", "... !!!", "\n"])
def test_without_words_there_is_nothing_to_explain(text):
    """A text without words gets its probability and no words; it does not fail, as the library does."""
    found = explain(text, lambda texts: np.full(len(texts), 0.3), 200, 6, seed=1)
    assert (found.words, found.fit, found.stability, found.probability, found.scored) == ([], 0.0, 0.0, 0.3, 1)


def test_emoji_alone_can_be_explained():
    """A text of emoji only has features of its own."""
    found = explain("🗳️ ❤️", lambda texts: np.array([0.9 if "🗳" in text else 0.2 for text in texts]), 100, 2, seed=1)
    assert found.words[0][0] == "🗳️"


def test_duplicates_are_scored_once():
    """Of 1,000 perturbations of three words there are eight distinct ones, and the model sees eight texts."""
    seen = []

    def positives(texts):
        seen.extend(texts)
        return toy(texts)

    found = explain("Geht jetzt wählen", positives, 1000, 6, seed=1)
    assert (len(seen), found.scored) == (8, 8)
    assert found.probability == toy(["Geht jetzt wählen"])[0]


def test_a_word_that_stands_twice_is_one_feature():
    """A repeated word is left out everywhere at once, as in the library's bag of words."""
    found = explain("ja ja nein ja", toy, 100, 6, seed=1)
    assert sorted(word for word, _ in found.words) == ["ja", "nein"]


def test_a_model_that_gives_no_number_is_refused():
    """NaN from the model is said in words, not handed to the regression."""
    with pytest.raises(AufrufError, match="not a number"):
        explain("Geht jetzt wählen", lambda texts: np.full(len(texts), np.nan), 100, 6, seed=1)


def test_a_model_that_never_changes_its_mind_can_be_explained():
    """Where every variant has one probability, every weight is 0."""
    found = explain(GERMAN[0], lambda texts: np.full(len(texts), 0.5), 100, 6, seed=1)
    assert [abs(weight) < 1e-9 for _, weight in found.words] == [True] * 4
