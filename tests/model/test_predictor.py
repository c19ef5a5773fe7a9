"""Probabilities belong to their text, however texts are sorted and batched on the way."""

import random

import numpy as np
import pytest
import torch

from aufruf.model.device import Device
from aufruf.model.predictor import Predictor

TOLERANCE = 0.02  # bf16 products differ in the last digits with the width of a batch


@pytest.fixture
def native(sealed):
    """The predictor with half precision, where this machine multiplies in it, however fast."""
    with pytest.MonkeyPatch.context() as patch:
        able = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        patch.setattr("aufruf.model.device.find", lambda: Device("cpu", "native", able))
        return Predictor.load(*sealed)


@pytest.fixture
def texts(examples):
    return [*examples(40, 7).texts, "", "🗳️", "x" * 500]


def test_rows_sum_to_one(predictor, texts):
    """One row a text, one column a label, every row a distribution."""
    found = predictor.probabilities(texts)
    assert found.shape == (len(texts), 2)
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-9)
    assert ((found >= 0) & (found <= 1)).all()


@pytest.mark.parametrize(("name", "within"), [("native", TOLERANCE), ("predictor", 1e-6)])
def test_order_and_batches_do_not_matter(request, texts, name, within):
    """Alone, together, shuffled, in batches of any budget: a text has one probability, at its own place."""
    predictor = request.getfixturevalue(name)
    together = predictor.positives(texts)
    alone = np.array([predictor.positives([text])[0] for text in texts])
    order = list(range(len(texts)))
    random.Random(1).shuffle(order)
    shuffled = predictor.positives([texts[at] for at in order])
    assert together == pytest.approx(alone, abs=within)
    assert shuffled == pytest.approx(together[order], abs=within)
    before, predictor.tokens_per_batch = predictor.tokens_per_batch, 64
    assert predictor.positives(texts) == pytest.approx(together, abs=within)
    predictor.tokens_per_batch = before


def test_the_answers_are_not_all_alike(predictor):
    """The order is proved by texts that the model tells apart."""
    found = predictor.positives(["geht am sonntag wählen", "die partei hat gestern getagt"] * 3)
    assert (found.round() == [1, 0] * 3).all()


def test_no_texts_no_rows(predictor):
    """An empty list gives an empty table of the right width."""
    assert predictor.probabilities([]).shape == (0, 2)
    assert predictor.decide(predictor.probabilities([])).shape == (0, 2)
    assert predictor.said(predictor.probabilities([])) == []


@pytest.mark.parametrize("budget", [1, 32, 100, 5000])
def test_the_budget_is_respected(predictor, budget):
    """No batch has more padded tokens than the budget, except a single text; each text is in exactly one."""
    lengths = [random.Random(n).randint(2, 60) for n in range(200)]
    before, predictor._budget = predictor._budget, budget
    batches = list(predictor._batches(lengths))
    predictor._budget = before
    assert sorted(at for batch in batches for at in batch) == list(range(200))
    assert all(len(batch) == 1 or len(batch) * max(lengths[at] for at in batch) <= budget for batch in batches)
    assert batches[0][0] == lengths.index(max(lengths))


def test_progress_counts_every_text(predictor, texts):
    """Whoever shows a bar is told of every text once."""
    told = []
    predictor.probabilities(texts, progress=told.append)
    assert sum(told) == len(texts)


def test_the_bundles_threshold_decides(predictor):
    """Without another one the card's threshold (0.4) decides."""
    odds = np.array([[0.61, 0.39], [0.6, 0.4], [0.1, 0.9]])
    assert predictor.said(odds) == [["no_call"], ["call"], ["call"]]
    assert predictor.decide(odds).tolist() == [[True, False], [False, True], [False, True]]
    assert predictor.decide(odds, threshold=0.95).tolist() == [[True, False]] * 3


def test_the_next_batch_is_begun_before_answers_are_fetched(predictor, texts, monkeypatch):
    """A device that computes by itself never waits for the answers of the last batch; none is forgotten at the end."""
    done: list[str] = []
    for name in ("_begun", "_fetched"):
        inner = getattr(predictor, name)
        monkeypatch.setattr(predictor, name, lambda *x, inner=inner, name=name: (done.append(name), inner(*x))[1])
    monkeypatch.setattr(predictor, "tokens_per_batch", 128)
    assert np.isfinite(predictor.positives(texts)).all()
    batches = done.count("_begun")
    assert batches > 3
    assert done == ["_begun", *["_begun", "_fetched"] * (batches - 1), "_fetched"]


def test_a_gpu_computes_while_texts_become_tokens(predictor, texts, monkeypatch):
    """The parts are all the texts in their order, each with the tokens that it has alone; a CPU makes one part."""
    whole = predictor.tokenizer(texts).ids
    assert list(predictor._tokens(texts)) == [(0, whole)]
    monkeypatch.setattr(predictor, "device", Device("cuda", "x", True, True))
    monkeypatch.setattr("aufruf.model.predictor._AHEAD", 10)
    parts = list(predictor._tokens(texts))
    assert [first for first, _ in parts] == list(range(0, len(texts), 10))
    assert [ids for _, part in parts for ids in part] == whole


def test_parts_of_the_texts_are_put_together_in_their_places(predictor, texts, monkeypatch):
    """However many parts: a row a text, in its place, and the same in one part; equal texts may stand in several."""
    texts = [*texts, *texts[:7]]
    whole, parts = predictor.positives(texts), []
    inner = predictor.tokenizer

    def cut(texts):
        for first in range(0, len(texts), 10):
            parts.append(first)
            yield first, inner(texts[first : first + 10]).ids

    monkeypatch.setattr(predictor, "_tokens", cut)
    assert predictor.positives(texts) == pytest.approx(whole, abs=1e-6)
    assert parts == list(range(0, len(texts), 10))
