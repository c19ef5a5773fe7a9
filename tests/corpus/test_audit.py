"""What the audit says: pairs kept together, what a random split would leak, what the test set can tell apart."""

import json
import re
from math import sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.corpus.conftest import classifier, decided, text

from aufruf.data.audit import kept_together, notebook
from aufruf.data.power import power
from aufruf.errors import UsageError
from aufruf.reports.audit import AuditReport, render
from aufruf.reports.finding import key_of
from aufruf.schemas import Prediction
from aufruf.settings import Settings
from aufruf.steps.split import split
from aufruf.store import Store

LONG = "Am Sonntag ist Wahltag: bitte geht alle wählen und nehmt eure Nachbarn gleich mit!"


def test_pairs_are_counted_as_texts() -> None:
    """Two wordings with three and two texts: four pairs of one wording, six of near-duplicates, one group of five."""
    rows = pd.DataFrame({"split": "train", "group_id": "g", "wording": ["a"] * 3 + ["b"] * 2})
    rows.loc[5] = ["test", "h", "c"]
    kept = kept_together(rows, [("a", "b")])
    assert (kept.same, kept.near, kept.groups, kept.texts, kept.apart) == (4, 6, 1, 5, 0)
    torn = kept_together(rows.assign(split=["train"] * 4 + ["test"] * 2), [("a", "b")])
    assert torn.apart == 1 + 3  # the pair of b, and three of a beside the b in test


def test_the_notebook_validates_on_its_test_rows() -> None:
    """Both draws come from all texts with one seed, so every test row is a validation row: 278 of 347 in the source."""
    rows = pd.DataFrame(
        {
            "text_id": [f"t{at:04}" for at in range(1388)],
            "label": ["call"] * 264 + ["no_call"] * 1124,
            "wording": [f"w{at}" for at in range(1388)],
            "post": None,
        }
    )
    leaked = notebook(rows, [], 5460)
    assert leaked is not None
    assert (leaked.test, leaked.validation, leaked.test_in_validation) == (278, 347, 278)
    assert (leaked.pairs, leaked.posts, leaked.test_affected) == (0, 0, 0)
    twice = notebook(rows.assign(wording=[f"w{at // 2}" for at in range(1388)]), [], 5460)
    near = notebook(rows, [(f"w{at}", f"w{at + 1}") for at in range(0, 1388, 2)], 5460)
    posts = notebook(rows.assign(post=[f"x\0{at // 2}" for at in range(1388)]), [], 5460)
    assert twice is not None
    assert near is not None
    assert posts is not None
    assert twice.pairs == near.pairs == posts.posts > 200
    assert twice.test_affected == near.test_affected == posts.test_affected > 150
    assert notebook(rows[:5], [], 5460) is None


def test_power_is_that_of_the_formula() -> None:
    """Without a second model 2.80 times the root of 2 times the error; one that errs alike leaves less."""
    random = np.random.default_rng(1)
    truth = random.random(1000) < 0.2
    said = np.where(random.random(1000) < 0.1, ~truth, truth)
    groups = [str(at) for at in range(1000)]
    alone = power(truth, said, None, groups, 1)
    assert alone is not None
    hits = (truth & said).sum()
    assert alone.f1 == pytest.approx(2 * hits / (truth.sum() + said.sum()))
    assert alone.detectable == pytest.approx(2.8016 * sqrt(2) * alone.standard_error, rel=1e-3)
    factor = (alone.detectable / 0.03) ** 2
    assert alone.more_positives == pytest.approx(alone.positives * (factor - 1), abs=1)
    other = said.copy()
    other[:40] = ~other[:40]
    paired = power(truth, said, other, groups, 1, least=3)
    assert paired is not None
    assert paired.correlation is not None
    assert 0 < paired.detectable < 0.9 * alone.detectable


