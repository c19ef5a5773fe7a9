"""The texts that teach most: for several reasons, none like another, and by chance only from those drawn by chance."""

from collections import Counter

import numpy as np

from aufruf.model.teaching import chosen

MIX = {"uncertain": 0.4, "positive": 0.4, "diverse": 0.1, "random": 0.1}
WORDS = ["haus", "baum", "wald", "berg", "fluss", "meer", "stadt", "dorf", "feld", "wiese", "himmel", "stern"]


def _texts(count: int) -> list[str]:
    draw = np.random.default_rng(3)
    return [" ".join(draw.choice(WORDS, 3)) + f" wort{n} ding{n} sache{n}" for n in range(count)]


def test_each_reason_has_its_share():
    """Of 20 texts as many for each reason as the mix says; the same call chooses the same ones."""
    texts, odds = _texts(200), np.linspace(0, 1, 200)
    found = chosen(odds, 0.3, texts, texts[:5], 20, MIX, 7)
    assert Counter(one.why for one in found) == {"uncertain": 8, "positive": 8, "diverse": 2, "random": 2}
    assert len({one.row for one in found}) == 20
    assert found == chosen(odds, 0.3, texts, texts[:5], 20, MIX, 7)
    uncertain = [odds[one.row] for one in found if one.why == "uncertain"]
    assert max(abs(p - 0.3) for p in uncertain) < 0.05
    assert min(odds[one.row] for one in found if one.why == "positive") > 0.9


def test_texts_that_read_alike_are_taken_once():
    """Of ten texts that differ in one word, one goes out for what a model says of them."""
    same = [f"Kommt morgen alle zum großen Fest auf dem Marktplatz Nummer {n}" for n in range(10)]
    texts = [*same, *_texts(30)]
    mix = {"uncertain": 0.5, "positive": 0.5}
    found = chosen(np.full(40, 0.5), 0.5, texts, [], 40, mix, 7)
    assert sum(one.row < 10 for one in found) == 1


def test_chance_is_not_told_what_the_model_has_chosen():
    """All likely texts read alike, and one is chosen: the random ones are the same as without any other reason."""
    calls = [f"Geht am Sonntag alle zur Wahl Nummer {n}" for n in range(30)]
    texts, odds = [*calls, *_texts(70)], np.r_[np.full(30, 0.99), np.full(70, 0.01)]
    found = chosen(odds, 0.5, texts, [], 40, {"positive": 0.5, "random": 0.5}, 7)
    drawn = [one.row for one in found if one.why == "random"]
    assert drawn == [one.row for one in chosen(odds, 0.5, texts, [], 20, {"random": 1.0}, 7)]
    assert len(drawn) == 20
    assert sum(row < 30 for row in drawn) > 1
    assert len([one for one in found if one.why == "positive" and one.row < 30]) == 0  # like a random one


def test_what_may_only_be_drawn_is_not_chosen():
    """The two masks hold, and when one reason has nothing left the others go on."""
    texts, odds = _texts(60), np.linspace(0, 1, 60)
    choosable, drawable = np.arange(60) % 2 == 0, np.arange(60) < 20
    found = chosen(odds, 0.5, texts, [], 100, MIX, 7, choosable, drawable)
    assert all(drawable[one.row] if one.why == "random" else choosable[one.row] for one in found)
    assert {one.row for one in found} == set(np.flatnonzero(choosable | drawable))
    assert chosen(odds[:0], 0.5, [], ["x"], 5, MIX, 7) == []
    assert len(chosen(np.array([0.2, 0.9]), 0.5, ["!!!", "???"], [], 5, MIX, 7)) == 2


def test_kin_go_out_once():
    """Of texts with one number in a column one is taken; which are drawn does not depend on what a model says."""
    texts, odds = _texts(60), np.linspace(0, 1, 60)
    kin = np.column_stack([np.arange(60) // 2, np.arange(60) % 25 + 100])
    drawable = np.arange(60) < 25
    drawable[1::2] = False
    found = chosen(odds, 0.5, texts, [], 60, MIX, 7, drawable=drawable, kin=kin)
    rows = [one.row for one in found]
    assert len(rows) > 15
    assert all(len(set(column)) == len(rows) for column in kin[rows].T.tolist())
    again = chosen(odds[::-1].copy(), 0.5, texts, [], 60, MIX, 7, drawable=drawable, kin=kin)
    assert [one for one in found if one.why == "random"][:6] == [one for one in again if one.why == "random"][:6]
