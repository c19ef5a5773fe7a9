"""A batch that does not fit into the memory is cut up, and the training goes on as if it had fitted."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from aufruf.errors import MemoryFull
from aufruf.model.batches import collator
from aufruf.model.device import Device, is_full
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.training import fine_tune


class Memory:
    """A device with room for ``room`` texts at once; ``tried`` are the sizes that were put into it."""

    def __init__(self) -> None:
        self.room, self.tried = 1000, list[int]()

    def collator(self, *of):
        collate = collator(*of)

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
    monkeypatch.setattr("aufruf.model.training.collator", short.collator)
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


def test_a_batch_of_one_needs_room_for_one(steady, recipe, examples, memory, tmp_path):
    """Validation, 32 texts at once where there is room, is judged one by one as well."""
    memory.room = 1
    job = (steady, ("no_call", "call"), 1, examples(6, 1), examples(4, 2))
    assert fine_tune(*job, replace(recipe, batch_size=1, epochs=1), tmp_path / "run").micro_batch == 1
    assert memory.tried.count(4) == 1


def test_a_killed_training_cuts_its_batches_as_before(steady, recipe, examples, memory, tmp_path):
    """Also where there is room again: cut otherwise, dropout would have other masks, and the weights be others."""

    def killed(epoch, row):
        if epoch == 2:
            raise KeyboardInterrupt

    memory.room = 4
    job = (steady, ("no_call", "call"), 1, examples(32, 1), examples(8, 2))
    with pytest.raises(KeyboardInterrupt):
        fine_tune(*job, recipe, tmp_path / "run", killed, resumable=True)
    memory.room, memory.tried = 1000, []
    assert fine_tune(*job, recipe, tmp_path / "run", resumable=True).micro_batch == 4
    assert max(memory.tried) == 4


def test_a_single_text_that_does_not_fit_fails_with_what_to_do(steady, recipe, examples, memory, tmp_path):
    """There is nothing left to halve: the error says what to change, and is none of the training's own."""
    memory.room = 0
    job = (steady, ("no_call", "call"), 1, examples(16, 1), examples(8, 2))
    with pytest.raises(MemoryFull, match="single text") as failure:
        fine_tune(*job, recipe, tmp_path / "run")
    assert "max_tokens" in failure.value.sentence()


def test_memory_that_others_hold_costs_no_epoch(steady, recipe, examples, memory, tmp_path):
    """When another process has all of it, the checkpoints stay; the next try ends as a training that had it all."""
    job = (steady, ("no_call", "call"), 1, examples(32, 1), examples(8, 2))
    three = replace(recipe, epochs=3)
    whole = fine_tune(*job, three, tmp_path / "whole")

    def taken(epoch, row):
        memory.room = 0 if epoch == 2 else memory.room

    with pytest.raises(MemoryFull):
        fine_tune(*job, three, tmp_path / "run", taken, resumable=True)
    memory.room, seen = 1000, []
    again = fine_tune(*job, three, tmp_path / "run", lambda epoch, row: seen.append(epoch), resumable=True)
    assert seen[-1] == 3
    assert 1 not in seen
    ours, theirs = (load_file(one.folder / "model.safetensors") for one in (again, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("said", ["CUDA error: out of memory", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling"])
def test_memory_is_full_in_several_words(said):
    """Not every call of CUDA fails with PyTorch's own error; what is wrong otherwise is not taken for it."""
    assert is_full(RuntimeError(said))
    assert not is_full(RuntimeError("CUDA error: device-side assert triggered"))


def test_what_has_no_fixed_order_is_computed_all_the_same(steady, recipe, examples, tmp_path, monkeypatch, caplog):
    """An encoder with an operation that cannot be repeated to the last digit is trained, and the log says so."""
    strictly = []

    @contextmanager
    def repeatable(self, strict=True):
        strictly.append(strict)
        if strict:
            raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation")
        yield

    monkeypatch.setattr(Device, "repeatable", repeatable)
    job = (steady, ("no_call", "call"), 1, examples(16, 1), examples(8, 2))
    assert len(fine_tune(*job, recipe, tmp_path / "run").history) == recipe.epochs
    assert strictly == [True, False]
    assert "cumsum_cuda_kernel" in caplog.text
