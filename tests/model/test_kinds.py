"""Binary, multi-class and multi-label: one training, one bundle, one predictor, one baseline, one measure."""

import json
import random
from dataclasses import replace

import numpy as np
import pytest

from aufruf.errors import TrainingFailed
from aufruf.model import baseline, bundle, calibration
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.evaluation import Judged, best_threshold, f1_by_label, measure
from aufruf.model.predictor import Predictor
from aufruf.model.recipe import Examples
from aufruf.model.training import fine_tune

TYPES = ("support", "inform", "interact")
SAYS = {
    "support": "spendet jetzt",
    "inform": "kommt zum infostand",
    "interact": "geht wählen",
    "call": "geht wählen",
}
KINDS = {
    "binary": (("no_call", "call"), [(), ("call",)]),
    "multi-class": (("none", *TYPES), [(), *((one,) for one in TYPES)]),
    "multi-label": (TYPES, [(), *((one,) for one in TYPES), ("support", "interact")]),
}


def campaign(kind: str, count: int, seed: int) -> Examples:
    """Texts that say in words which labels they have; a text that has none says something else."""
    labels, sets = KINDS[kind]
    draw = random.Random(seed)
    given = [sets[at % len(sets)] for at in range(count)]
    starts = [" ".join(SAYS[one] for one in some) or "die partei hat getagt" for some in given]
    texts = [
        f"{start} {' '.join(draw.choices(['euch', 'allen', '🗳️'], k=draw.randint(0, 4)))}".strip() for start in starts
    ]
    named = [set(some) or {labels[0]} for some in given] if kind != "multi-label" else given
    rows = [[int(label in some) for label in labels] for some in named]
    ids = [f"t{at}" for at in range(count)]
    return Examples(ids, texts, rows, ids, kind == "multi-label")


@pytest.fixture(scope="module")
def calm(calm_bert, encoder) -> ResolvedEncoder:
    """The tiny encoder without dropout."""
    return replace(encoder, folder=calm_bert)


@pytest.fixture(scope="module", params=KINDS)
def learnt(request, tmp_path_factory, calm, recipe):
    """A training of each kind: its name, the training, and the predictor of its bundle."""
    kind, folder = request.param, tmp_path_factory.mktemp(request.param)
    labels, at = KINDS[kind][0], 1
    recipe = replace(recipe, epochs=20, patience=20, metric="macro_f1")
    trained = fine_tune(calm, labels, at, campaign(kind, 160, 1), campaign(kind, 48, 2), recipe, folder)
    card = bundle.Card(
        labels, labels[at], 0.5, 32, "head_tail", "tiny-bert", None, recipe.as_dict(), "mark", kind == "multi-label"
    )
    return kind, trained, Predictor.load(trained.folder, bundle.seal(trained.folder, card))


def test_a_kind_is_learnt(learnt):
    """What the words give away is learnt: every label, on texts that were not seen."""
    kind, trained, predictor = learnt
    test = campaign(kind, 60, 3)
    probabilities = predictor.probabilities(test.texts)
    judged = Judged(test.truth, predictor.decide(probabilities), probabilities[:, 1], 1)
    assert min(f1_by_label(judged)) > 0.75, kind
    assert measure(judged)["average_precision"] > 0.9
    assert trained.best_value > 0.85


def test_one_label_or_any_number(learnt):
    """Probabilities of a single label sum to 1, and it is one label that is said; of several each stands for itself."""
    kind, _, predictor = learnt
    test = campaign(kind, 60, 3)
    probabilities = predictor.probabilities(test.texts)
    numbers = {len(labels) for labels in predictor.said(probabilities)}
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    if kind == "multi-label":
        assert numbers >= {0, 1, 2}
        assert np.ptp(probabilities.sum(axis=1)) > 0.5
    else:
        assert numbers == {1}
        assert probabilities.sum(axis=1) == pytest.approx(np.ones(60))


def test_the_weights_say_their_kind(learnt):
    """Whoever loads the folder without us is told that its labels do not exclude each other."""
    kind, trained, _ = learnt
    config = json.loads((trained.folder / "config.json").read_text("utf-8"))
    several = "multi_label" if kind == "multi-label" else "single_label"
    assert config["problem_type"] == f"{several}_classification"


def test_a_bundle_of_before_there_were_kinds_is_a_single_label_one(bundled):
    """A card that does not say ``multi_label`` loads, and means one label."""
    folder, _ = bundled
    card = json.loads((folder / bundle.CARD).read_text("utf-8"))
    assert card.pop("multi_label") is False
    (folder / bundle.CARD).write_text(json.dumps(card), "utf-8")
    manifest = json.loads((folder / bundle.MANIFEST).read_text("utf-8"))
    manifest[bundle.CARD] = bundle._digest(folder / bundle.CARD)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest), "utf-8")
    assert bundle.verify(folder).multi_label is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_baseline_knows_each_kind(kind):
    """TF-IDF and logistic regression learn the same toy, one regression a label where a text may have several."""
    train, validation, test = (campaign(kind, 80, seed) for seed in (1, 2, 3))
    found = baseline.judge(train, validation, test, positive=1, seed=1)
    assert min(f1_by_label(found)) > 0.9
    assert (found.predicted.sum(axis=1) == 1).all() == (kind != "multi-label")
    raw = baseline.fit(train, 1).predict_proba(validation.texts)
    calibrated = calibration.fit(raw, validation.truth, 1, train.several).apply(raw, train.several)
    tuned = best_threshold(validation.truth[:, 1], calibrated[:, 1])
    assert (found.predicted[:, 1] == (found.scores >= tuned)).all()


@pytest.mark.parametrize("said", ["no", "every"])
def test_a_label_that_cannot_be_learnt_fails_loudly(said, encoder, recipe, tmp_path):
    """A label that no text has, or that every text has, is named before anything is computed."""
    rows = campaign("multi-label", 16, 1)
    fixed = [[*row[:2], int(said == "every")] for row in rows.targets]
    rows = Examples(rows.text_ids, rows.texts, fixed, rows.groups, several=True)
    with pytest.raises(TrainingFailed, match=f"{said} training text is labelled 'interact'"):
        fine_tune(encoder, TYPES, 0, rows, rows, recipe, tmp_path / "run")
