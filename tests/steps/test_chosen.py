"""Which texts are explained and reported: the lake chooses what sorting all of them in memory would choose."""

from datetime import UTC, datetime, timedelta
from random import Random

import pandas as pd
import pytest

from aufruf.data.identity import digest, group_id
from aufruf.release.registry import Version
from aufruf.schemas import Explanation, Prediction, SplitRow, Text
from aufruf.steps import chosen, findings
from aufruf.steps.chosen import _selected, choose, unexplained
from aufruf.steps.report import _counted, _parties
from aufruf.steps.unlearnt import spread_of
from aufruf.steps.where import select
from aufruf.store import Store

NOW = datetime(2026, 9, 2, 3, tzinfo=UTC)
KEY = "call_to_action"


def text(n: int, draw: Random) -> Text:
    words = f"Text {n}, kommt vorbei"
    about = (draw.choice(["SPD", "GRÜNE", None]), NOW, None)
    post = f"{n // 2}" if n % 5 else None
    ids = (draw.choice([f"x:{n // 2}:caption{n}", f"{n}"]), post, words, "caption", "post", "instagram")
    return Text(*ids, draw.choice(["Ada", "Bo", None]), *about, digest(words), group_id(words), "f")


def prediction(one: Text, draw: Random, values: list[float]) -> Prediction:
    odds, label = draw.choice(values), draw.choice(["call", "no_call", "no_call"])
    at = NOW - timedelta(days=draw.choice([0, 0, 0, 7]))
    sure = draw.random() < 0.8
    return Prediction(KEY, one.text_id, one.digest, "1", label, {"no_call": 1 - odds, "call": odds}, sure, at, "r")


@pytest.fixture
def fill(settings):
    """A lake with texts, some of them edited since they were scored, some annotated."""

    def filled(size: int, seed: int, values: list[float] | None = None) -> Store:
        draw, store = Random(seed), Store(settings.lake)
        texts = [text(n, draw) for n in range(size)]
        some = values or [draw.random() for _ in range(size)]
        said = [prediction(one, draw, some) for one in texts]
        edited = [one for one in texts if draw.random() < 0.1]
        store.put("texts", texts)
        store.put("predictions", said)
        store.put("texts", [Text(**{**vars(one), "text": "x", "digest": digest("x")}) for one in edited])
        taken = [one for one in texts if draw.random() < 0.1]
        store.add("splits", [SplitRow(KEY, one.text_id, one.digest, "g", "test", "", NOW) for one in taken])
        return store

    return filled


def whole(store: Store) -> pd.DataFrame:
    """Everything that was said of the texts as they read now, in memory."""
    texts = store.read("texts").drop(columns="file")
    frame = store.read("predictions").merge(texts, on=["text_id", "digest"])
    return frame.assign(probability=[one["call"] for one in frame["probabilities"]])


def outside(store: Store) -> pd.DataFrame:
    frame = whole(store)
    return frame[~frame["text_id"].isin(store.read("splits")["text_id"])]


def sorted_whole(frame: pd.DataFrame, policy, threshold: float) -> list[tuple[str, str]]:
    """The choice as the words of the policy have it: sort all, take the first, draw from the rest."""
    ranked = frame.sort_values(["probability", "text_id"], ascending=[False, True])
    calls = ranked[ranked["label"] == "call"]  # all: of whatever day
    if len(frame):
        ranked = ranked[ranked["scored_at"] == frame["scored_at"].max()]
    if policy.calls != "all":
        calls = ranked[ranked["label"] == "call"].head(policy.calls)
    rest = ranked[~ranked["text_id"].isin(calls["text_id"])]
    distance = (rest["probability"] - threshold).abs()
    uncertain = rest.loc[distance.sort_values(kind="stable").index].head(policy.uncertain)
    rest = rest[~rest["text_id"].isin(uncertain["text_id"])]
    control = rest.sample(min(policy.control, len(rest)), random_state=policy.seed)
    parts = {"call": calls, "uncertain": uncertain, "control": control}
    return [(text_id, why) for why, part in parts.items() for text_id in part["text_id"]]


def policy(classifier, **changed):
    return classifier.model_copy(update={"explain": classifier.explain.model_copy(update=changed)})


@pytest.mark.parametrize(
    ("size", "seed", "values", "changed"),
    [
        (60, 1, None, {}),
        (60, 2, None, {"calls": "all", "control": 9}),
        (80, 3, [0.1, 0.3, 0.30000000000000004, 0.5], {"calls": 4, "uncertain": 6, "control": 12}),  # ties, and nearly
        (60, 4, [0.5], {"calls": 3, "uncertain": 3, "control": 7}),  # a model that always says the same
        (60, 5, [1e-17, 1.0, 0.0], {"calls": 0, "uncertain": 0, "control": 5}),
        (60, 6, None, {"calls": 0, "uncertain": 0, "control": 0}),  # nothing
        (60, 6, [0.5], {"calls": 2, "uncertain": 2, "control": 0}),
        (5, 6, None, {}),  # fewer than the policy asks for
        (0, 7, None, {}),
    ],
)
def test_the_lake_chooses_what_sorting_everything_chooses(fill, classifier, size, seed, values, changed):
    """The same texts for the same reasons in the same order, whatever ties there are."""
    store, asked = fill(size, seed, values), policy(classifier, **changed)
    found = choose(store, asked, "1", 0.37)
    assert list(zip(found["text_id"], found["chosen"], strict=True)) == sorted_whole(
        outside(store), asked.explain, 0.37
    )
    now = store.read("texts").set_index("text_id")
    assert found["text"].tolist() == now.loc[found["text_id"], "text"].tolist()


