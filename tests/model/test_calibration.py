"""Calibrated probabilities mean what they say, and they are in the weights: nobody has to know of the calibration."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ModernBertConfig,
    XLMRobertaConfig,
    pipeline,
)

from aufruf.model import bundle, calibration
from aufruf.model.calibration import Calibration, fit, fold
from aufruf.model.evaluation import Judged, measure, one_hot, probabilities_of
from aufruf.model.predictor import Predictor

SMALL = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 90}
FAMILIES = {
    "bert": BertConfig(**SMALL),
    "distilbert": DistilBertConfig(dim=32, hidden_dim=64, n_layers=1, n_heads=2, vocab_size=90),
    "modernbert": ModernBertConfig(**SMALL, pad_token_id=0, reference_compile=False),
    "xlm-roberta": XLMRobertaConfig(**SMALL),
}


def answers(rows: int, labels: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and outcomes that happen as often as the softmax of them says."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 1.5, (rows, labels))
    odds = probabilities_of(logits, several=False)
    drawn = (random.random((rows, 1)) > odds.cumsum(axis=1)).sum(axis=1)
    return logits, one_hot(np.minimum(drawn, labels - 1), labels)


def error(odds: np.ndarray, truth: np.ndarray) -> float:
    return measure(Judged(truth, truth, odds[:, 1], 1))["calibration_error"]


@pytest.mark.parametrize(("positive", "scale", "shift"), [(1, 3.0, 2.5), (0, 0.4, -1.0)])
def test_two_labels_are_scaled_and_shifted_back(positive, scale, shift):
    """What multiplied and shifted the logits of true probabilities is found, and undone, whichever label counts."""
    logits, truth = answers(4000, 2)
    spoilt = logits * scale
    spoilt[:, positive] += shift
    odds = probabilities_of(spoilt, several=False)
    found = fit(odds, truth, positive, several=False)
    assert (found.method, found.texts) == ("platt", 4000)
    assert found.scale == pytest.approx([1 / scale] * 2, rel=0.1)
    assert found.shift[positive] == pytest.approx(-shift / scale, abs=0.15)
    assert found.shift[1 - positive] == 0
    mended = found.apply(odds, several=False)
    assert np.abs(mended - probabilities_of(logits, several=False)).max() < 0.05
    assert error(mended, truth) < 0.03 < error(odds, truth)


def test_more_labels_have_one_temperature():
    """Overconfident logits of four labels are divided by what multiplied them; the likeliest label stays."""
    logits, truth = answers(3000, 4)
    odds = probabilities_of(2.5 * logits, several=False)
    found = fit(odds, truth, 1, several=False)
    assert found.method == "temperature"
    assert found.scale == pytest.approx([0.4] * 4, rel=0.1)
    assert found.shift == [0, 0, 0, 0]
    assert (found.apply(odds, several=False).argmax(axis=1) == odds.argmax(axis=1)).all()


def test_several_labels_are_calibrated_each():
    """Each label has a scale and a shift of its own."""
    random = np.random.default_rng(1)
    logits = random.normal(-1, 1.5, (3000, 3))
    truth = random.random((3000, 3)) < probabilities_of(logits, several=True)
    spoilt = logits * [1.0, 3.0, 0.5] + [0.0, 1.0, -1.0]
    odds = probabilities_of(spoilt, several=True)
    found = fit(odds, truth, 0, several=True)
    assert found.scale == pytest.approx([1, 1 / 3, 2], rel=0.15)
    assert found.shift == pytest.approx([0, -1 / 3, 2], abs=0.3)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000), st.sampled_from([2, 3, "several"]))
def test_a_few_texts_turn_nothing_round(rows, seed, kind):
    """On one to twelve texts with any outcome: scales between a tenth and ten, all finite, the order stays."""
    random = np.random.default_rng(seed)
    several, labels = kind == "several", 3 if kind == "several" else kind
    odds = probabilities_of(random.normal(0, 8, (rows, labels)), several)
    truth = random.random((rows, labels)) < 0.5 if several else one_hot(random.integers(0, labels, rows), labels)
    found = fit(odds, truth, 1, several)
    if found is not None:
        assert all(0.0999 < one < 10.001 for one in found.scale)
        assert np.isfinite(found.shift).all()
        grid = probabilities_of(np.stack([np.zeros(50), *[np.linspace(-5, 5, 50)] * (labels - 1)], axis=1), several)
        assert (np.diff(found.apply(grid, several)[:, 1]) >= 0).all()


@pytest.mark.parametrize("truth", [[[1, 0]] * 9, [[0, 1]] * 9])
def test_one_answer_alone_calibrates_nothing(truth):
    """Where all texts have one label there is nothing to fit; and no text at all is no error."""
    odds = np.tile([0.3, 0.7], (9, 1))
    assert fit(odds, np.array(truth, dtype=bool), 1, several=False) is None
    assert fit(odds[:0], np.zeros((0, 2), dtype=bool), 1, several=False) is None
    assert fit(odds, np.array(truth, dtype=bool), 1, several=True) is None


def test_separated_texts_do_not_make_probabilities_certain():
    """A model that makes no error on 20 texts is not thereby right for ever: smoothed targets keep it below 0.99."""
    truth = one_hot(np.array([0, 1] * 10), 2)
    odds = np.where(truth, 0.8, 0.2)
    mended = fit(odds, truth, 1, several=False).apply(odds, several=False)
    assert 0.8 < mended[1, 1] < 0.99


@pytest.mark.parametrize("family", FAMILIES)
def test_folding_gives_the_calibrated_logits(family, tmp_path):
    """In each family the last layer takes up scale and shift: the logits of the saved weights are the calibrated."""
    config = FAMILIES[family]
    config.num_labels = 3
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    model.save_pretrained(tmp_path)
    ids = torch.randint(5, 90, (4, 7))
    with torch.inference_mode():
        before = model(ids).logits
        assert fold(tmp_path, model, Calibration("platt", [0.5, 2.0, 1.0], [0.1, -0.2, 3.0], 9))
        after = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()(ids).logits
    expected = before * torch.tensor([0.5, 2.0, 1.0]) + torch.tensor([0.1, -0.2, 3.0])
    assert torch.allclose(after, expected, atol=1e-6)


def test_a_layer_without_a_bias_stays_as_it_is(tmp_path):
    """What cannot hold a shift is left alone, to the byte, and the caller is told."""

    class Bare(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score = torch.nn.Linear(4, 2, bias=False)

    model = Bare()
    save_file(dict(model.state_dict()), tmp_path / "model.safetensors")
    before = (tmp_path / "model.safetensors").read_bytes()
    assert fold(tmp_path, model, Calibration("platt", [2.0, 2.0], [0.0, 1.0], 9)) is False
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_others_get_calibrated_probabilities_too(bundled, predictor):
    """transformers' own pipeline on the folder gives what our predictor gives, and both are the calibrated ones."""
    folder, _ = bundled
    texts = ["geht am sonntag wählen", "die partei hat gestern getagt", "wir danken euch"]
    found = Calibration("platt", [0.6, 0.6], [0.0, -0.8], 24)
    expected = found.apply(predictor.probabilities(texts), several=False)
    assert fold(folder, predictor.model, found)
    card = replace(predictor.card, calibration=found.as_dict())
    ours = Predictor.load(folder, bundle.seal(folder, card))
    assert ours.probabilities(texts) == pytest.approx(expected, abs=1e-5)
    theirs = pipeline("text-classification", model=str(folder), tokenizer=str(folder), top_k=None)(texts)
    said = np.array([[one["score"] for label in card.labels for one in row if one["label"] == label] for row in theirs])
    assert said == pytest.approx(expected, abs=1e-5)
    assert Calibration(**ours.card.calibration).as_dict() == found.as_dict()


