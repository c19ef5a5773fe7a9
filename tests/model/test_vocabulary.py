"""A training that keeps only the rows of the vocabulary that occur ends in the weights of one that keeps them all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from aufruf.model.device import Device
from aufruf.model.training import fine_tune
from aufruf.model.vocabulary import Vocabulary

EMBEDDING = "bert.embeddings.word_embeddings.weight"


@given(st.lists(st.lists(st.integers(0, 200), min_size=1), min_size=1), st.integers(0, 200))
def test_every_token_finds_its_own_row(texts, pad):
    """Tokens and rows belong together one to one, and the padding is always there."""
    words = Vocabulary(texts, [pad])
    assert words.ids[words.place(pad)] == pad
    assert [words.ids[words.places(ids)].tolist() for ids in texts] == texts
    assert len(words.ids) == len(set(words.ids.tolist()))


def test_shrinking_draws_no_random_number():
    """The head that is made before or after starts from the same numbers."""
    model = _Model(50)
    torch.manual_seed(0)
    Vocabulary([[3, 4]], [0]).shrink(model)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(after, torch.rand(1))


@pytest.mark.parametrize("frozen", [0, 1])
def test_the_weights_are_those_of_a_training_with_every_row(encoder, recipe, examples, tmp_path, monkeypatch, frozen):
    """Rows that occur are trained alike, rows that do not have decayed alike - or stayed, where they are frozen."""
    monkeypatch.setattr("aufruf.model.device.find", lambda: Device("cpu", "fp32", False))
    strong = replace(recipe, weight_decay=0.5, epochs=2, frozen_layers=frozen)
    sparse, everything = examples(40, 1), Vocabulary.__init__
    tuned = [fine_tune(encoder, ("a", "b"), 1, sparse, examples(16, 2), strong, tmp_path / "few")]
    size = len(load_file(tuned[0].folder / "model.safetensors")[EMBEDDING])
    monkeypatch.setattr(Vocabulary, "__init__", lambda self, texts, always: everything(self, texts, range(size)))
    tuned.append(fine_tune(encoder, ("a", "b"), 1, sparse, examples(16, 2), strong, tmp_path / "all"))
    few, every = (load_file(one.folder / "model.safetensors") for one in tuned)
    start = load_file(encoder.folder / "model.safetensors")[EMBEDDING.removeprefix("bert.")]
    assert few.keys() == every.keys()
    assert all(torch.allclose(few[name], every[name], atol=2e-6) for name in few)
    moved = (few[EMBEDDING] - start).abs().amax(dim=1)
    assert bool((moved > 1e-4).any()) == (frozen == 0)


def test_a_checkpoint_holds_no_unused_row():
    """What is written each epoch is as small as the texts allow."""
    model = Vocabulary([[3, 4, 3]], [0]).shrink(_Model(1000))
    assert model.get_input_embeddings().weight.shape == (3, 4)
    assert model.get_input_embeddings().padding_idx == 0
    another = Vocabulary([[3, 4, 3]], [1]).shrink(_Model(1000))  # the tokenizer pads with 1, the config says 0
    assert another.get_input_embeddings().padding_idx is None, "row 0 is that of token 1"
    whole = nn.Embedding(1000, 4)
    grown = Vocabulary([[3, 4, 3]], [0]).grow(model, whole, 0.5).get_input_embeddings().weight
    assert torch.equal(grown[5:], whole.weight[5:] * 0.5)
    assert np.array_equal(grown[[0, 3, 4]].detach(), model.rows[[0, 3, 4]])


class _Model(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.words = nn.Embedding(size, 4, padding_idx=0)
        self.rows = self.words.weight.detach().clone()

    def get_input_embeddings(self):
        return self.words

    def set_input_embeddings(self, value):
        self.words = value
