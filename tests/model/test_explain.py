"""Our LIME gives what the library gives, from fewer calls of the model, and sees emoji, hashtags and mentions."""

import hashlib
import math
import zlib

import numpy as np
import pandas as pd
import pytest

from aufruf.errors import AufrufError
from aufruf.model.explain import Effort, explain, explain_many, seed_of
from aufruf.model.explain_design import Cut, Draws, every

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


def library_effort(perturbations: int, words: int) -> Effort:
    """All draws, as the library takes them."""
    return Effort(perturbations, words, exact=0, certainty=None)


def assert_same(ours: list[tuple[str, float]], theirs: list[tuple[str, float]]) -> None:
    assert {word for word, _ in ours} == {word for word, _ in theirs}
    assert dict(ours) == pytest.approx(dict(theirs), abs=1e-6)


@pytest.mark.parametrize("text", GERMAN)
def test_it_equals_the_library(text):
    """For the same seed and the library's own split: the same features with the same weights."""
    ours = explain(text, toy, library_effort(150, 6), 11, split=r"\W+")
    assert_same(ours.words, by_library(text, toy, 150, 6, 11))


def test_it_equals_the_library_with_a_real_model(predictor):
    """The same holds for a trained BERT, whose answers depend a little on how texts are batched."""
    text = "geht am sonntag wählen, die partei hat gestern getagt"
    ours = explain(text, predictor.positives, library_effort(200, 4), 3, split=r"\W+")
    theirs = by_library(text, predictor.positives, 200, 4, 3)
    assert dict(ours.words) == pytest.approx(dict(theirs), abs=0.02)


@pytest.mark.parametrize("words", [6, 10])
def test_it_equals_the_library_on_real_posts(shared_data, words):
    """Of 25 real tweets each way, links, umlauts and emoji included: words tried in turn, and the highest weights."""
    texts = pd.read_csv(shared_data / "politician_tweets_2021" / "tw_data.csv", dtype=str)["full_text"].dropna()
    some = texts[texts.str.len().between(40, 160)].iloc[words::100].head(25)
    assert len(some) == 25
    for text in some:
        ours = explain(text, toy, library_effort(100, words), 5, split=r"\W+")
        assert_same(ours.words, by_library(text, toy, 100, words, 5))


def test_it_equals_the_library_at_full_effort(shared_data):
    """A real tweet at 5,000 draws with every word named, as an annotator's own call of the library would have it."""
    texts = pd.read_csv(shared_data / "politician_tweets_2021" / "tw_data.csv", dtype=str)["full_text"].dropna()
    text = texts[texts.str.len().between(120, 160)].iloc[0]
    words = len(Cut(text, split=r"\W+"))
    assert words > 10
    ours = explain(text, remembered(toy), library_effort(5000, words), 5, split=r"\W+")
    assert len(ours.words) == words
    assert_same(ours.words, by_library(text, remembered(toy), 5000, words, 5))


def test_fewer_draws_are_the_first_of_more():
    """Draws taken in chunks are the library's: its first ones, in its order."""
    whole = Draws(9, 400, seed=3).up_to(400)
    chunks = Draws(9, 400, seed=3)
    parts = [chunks.up_to(rows).copy() for rows in (1, 50, 51, 400, 9999)]
    assert [len(part) for part in parts] == [1, 50, 51, 400, 400]
    assert all((part == whole[: len(part)]).all() for part in parts)
    assert whole[0].all()
    assert set((~whole[1:]).sum(axis=1)) == set(range(1, 10))


@pytest.mark.parametrize("words", [1, 2, 5, 12])
def test_every_variant_has_its_probability(words):
    """All 2^n variants, each once; sizes are equally likely, so are the variants of a size, and counts add up."""
    masks, counts = every(words, 5000)
    assert len(np.unique(masks, axis=0)) == len(masks) == 2**words
    assert (bool(masks[0].all()), counts[0]) == (True, 1.0)
    assert counts.sum() == pytest.approx(5000)
    removed = words - masks.sum(axis=1)
    for size in range(1, words + 1):
        assert counts[removed == size].sum() == pytest.approx(4999 / words)
        assert np.ptp(counts[removed == size]) == 0


def test_draws_come_as_often_as_they_are_expected():
    """The library's own draws hit each variant as often as ``every`` says, to within five standard errors."""
    masks, counts = every(4, 20_000)
    drawn = Draws(4, 20_000, seed=1).up_to(20_000)
    found = np.array([(drawn == row).all(axis=1).sum() for row in masks])
    assert (np.abs(found - counts) < 5 * np.sqrt(counts)).all()


@pytest.mark.parametrize("text", GERMAN[:1])
def test_the_library_converges_to_the_exact_answer(text):
    """The more samples the library draws, the nearer it comes to the answer from all variants."""
    errors = []
    for samples in (300, 30_000):
        exact = explain(text, toy, Effort(perturbations=samples, words=20), 0, split=r"\W+")
        assert exact.way == "exact"
        theirs = dict(by_library(text, remembered(toy), samples, 20, 2))
        errors.append(max(abs(dict(exact.words)[word] - weight) for word, weight in theirs.items()))
    assert errors[1] < 1e-3
    assert errors[1] < errors[0] / 3