@pytest.mark.parametrize("differ", [0, 1, 2])
def test_a_model_that_answers_alike_tells_nothing_of_others(differ: int) -> None:
    """A second version with the same answers, or with a handful of others, is none: not every difference is found."""
    random = np.random.default_rng(1)
    truth = random.random(300) < 0.2
    said = np.where(random.random(300) < 0.1, ~truth, truth)
    groups = [str(at // 4) for at in range(300)]
    other = said.copy()
    other[: 4 * differ] = ~other[: 4 * differ]  # of so many groups all four texts
    assert power(truth, said, other, groups, 1, least=3) == power(truth, said, None, groups, 1)
    assert power(truth, said, said.copy(), groups, 1) == power(truth, said, None, groups, 1)
    assert power(truth, said, truth, groups, 1, least=3) == power(truth, said, None, groups, 1)  # F1 never varies


def test_texts_of_one_group_tell_less_than_texts_of_many() -> None:
    """Four reposts of each text are no four texts: the error is twice that of as many single ones."""
    random = np.random.default_rng(2)
    truth = random.random(500) < 0.3
    said = np.where(random.random(500) < 0.15, ~truth, truth)
    four, single = [str(at // 4) for at in range(2000)], [str(at) for at in range(2000)]
    grouped, alone = (power(truth.repeat(4), said.repeat(4), None, names, 1) for names in (four, single))
    assert grouped is not None
    assert alone is not None
    assert grouped.standard_error / alone.standard_error == pytest.approx(2, rel=0.1)


def test_without_positives_there_is_no_power() -> None:
    """An F1 that never varies can tell nothing apart, and no number says that it could: with none or all found."""
    none, groups = np.zeros(50, dtype=bool), [str(at) for at in range(50)]
    assert power(none, none, None, groups, 1) is None
    some = np.arange(50) < 10
    assert power(some, some.copy(), None, groups, 1) is None


def fill(store: Store) -> None:
    texts = [text(f"t{at}", f"Text Nummer {at}", post=f"p{at}") for at in range(40)]
    texts += [text("<script>alert(1)</script>", LONG), text("near", f"{LONG} Jetzt")]
    store.put("texts", texts)
    store.put("labels", [decided(t.text_id, ("call", "no_call")[at % 2]) for at, t in enumerate(texts)])


def test_the_audit_says_the_same_on_the_page_and_in_json(settings: Settings, store: Store) -> None:
    """Sizes add up, near-duplicates are together, and without a champion the page says so."""
    fill(store)
    result = split(settings, classifier(), audit=True)
    found = result["audit"]
    assert json.loads(json.dumps(found)) == found
    assert sum(side["texts"] for side in found["sizes"].values()) == found["proved"] == 42
    assert found["kept"] == {"same": 0, "near": 1, "groups": 1, "texts": 2, "apart": 0}
    assert found["notebook"]["test_in_validation"] == found["notebook"]["test"] > 0
    assert found["power"]["why"] == "there is no champion yet"
    shown = Path(result["page"]).read_text("utf-8")
    assert "there is no champion yet" in shown
    assert re.search(r"<b>42</b> texts of the ledger are proved disjoint", shown)


def test_the_page_runs_nothing() -> None:
    """Ids and reasons are shown as they are, whatever they hold, and no script is on the page."""
    side = {"texts": 1, "groups": 1, "labels": {"<b>": 1}, "text_types": {"<i>": 1}}
    found = {
        "sizes": dict.fromkeys(("train", "validation", "test"), side),
        "shares": {"train": 0.6, "validation": 0.2, "test": 0.2},
        "kept": {"same": 0, "near": 0, "groups": 0, "texts": 0, "apart": 0},
        "set_aside": 1,
        "left_out": 0,
        "tombstones": 0,
        "proved": 3,
        "notebook": None,
        "power": {"why": "<script>"},
    }
    page = render(AuditReport("c", found, [("<script>alert(1)</script>", "<img onerror=x>")]))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert f'data-text="{key_of("<script>alert(1)</script>")}"' in page  # by which forget finds it


def test_folds_come_as_figures_and_as_a_file(settings: Settings, store: Store) -> None:
    """Every text of train and validation is in one fold; an id that is a formula is not run by a spreadsheet."""
    fill(store)
    store.put("texts", [text("=1+1", "Rechnung")])
    store.put("labels", [decided("=1+1")])
    out = settings.home / "folds.csv"
    result = split(settings, classifier(), folds=5, out=out)
    table = pd.read_csv(out)
    assert len(table) == sum(one["texts"] for one in result["folds"]) == result["train"] + result["validation"]
    assert set(table["fold"]) == {1, 2, 3, 4, 5}
    assert not any(one.startswith("=") for one in table["text_id"])
    with pytest.raises(UsageError, match="groups do not make 1000 folds"):
        split(settings, classifier(), folds=1000)
    with pytest.raises(UsageError, match="--folds 1: that is no split"):
        split(settings, classifier(), folds=1)
    with pytest.raises(UsageError, match="--out needs"):
        split(settings, classifier(), out=out)


def champion_says(settings: Settings, store: Store, wrong: int) -> tuple[dict, pd.DataFrame]:
    """What the audit says of power where the champion's answers to so many test texts are wrong; and the test rows."""
    from aufruf.release.registry import CHAMPION, Registry

    fill(store)
    split(settings, classifier())
    registry = Registry(settings, "c")
    registry.client.create_registered_model("c")
    made = registry.client.create_model_version("c", settings.home.as_uri())
    registry.point(CHAMPION, str(made.version))
    if not wrong:  # else a draw without positives has an F1 of 0
        store.put("labels", store.read("labels").assign(label="call"))
    labels = store.read("labels").set_index("text_id")["label"]
    test = store.read("splits")
    test = test[test["split"] == "test"].sort_values("text_id")
    turned = {"call": "no_call", "no_call": "call"}
    said = [labels[one] if at >= wrong else turned[labels[one]] for at, one in enumerate(test["text_id"])]
    rows = [
        Prediction("c", one, digest, str(made.version), label, {"call": 0.5}, True, test["assigned_at"].iloc[0], "r")
        for one, digest, label in zip(test["text_id"], test["digest"], said, strict=True)
    ]
    store.add("predictions", rows)
    result = split(settings, classifier(), audit=True)
    assert (result["audit"]["power"]["why"] or "points") in Path(result["page"]).read_text("utf-8")
    return result["audit"]["power"], test.assign(label=labels[test["text_id"]].tolist())


def test_power_reads_the_champion_s_predictions(settings: Settings, store: Store) -> None:
    """With a champion that has answered test, the audit gives the difference it can tell apart."""
    found, test = champion_says(settings, store, 1)
    assert (found["why"], found["version"], found["texts"]) == (None, "1", len(test))
    assert found["positives"] == (test["label"] == "call").sum()


def test_a_champion_without_a_fault_is_not_said_to_find_nothing(settings: Settings, store: Store) -> None:
    """Its F1 is the same in every draw; why no difference can be told is true of it, too."""
    found, _ = champion_says(settings, store, 0)
    assert "finds all of the positives and nothing else, or none" in found["why"]
