"""Scoring goes on where the memory of the device does not have room for a batch, or a model gives no number."""

import numpy as np
import pytest
import torch

from aufruf.errors import MemoryFull
from aufruf.model.device import Device
from aufruf.model.predictor import NO_NUMBER, NO_ROOM, Predictor


class Short:
    """A model with room for ``room`` tokens at once, padding counted; ``tried`` are the batches put into it."""

    def __init__(self, model, room):
        self.model, self.room, self.tried = model, room, []

    def __call__(self, **batch):
        self.tried.append(tuple(batch["input_ids"].shape))
        if batch["input_ids"].numel() > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return self.model(**batch)


@pytest.fixture
def exact(sealed, monkeypatch):
    monkeypatch.setattr("aufruf.model.device.find", lambda: Device("cpu", "fp32", False))
    return Predictor.load(*sealed)


@pytest.fixture
def texts(examples):
    return [*examples(60, 7).texts, "die partei hat gestern getagt " * 8]


def test_the_batch_is_halved_and_the_answers_are_the_same(exact, texts):
    """With room for 64 tokens every text has the probability that it has with room for all, and later batches fit."""
    whole = exact.probabilities(texts)
    exact.model = short = Short(exact.model, 64)
    found = exact.score(texts)
    assert found.refused == {}
    assert found.probabilities == pytest.approx(whole, abs=1e-6)
    failed = [rows * width for rows, width in short.tried if rows * width > 64]
    assert failed == sorted(failed, reverse=True)
    assert len(failed) <= 6, "once halved, a batch stays small"
    short.room, before = 10**6, len(short.tried)
    exact.score(texts)
    assert max(rows * width for rows, width in short.tried[before:]) > 64, "the next call may find more memory"


def test_a_text_that_does_not_fit_alone_is_refused(exact, texts):
    """The one long text is refused with its reason; the others are scored, and the bar is told of all."""
    whole, told = exact.probabilities(texts), []
    exact.model = Short(exact.model, 24)
    found = exact.score(texts, told.append)
    long = [at for at, ids in enumerate(exact.tokenizer(texts).ids) if len(ids) > 24]
    assert len(texts) - 1 in long
    assert found.refused == dict.fromkeys(long, NO_ROOM)
    kept = [at for at in range(len(texts)) if at not in long]
    assert found.probabilities[kept] == pytest.approx(whole[kept], abs=1e-6)
    assert np.isnan(found.probabilities[long]).all()
    assert sum(told) == len(texts)


def test_memory_that_others_hold_refuses_no_text(exact, texts):
    """Where not even a short text has room it is not the text's fault: the call fails, and may be tried again."""
    exact.model = Short(exact.model, 0)
    with pytest.raises(MemoryFull, match="short text"):
        exact.score(["geht wählen"])


def test_no_number_is_refused_for_the_text_that_has_none(exact, texts):
    """NaN for one text of a batch costs that text alone."""
    whole, inner, bad = exact.probabilities(texts), exact.model, exact.tokenizer(texts[:1]).ids[0]

    def spoilt(**batch):
        answer = inner(**batch)
        width = batch["input_ids"].shape[1]
        if width >= len(bad):
            row = torch.tensor([*bad, *[exact.tokenizer.pad_id] * (width - len(bad))])
            answer.logits[(batch["input_ids"] == row).all(dim=1)] = float("nan")
        return answer

    exact.model = spoilt
    found = exact.score(texts)
    same = [at for at, text in enumerate(texts) if exact.tokenizer([text]).ids[0] == bad]
    assert found.refused == dict.fromkeys(same, NO_NUMBER)
    kept = [at for at in range(len(texts)) if at not in same]
    assert found.probabilities[kept] == pytest.approx(whole[kept], abs=1e-6)


def test_a_text_that_is_there_a_hundred_times_is_read_once(exact):
    """Equal texts are one row of one batch, and each has the answer."""
    exact.model = short = Short(exact.model, 10**6)
    found = exact.probabilities(["geht am sonntag wählen"] * 100 + ["die partei hat gestern getagt"])
    assert sum(rows for rows, _ in short.tried) == 2
    assert len(found) == 101
    assert (found[:100] == found[0]).all()
    assert found[100, 1] != found[0, 1]


def test_what_is_too_large_for_fp16_is_asked_again_in_fp32(exact, texts):
    """A layer whose numbers go beyond 65,504 refuses no text; its neighbours in the batch are asked once."""
    whole = exact.probabilities(texts)
    exact.device = Device("cpu", "fp16", True, True)
    layer, rows = exact.model.base_model.encoder.layer[0].intermediate, []
    layer.dense = Large(layer.dense)
    exact.model.register_forward_pre_hook(lambda _, __, batch: rows.append(len(batch["input_ids"])), with_kwargs=True)
    found = exact.score([*texts, "gestern war es heiß"])
    assert found.refused == {}
    assert found.probabilities[:-1] == pytest.approx(whole, abs=1e-2)
    assert len(set(map(tuple, exact.tokenizer(texts).ids))) < sum(rows) < 2 * len(texts)


class Large(torch.nn.Module):
    """A layer whose numbers are beyond fp16 in batches of more than fifteen texts, and then as they were."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        times = 1e7 if len(x) > 15 else 1.0
        return self.inner(x) * times / times