def remembered(positives):
    """A model that answers each text once, so that many samples cost little."""
    known: dict[str, float] = {}

    def answer(texts):
        new = list(dict.fromkeys(text for text in texts if text not in known))
        known.update(zip(new, positives(new), strict=True))
        return np.array([known[text] for text in texts])

    return answer


def test_the_exact_answer_needs_no_seed():
    """Where all variants are scored nothing is drawn: every seed gives the same, and stability is 1."""
    one, other = (explain(GERMAN[0], toy, Effort(), seed) for seed in (1, 2))
    assert one == other
    assert (one.way, one.drawn, one.scored, one.stability, one.certainty) == ("exact", 0, 16, 1.0, None)


def test_the_ceiling_holds_for_the_exact_answer():
    """Where all variants are more than the ceiling allows, LIME's draws are taken instead."""
    assert len(Cut(GERMAN[3])) == 11
    assert explain(GERMAN[3], toy, Effort(perturbations=500), 1).way == "adaptive"
    assert explain(GERMAN[3], toy, Effort(perturbations=2048), 1).way == "exact"
    assert explain(GERMAN[3], toy, Effort(exact=10), 1).way == "adaptive"


PULLING = {"Infostand": 2.5, "heute": -2.0, "Kommt": 1.6, "Uhr": 1.3, "freuen": -1.0, "euch": 0.8}


def pulling(texts) -> np.ndarray:
    """Six words matter, each by an amount of its own."""
    return np.array([1 / (1 + math.exp(-sum(v for k, v in PULLING.items() if k in text))) for text in texts])


def test_clear_words_are_found_soon():
    """Where six words matter and no other, drawing stops after a fraction of the ceiling, with these six and signs."""
    found = explain(GERMAN[2], pulling, Effort(), 7)
    assert (found.way, found.drawn < 1000, found.certainty >= 0.8) == ("adaptive", True, True)
    assert {word for word, _ in found.words} == set(PULLING)
    assert all(weight * PULLING[word] > 0 for word, weight in found.words)
    assert found.words[0][0] == "Infostand"


def test_unclear_words_are_drawn_to_the_ceiling():
    """Where the model answers at random no draw settles the words: the ceiling is reached, and certainty says so."""
    noise = lambda texts: np.array([zlib.crc32(text.encode()) / 2**32 for text in texts])  # noqa: E731
    found = explain(GERMAN[2], noise, Effort(perturbations=400), 7)
    assert (found.drawn, found.certainty < 0.8, found.fit < 0.3) == (400, True, True)


def test_adaptive_weights_are_near_the_exact_ones():
    """Of a text whose variants can all be scored: what the draws suggest when they stop is near what they tend to."""
    exact = dict(explain(GERMAN[3], toy, Effort(words=20), 1).words)
    near = explain(GERMAN[3], toy, Effort(words=20, exact=0, certainty=0.9), 1)
    assert near.way == "adaptive"
    assert dict(near.words) == pytest.approx(exact, abs=0.03)


def test_texts_are_explained_together_as_alone():
    """Many texts share the model's calls; each gets what it gets alone where batches round nothing, in their order."""
    calls = []

    def positives(texts):
        calls.append(len(texts))
        return toy(texts)

    texts = [(text, at) for at, text in enumerate(["", *GERMAN])]
    together = list(explain_many(texts, positives, Effort(perturbations=200)))
    shared = len(calls)
    calls.clear()
    assert together == [explain(text, positives, Effort(perturbations=200), seed) for text, seed in texts]
    assert shared < len(calls) / 4


def test_neighbours_change_weights_by_what_batches_round(predictor):
    """With a real model, in full precision: the same words, and weights that differ in the sixth place at most."""
    texts = [(text, at) for at, text in enumerate(GERMAN[:6])]
    together = list(explain_many(texts, predictor.positives, Effort(perturbations=200, exact=6)))
    for (text, seed), found in zip(texts, together, strict=True):
        alone = explain(text, predictor.positives, Effort(perturbations=200, exact=6), seed)
        assert dict(found.words) == pytest.approx(dict(alone.words), abs=1e-6)
        assert (found.way, found.drawn, found.stability) == (alone.way, alone.drawn, alone.stability)


@pytest.mark.parametrize("certainty", [None, 0.8])
def test_of_a_long_text_few_variants_are_made_at_a_time(monkeypatch, certainty):
    """What waits for the model stays below a bound, and the answer is to the bit what it is from all at once."""
    effort, sizes = Effort(perturbations=600, certainty=certainty), []

    def positives(texts):
        sizes.append(sum(map(len, texts)))
        return toy(texts)

    whole = explain(GERMAN[2], positives, effort, 1)
    before = max(sizes)
    sizes.clear()
    monkeypatch.setattr("aufruf.model.explain._LETTERS", 2000)
    assert explain(GERMAN[2], positives, effort, 1) == whole
    assert max(sizes) <= 2000 < before