@pytest.mark.parametrize(
    "where", ["party=SPD", "party=", "probability>=0.5,label=call", "scored_at>=2026-09-01", "posted_at<2026-09-03"]
)
def test_the_lake_selects_what_a_filter_selects(fill, classifier, where):
    """Batch by batch as in one frame, annotated texts too."""
    store = fill(60, 8)
    wanted = select(whole(store), where).sort_values("text_id")["text_id"].tolist()
    found = _selected(store, classifier, "1", where)
    assert wanted
    assert found["text_id"].tolist() == wanted
    assert set(found["chosen"]) == {"where"}


def test_counts_are_those_of_the_rows(fill, classifier):
    """Texts, calls and undecided outside the ledger, and the same by party; where nobody knows the account it is the
    post, or the text where there is none, whatever its id looks like."""
    store = fill(80, 9)
    frame, posts = outside(store), findings.posts(classifier, "1")
    calls = frame["label"] == "call"
    found = findings.counts(store, classifier, posts)
    assert (found.texts, found.calls, found.undecided) == (len(frame), calls.sum(), (~frame["confident"]).sum())
    by_party = frame.assign(call=calls, party=frame["party"].fillna("")).groupby("party")["call"].agg(["size", "sum"])
    counted = _counted(store, classifier, posts)
    told = [(one.party or "", one.texts, one.calls) for one in _parties(counted, spread_of(counted))]
    assert told == list(by_party.itertuples(name=None))
    accounts = set(frame["author"].fillna(frame["post_id"]).fillna(frame["text_id"]))
    assert spread_of(counted).clusters == len(accounts)


def test_the_policy_chooses(settings, classifier):
    """The surest calls, the nearest to the threshold, and a control of the others - each text once."""
    odds = {"a": 0.99, "b": 0.9, "c": 0.7, "d": 0.45, "e": 0.2, "f": 0.1}
    store, draw = Store(settings.lake), Random(1)
    for n, (name, one) in enumerate(odds.items()):
        row = Text(**{**vars(text(n, draw)), "text_id": name})
        label, both = "call" if one >= 0.5 else "no_call", {"no_call": 1 - one, "call": one}
        store.put("texts", [row])
        store.put("predictions", [Prediction(KEY, name, row.digest, "1", label, both, True, NOW, "r")])
    found = choose(store, policy(classifier, calls=2, uncertain=1, control=1), "1", 0.5)
    assert found["chosen"].tolist() == ["call", "call", "uncertain", "control"]
    assert found["text_id"].tolist()[:3] == ["a", "b", "d"]
    assert found["text_id"].tolist()[3] in {"c", "e", "f"}
    every = choose(store, policy(classifier, calls="all", uncertain=1, control=1), "1", 0.5)
    assert every["chosen"].tolist() == ["call", "call", "call", "uncertain", "control"]


def test_all_calls_are_explained_in_the_end(fill, classifier, monkeypatch):
    """Those of a day on which explaining failed follow later, also where it takes several times; others do not."""
    monkeypatch.setattr(chosen, "_AT_ONCE", 7)
    store, asked = fill(60, 11), policy(classifier, calls="all", uncertain=3, control=3, mismatches=0)
    frame = outside(store)
    calls = frame[frame["label"] == "call"]
    assert calls["scored_at"].dt.date.nunique() == 2
    explained: list[str] = []
    version = Version("1", "r", "", {"aufruf.threshold": "0.5"}, 0)
    while (found := unexplained(store, asked, version, None))["chosen"].eq("call").any():
        some = found[found["chosen"] == "call"]
        assert len(some) <= 7
        explained += some["text_id"].tolist()
        rows = [
            Explanation(KEY, row["text_id"], row["digest"], "1", "call", "call", "[]", 0.9, 1.0, NOW)
            for row in some.to_dict("records")
        ]
        store.add("explanations", rows)
    assert sorted(explained) == sorted(calls["text_id"])


def test_nothing_but_what_is_chosen_is_read_whole(fill, classifier, monkeypatch):
    """Of 400 texts the choice holds the words of what it chooses."""
    store, read = fill(400, 10), []
    plainly = Store.read

    def watched(self, table, *args, **named):
        found = plainly(self, table, *args, **named)
        read.append((table, len(found)))
        return found

    monkeypatch.setattr(Store, "read", watched)
    found = choose(store, policy(classifier, calls=3, uncertain=2, control=2), "1", 0.5)
    assert len(found) == 7
    assert max(rows for _, rows in read) == 7
