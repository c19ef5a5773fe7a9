"""A batch that does not fit into the memory is cut up, and the training goes on as if it had fitted."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from aufruf.errors import TrainingFailed
from aufruf.model.device import Device
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.training import _collator, fine_tune


class Memory:
    """A device with room for ``room`` texts at once; ``tried`` are the sizes that were put into it."""

    def __init__(self) -> None:
        self.room, self.tried = 1000, list[int]()

    def collator(self, pad):
        collate = _collator(pad)

        def narrow(rows):
            self.tried.append(len(rows))
            if len(rows) > self.room:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return collate(rows)

        return narrow


@pytest.fixture
def memory(monkeypatch) -> Memory:
    """The device's memory: a batch that is too large fails as CUDA does."""
    short = Memory()
    monkeypatch.setattr("aufruf.model.training._collator", short.collator)
    return short


@pytest.fixture
def steady(encoder, tmp_path, monkeypatch) -> ResolvedEncoder:
    """The tiny BERT without dropout, in fp32: how a batch is cut up then changes nothing but the rounding."""
    monkeypatch.setattr("aufruf.model.device.find", lambda: Device("cpu", "fp32", False))
    folder = shutil.copytree(encoder.folder, tmp_path / "steady")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0})
    )
    return ResolvedEncoder(folder, "tiny-bert", None, None)


def test_the_batch_is_halved_and_the_result_is_the_same(steady, recipe, examples, memory, tmp_path):
    """With room for three texts, batches of 12 go in threes, and end in the weights of whole batches."""
    job = (steady, ("no_call", "call"), 1, examples(40, 1), examples(16, 2))
    twelve = replace(recipe, batch_size=12, epochs=2, learning_rate=1e-3)
    whole = fine_tune(*job, twelve, tmp_path / "whole")
    memory.room = 3
    memory.tried.clear()
    cut = fine_tune(*job, twelve, tmp_path / "cut")
    assert (whole.micro_batch, cut.micro_batch) == (12, 3)
    assert memory.tried[:3] == [12, 6, 3]
    assert max(memory.tried[2:]) == 3
    ours, theirs = (load_file(one.folder / "model.safetensors") for one in (cut, whole))
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-4
    assert [row["train_loss"] for row in cut.history] == pytest.approx(
        [row["train_loss"] for row in whole.history], rel=1e-3
    )


def test_it_goes_on_from_its_last_epoch(steady, recipe, examples, memory, tmp_path):
    """Memory that runs short in the third epoch costs that epoch, not the two before it."""
    seen = []

    def watch(epoch, row):
        seen.append(epoch)
        memory.room = 4 if epoch == 2 else memory.room

    job = (steady, ("no_call", "call"), 1, examples(32, 1), examples(8, 2))
    trained = fine_tune(*job, replace(recipe, epochs=3), tmp_path / "run", watch, resumable=True)
    assert trained.micro_batch == 4
    assert seen == [1, 2, 3]
    assert [row["epoch"] for row in trained.history] == [1.0, 2.0, 3.0]


def test_a_single_text_that_does_not_fit_fails_with_what_to_do(steady, recipe, examples, memory, tmp_path):
    """There is nothing left to halve: the error says what to change."""
    memory.room = 0
    job = (steady, ("no_call", "call"), 1, examples(16, 1), examples(8, 2))
    with pytest.raises(TrainingFailed, match="single text") as failure:
        fine_tune(*job, recipe, tmp_path / "run")
    assert "max_tokens" in failure.value.sentence()