def test_case_is_a_setting():
    """As in LIME words that differ in case are two features; folded they are one, left out together."""
    as_lime, folded = (Cut("Ja zu JA, ja!", fold_case=fold) for fold in (False, True))
    assert (as_lime.names, folded.names) == (["Ja", "zu", "JA", "ja"], ["Ja", "zu"])
    assert folded.without([False, True]) == " zu , !"
    found = explain("Ja zu JA", toy, Effort(fold_case=True), 1)
    assert sorted(word for word, _ in found.words) == ["Ja", "zu"]
    assert [piece for piece, weight in found.pieces if weight is not None] == ["Ja", "zu", "JA"]


def test_emoji_hashtags_and_mentions_are_features():
    """What the library cannot name is named whole: here only these three say anything."""
    speaking = {"🗳️": 2.0, "#Wahl2025": 1.0, "@gruene": -1.5}

    def positives(texts):
        return np.array([1 / (1 + math.exp(-sum(v for k, v in speaking.items() if k in text))) for text in texts])

    found = explain("Heute am Sonntag 🗳️ #Wahl2025 @gruene", positives, Effort(words=3), 1)
    assert {word for word, _ in found.words} == set(speaking)
    assert all(weight * speaking[word] > 0 for word, weight in found.words)
    assert found.words[0][0] == "🗳️"
    assert (found.fit > 0.9, found.stability) == (True, 1.0)


def test_the_same_text_and_version_give_the_same_explanation():
    """A day later, in another process, it is the same: the seed depends on the text's digest and the version only."""
    assert seed_of(5460, "twitter:1:caption", "7") == 4_285_404_094
    one, again = (explain(GERMAN[2], toy, Effort(200), seed_of(5460, "a", "1")) for _ in range(2))
    other = explain(GERMAN[2], toy, Effort(200), seed_of(5460, "a", "2"))
    assert one == again
    assert other.words != one.words


@pytest.mark.parametrize("text", ["", "   ", "... !!!", "\n"])
def test_without_words_there_is_nothing_to_explain(text):
    """A text without words gets its probability and no words; it does not fail, as the library does."""
    found = explain(text, lambda texts: np.full(len(texts), 0.3), Effort(), 1)
    assert (found.words, found.fit, found.stability, found.probability, found.scored) == ([], 0.0, 0.0, 0.3, 1)
    assert found.way == "none"


def test_emoji_alone_can_be_explained():
    """A text of emoji only has features of its own."""
    found = explain("🗳️ ❤️", lambda texts: np.array([0.9 if "🗳" in text else 0.2 for text in texts]), Effort(words=2), 1)
    assert found.words[0][0] == "🗳️"


def test_duplicates_are_scored_once():
    """Of 1,000 perturbations of three words there are eight distinct ones, and the model sees eight texts."""
    seen = []

    def positives(texts):
        seen.extend(texts)
        return toy(texts)

    found = explain("Geht jetzt wählen", positives, library_effort(1000, 6), 1)
    assert (len(seen), found.scored) == (8, 8)
    assert found.probability == toy(["Geht jetzt wählen"])[0]


def test_a_word_that_stands_twice_is_one_feature():
    """A repeated word is left out everywhere at once, as in the library's bag of words."""
    found = explain("ja ja nein ja", toy, Effort(), 1)
    assert sorted(word for word, _ in found.words) == ["ja", "nein"]


def test_a_model_that_gives_no_number_is_refused():
    """NaN from the model is said in words, not handed to the regression."""
    with pytest.raises(AufrufError, match="not a number"):
        explain("Geht jetzt wählen", lambda texts: np.full(len(texts), np.nan), Effort(), 1)


def test_a_text_without_numbers_does_not_stop_its_neighbours():
    """One variant without a number, and there is no explanation of that text; those beside it stand."""
    texts = [(GERMAN[0], 1), ("Geht jetzt wählen", 2), (GERMAN[2], 3)]

    def positives(some):
        return np.where(["jetzt" in one and "Geht" not in one for one in some], np.nan, toy(some))

    found = list(explain_many(texts, positives, Effort(perturbations=200)))
    assert [one is None for one in found] == [False, True, False]
    assert found[2] == explain(GERMAN[2], toy, Effort(perturbations=200), 3)


def test_a_model_that_never_changes_its_mind_can_be_explained():
    """Where every variant has one probability, every weight is 0."""
    found = explain(GERMAN[0], lambda texts: np.full(len(texts), 0.5), Effort(), 1)
    assert [abs(weight) < 1e-9 for _, weight in found.words] == [True] * 4
    assert found.fit == 1.0
