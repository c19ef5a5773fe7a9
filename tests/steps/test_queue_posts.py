"""Which texts may be proposed to annotators, beside those that are annotated and beside each other."""

from collections.abc import Sequence
from datetime import UTC, datetime
from random import Random

import numpy as np
import pandas as pd
import pytest

from aufruf.data.identity import digest, group_id
from aufruf.data.linkage import FACTS
from aufruf.data.shares import side
from aufruf.model.teaching import chosen
from aufruf.schemas import Prediction, Text
from aufruf.steps.queue import apart, ranked
from aufruf.store import Store

NOW = datetime(2026, 9, 2, 3, tzinfo=UTC)
KEY = "call_to_action"
WORDS = ["haus", "baum", "wald", "berg", "fluss", "meer", "stadt", "dorf", "feld", "wiese", "himmel", "stern"]


def text(n: int, words: str, post: str | None, platform: str | None = "x") -> Text:
    about = ("caption", "post", platform, "Ada", "SPD", NOW, NOW)
    return Text(f"t{n}", post, words, *about, digest(words), group_id(words), "f")


def candidates(settings, classifier, texts: list[Text], odds: Sequence[float], known=(), size: int = 2000):
    """What ``queue`` chooses from where a model has given the texts these probabilities."""
    store = Store(settings.lake)
    store.put("texts", [*texts, *known])
    said = [
        Prediction(KEY, one.text_id, one.digest, "1", "call", {"no_call": 1 - p, "call": p}, True, NOW, "r")
        for one, p in zip(texts, odds, strict=True)
    ]
    store.put("predictions", said)
    facts = store.read("texts", {"text_id": [one.text_id for one in known]}, FACTS)
    frame = ranked(store, classifier, "1", 0.5, {one.text_id for one in known}, size)
    return apart(store, classifier, frame, facts)


def pairs(count: int) -> list[Text]:
    """Posts of two texts each that have hardly a word in common; each tenth post has a slogan that others have too."""
    draw = Random(5)
    said = [f"{' '.join(draw.choices(WORDS, k=3))} wort{n} ding{n} sache{n}" for n in range(2 * count)]
    return [text(n, "Gerecht ist besser!" if n % 20 == 1 else said[n], f"p{n // 2}") for n in range(2 * count)]


@pytest.mark.parametrize("size", [2000, 60])
def test_what_a_model_says_moves_no_random_text(settings, classifier, size):
    """Permuted probabilities leave the drawable texts and those that are drawn the same, of few texts and of many."""
    texts, found = pairs(150), []
    odds = [0.9 * (n % 2) + n / 4000 for n in range(300)]  # of each post the model hesitates on one text
    for seed in range(3):
        frame = candidates(settings, classifier, texts, odds, size=size)
        drawable = frame["drawn"].to_numpy()
        kin = frame[["post", "near"]].to_numpy()
        picks = chosen(
            frame["probability"].to_numpy(),
            0.5,
            frame["text"].tolist(),
            [],
            20,
            {"uncertain": 0.5, "random": 0.5},
            7,
            frame["choosable"].to_numpy(),
            drawable,
            kin,
        )
        drawn = [frame["text_id"].iloc[one.row] for one in picks if one.why == "random"]
        found.append((frame.loc[drawable, "text_id"].tolist(), drawn))
        assert not pd.concat([frame.loc[drawable, "post"], frame.loc[drawable, "near"] + 10_000]).duplicated().any()
        assert not frame["post"].iloc[[one.row for one in picks]].duplicated().any()
        Random(seed).shuffle(odds)
    assert len(found[0][0]) > 30
    assert len(found[0][1]) == 10
    assert found[0] == found[1] == found[2]


def test_the_drawable_texts_crowd_no_doubtful_one_out(settings, classifier):
    """Where every text may be drawn, the doubtful text of a post is one that may be chosen, drawable or not."""
    texts = pairs(150)
    frame = candidates(settings, classifier, texts, [0.5 if n % 2 else 0.01 for n in range(300)])
    doubtful = frame[frame["probability"] == 0.5]
    assert (doubtful["choosable"] & ~doubtful["drawn"]).sum() > 10
    assert (doubtful["choosable"] & doubtful["drawn"]).sum() > 10


def test_choosing_takes_nothing_from_validation_and_test(settings, classifier):
    """What may be chosen is trained on, and so is what chance would take of its post, however few may be drawn."""
    texts = pairs(150)
    sides = dict(zip((t.text_id for t in texts), side([t.group_id for t in texts], classifier.split), strict=True))
    first = pd.DataFrame([vars(one) for one in texts]).sort_values("digest").drop_duplicates("post_id")
    goes = {row.post_id: sides[row.text_id] for row in first.itertuples()}
    for size in (2000, 40):
        frame = candidates(settings, classifier, texts, np.linspace(0, 1, 300), size=size)
        may = frame[frame["choosable"]]
        assert set(may["text_id"].map(sides)) == set(may["post_id"].map(goes)) == {"train"}
        trained = frame["text_id"].map(sides).eq("train") & frame["post_id"].map(goes).eq("train")
        assert len(may) > 0.9 * trained.sum()


def test_near_duplicates_take_nothing_from_test_either(settings, classifier):
    """Of texts that nearly read alike chance may take one; where it would go into test none is chosen."""
    long = "Am Samstag stehen wir ab zehn Uhr auf dem Marktplatz und reden mit euch über bezahlbare Wohnungen Nummer"
    texts = sorted((text(n, f"{long} {n}", f"p{n}") for n in range(12)), key=lambda one: one.digest)
    sides = side([one.group_id for one in texts], classifier.split).tolist()
    assert sides[0] == "train"
    first = next(at for at, one in enumerate(sides) if one != "train")
    for start, may in ((first, False), (0, True)):  # the lake keeps what it has: then all of them
        frame = candidates(settings, classifier, texts[start:], [0.5] * (12 - start))
        assert frame["near"].nunique() == 1
        assert frame["drawn"].tolist() == [True] + [False] * (11 - start)
        assert frame["choosable"].tolist() == [may and one == "train" for one in sides[start:]]
    assert "train" in sides[first:]


def test_beside_an_annotated_text_nothing_goes_out(settings, classifier):
    """No text of its post, none that reads like it or nearly; that it has no post says nothing of others without."""
    long = "Am Samstag stehen wir ab zehn Uhr auf dem Marktplatz und reden mit euch über bezahlbare Wohnungen"
    known = [text(100, long, "a"), text(101, "Ein Wort", None, None)]
    texts = [
        text(0, "Haus und Wald", "a"),
        text(1, f"{long}!!", "b"),
        text(2, f"{long} heute", "c"),
        text(3, "Berg und Fluss", None, None),
        text(4, "Meer und Stadt", "a", None),
        text(5, "Feld und Wiese", None, "x"),
        text(6, "Dorf und Stern", "d"),
    ]
    frame = candidates(settings, classifier, texts, [0.5] * 7, known)
    assert sorted(frame["text_id"]) == ["t3", "t4", "t5", "t6"]
    assert frame["drawn"].all()