def test_a_bundle_of_before_there_was_calibration_loads(bundled):
    """A card that does not say ``calibration`` is one of a model that has none."""
    folder, _ = bundled
    card = json.loads((folder / bundle.CARD).read_text("utf-8"))
    assert card.pop("calibration") is None
    (folder / bundle.CARD).write_text(json.dumps(card), "utf-8")
    manifest = json.loads((folder / bundle.MANIFEST).read_text("utf-8"))
    manifest[bundle.CARD] = bundle._digest(folder / bundle.CARD)
    (folder / bundle.MANIFEST).write_text(json.dumps(manifest), "utf-8")
    assert bundle.verify(folder).calibration is None


def test_folding_is_the_same_every_time(bundled, predictor, tmp_path):
    """The same weights and calibration give the same bytes: a repeated tuning uploads nothing anew."""
    folder, _ = bundled
    other = Path(shutil.copytree(folder, tmp_path / "other"))
    for one in (folder, other):
        fold(one, predictor.model, Calibration("platt", [0.7, 0.7], [0.0, 0.3], 24))
    assert (folder / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
    assert not torch.equal(
        load_file(folder / "model.safetensors")["classifier.weight"], predictor.model.classifier.weight
    )


def test_a_fit_that_is_no_better_is_none():
    """True probabilities stay as they are, or nearly so: nothing is calibrated away."""
    logits, truth = answers(6000, 2)
    odds = probabilities_of(logits, several=False)
    found = fit(odds, truth, 1, several=False)
    mended = odds if found is None else found.apply(odds, several=False)
    assert np.abs(mended - odds).max() < 0.03
    assert calibration.fit(mended, truth, 1, several=False) is None or error(mended, truth) < 0.03
