"""A distance is Jensen and Shannon's, and only what chance does not explain is more than chance."""

import numpy as np
import pytest

from aufruf.model import drift


class Letters:
    """A tokenizer that knows the letter a only."""

    def unknown(self, texts):
        return [sum(one != "a" for one in text) / max(1, len(text)) for text in texts]


def alone(counts):
    """Each text a block of its own."""
    return np.repeat(np.eye(len(counts), dtype=np.int64), counts, axis=0)


def test_the_distance_is_jensen_shannons():
    """Equal shares are 0 apart, disjoint ones 1, and anything else is what scipy says."""
    from scipy.spatial.distance import jensenshannon

    assert drift.distance([1, 2, 3], [2, 4, 6]) == pytest.approx(0, abs=1e-7)
    assert drift.distance([5, 0], [0, 9]) == pytest.approx(1)
    assert drift.distance([5, 1, 0], [1, 7, 2]) == pytest.approx(jensenshannon([5, 1, 0], [1, 7, 2], base=2))


def test_chance_is_not_called_a_drift():
    """Of 300 pairs of samples from one distribution at most two lie above the noise; a real shift lies far above it."""
    random, shares = np.random.default_rng(1), [0.4, 0.3, 0.2, 0.1]
    pairs = [[alone(random.multinomial(n, shares)) for n in (500, 100)] for _ in range(300)]
    found = [drift.compared(*pair, seed) for seed, pair in enumerate(pairs)]
    assert sum(one.value > one.noise for one in found) <= 2
    moved = drift.compared(alone([200, 150, 100, 50]), alone([10, 20, 30, 40]), 1)
    assert moved.value > 1.5 * moved.noise
    assert moved.now == [0.1, 0.2, 0.3, 0.4]


def test_texts_of_one_block_are_no_independent_evidence():
    """Accounts that post eight texts a day, each day's alike, move nothing; text by text it looks like a drift in more
    than one week of ten, where one of a thousand is meant."""
    random, shares, weeks = np.random.default_rng(5460), np.array([0.1, 0.2, 0.4, 0.2, 0.1]), 100
    whole = apart = 0
    for seed in range(weeks):
        before, now = (
            np.array([random.multinomial(8, random.dirichlet(3 * shares)) for _ in range(days)]) for days in (120, 30)
        )
        whole += (found := drift.compared(before, now, seed)).value > found.noise
        apart += found.value > drift.compared(alone(before.sum(axis=0)), alone(now.sum(axis=0)), seed).noise
    assert whole <= 1
    assert apart > 0.1 * weeks


def test_a_block_counts_its_texts_by_bin():
    """Lengths 5 and 50 of one block, 50 of another and none of a third: two rows, edges belong to the bin above."""
    values, blocks = np.array([5.0, 50, 40, np.nan]), np.array([7, 7, 3, 9])
    assert drift.binned(drift.LENGTHS, values, blocks)[:, :3].tolist() == [[0, 0, 1], [1, 0, 1]]
    assert drift.counted(["b", "a", None, "b"], ["a", "b"], blocks).tolist() == [[1, 1], [0, 1]]


def test_texts_become_figures():
    """Characters, unknown tokens, and words that training has not; mentions and links are no words."""
    texts = ["aaaa", "Wir wählen @ada https://a.example/x #Wahl", "!!!"]
    found = drift.of_texts(texts, Letters(), {"wir", "wahl"})
    assert found[drift.LENGTHS].tolist() == [4, 41, 3]
    assert found[drift.UNKNOWN][0] == 0
    assert found[drift.NEW_WORDS][:2].tolist() == [1.0, pytest.approx(1 / 3)]
    assert np.isnan(found[drift.NEW_WORDS][2])
    assert drift.words("Mehr auf www.spd.de, WWW.Example.org und ＃Wahl") == ["mehr", "auf", "und", "wahl"]
    assert drift.words("Wäh\u00adlen") == ["wählen"], "a soft hyphen makes no other word"
    assert drift.binned(drift.NEW_WORDS, found[drift.NEW_WORDS], np.arange(3)).sum() == 2
