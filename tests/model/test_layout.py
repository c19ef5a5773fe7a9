"""A batch without its padding: each token once, no text in another's answer, and the same things learnt."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.model import cpu, layout
from aufruf.model.encoders import ResolvedEncoder

LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=24)


@given(LENGTHS, st.integers(0, 9))
def test_every_token_has_one_row(lengths, spare):
    """Each token of each text is among the rows, once, behind those before it; the first is found again."""
    tokens = max(lengths) + spare
    made = layout.Layout(lengths, tokens)
    is_token = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    hidden = (torch.arange(1.0, len(lengths) * tokens + 1).view(len(lengths), tokens) * is_token)[..., None]
    rows = made.packed(hidden)
    seen = []
    for block in made.blocks:
        some = block.of(rows[0][:, None])[:, 0, :, 0]
        seen += some[(torch.ones_like(some) if block.mask is None else block.mask[:, 0, 0] == 0).bool()].tolist()
    assert sorted(seen) == hidden[is_token].flatten().tolist()
    assert torch.equal(made.first(rows)[0], hidden[:, 0])


@given(LENGTHS, st.integers(0, 9))
def test_a_block_holds_whole_texts_and_masks_what_is_none(lengths, spare):
    """The rows of a block are its texts, each from its first token on; what is masked is padding, and all of it."""
    tokens = max(lengths) + spare
    made = layout.Layout(lengths, tokens)
    found = []
    for block in made.blocks:
        rows = made.places[block.first : block.first + block.texts * block.width].view(block.texts, block.width)
        texts = rows[:, 0] // tokens
        of_each = torch.tensor(lengths)[texts]
        is_token = torch.arange(block.width) < of_each[:, None]
        assert torch.equal(rows[is_token], (texts[:, None] * tokens + torch.arange(block.width))[is_token])
        masked = torch.zeros_like(rows) if block.mask is None else block.mask[:, 0, 0]
        assert torch.equal(masked == 0, is_token)
        found += texts.tolist()
    assert sorted(found) == list(range(len(lengths)))


@given(LENGTHS)
def test_hardly_anything_is_padding(lengths):
    """A text lies in a block that is no wider than the next multiple of 16 of its length and a fifth; sizes are few."""
    made = layout.Layout(lengths, max(lengths))
    widths = {text: block.width for block in made.blocks for text in texts_of(made, block, max(lengths))}
    assert all(widths[text] <= math.ceil(length / 0.85 / 16) * 16 for text, length in enumerate(lengths))
    assert all(width % 16 == 0 for width in widths.values())
    assert len(made.places) % 64 == 0
    assert len(made.places) - sum(widths.values()) < 64


def texts_of(made, block, tokens):
    firsts = made.places[block.first : block.first + block.texts * block.width : block.width]
    return (firsts // tokens).tolist()


@given(LENGTHS, st.integers(0, 5))
def test_a_block_in_parts_is_the_same_texts(lengths, at_most):
    """The parts of a block follow one another, with the masks of their texts; fewer than one text there cannot be."""
    for block in layout.Layout(lengths, max(lengths)).blocks:
        parts = list(block.few(at_most))
        assert all(part.texts <= max(1, at_most) and part.texts.bit_count() == 1 for part in parts)
        rows = [row for part in parts for row in range(part.first, part.first + part.texts * part.width)]
        assert rows == list(range(block.first, block.first + block.texts * block.width))
        if block.mask is not None:
            assert torch.equal(torch.cat([part.mask for part in parts]), block.mask)


@pytest.mark.parametrize("rows", [[[0, 1, 1]], [[1, 0, 1]], [[1, 1, 1], [0, 0, 0]]])
def test_padding_elsewhere_is_refused(rows):
    """A batch that is padded in front or within a text, or has a text without a token, is said to be none of ours."""
    with pytest.raises(ValueError, match="must begin where its row"):
        layout.mask(len(rows), 3, torch.tensor(rows))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_no_text_is_in_anothers_answer(encoder: ResolvedEncoder, data):
    """A text's answer is the same, to rounding, whatever the others of its batch say, and alone."""
    from transformers import AutoModelForSequenceClassification

    lengths = data.draw(st.lists(st.integers(2, 30), min_size=2, max_size=8))
    torch.manual_seed(0)
    model = cpu.suited(AutoModelForSequenceClassification.from_pretrained(encoder.folder)).eval()
    ids = torch.randint(5, 60, (len(lengths), max(lengths)))
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()
    others = torch.randint(5, 60, ids.shape)
    others[0] = ids[0]
    for grads in (torch.enable_grad, torch.no_grad):
        with grads():
            here, there = (model(input_ids=one, attention_mask=mask).logits for one in (ids, others))
            alone = model(input_ids=ids[:1, : lengths[0]]).logits
        assert torch.equal(here[0], there[0])
        assert torch.allclose(here[0], alone[0], atol=1e-5)


@pytest.mark.parametrize("family", sorted(layout.HEADS))
@pytest.mark.parametrize("blocks", [1, 2])
def test_a_head_reads_the_first_token_only(family, blocks):
    """Without the others behind the last attention each family answers as before, and nothing is computed of them."""
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": blocks, "num_attention_heads": 4}
    config = AutoConfig.for_model(family, vocab_size=60, pad_token_id=1, initializer_range=0.2, **sizes)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = torch.randint(5, 60, (3, 20))
    mask = (torch.arange(20) < torch.tensor([[20], [7], [1]])).long()
    seen = []
    model.base_model.encoder.layer[-1].register_forward_hook(lambda _, __, made: seen.append(tuple(made.shape)))
    with torch.no_grad():
        before = model(input_ids=ids, attention_mask=mask).logits
        after = layout.first_token_only(model)(input_ids=ids, attention_mask=mask).logits
    assert before.std() > 0.05
    assert torch.allclose(after, before, atol=1e-5)
    assert seen == [(3, 20, 32), (3, 1, 32)]
