"""A batch without its padding: each token once, no text in another's answer, and the same things learnt."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.model import cpu, layout
from aufruf.model.encoders import ResolvedEncoder

LENGTHS = st.lists(st.integers(1, 90), min_size=1, max_size=24)


@given(LENGTHS, st.integers(0, 9))
def test_every_token_has_one_row(lengths, spare):
    """Each token of each text is among the rows, once, and what comes back is what went in, 0 where no token is."""
    tokens = max(lengths) + spare
    made = layout.Layout(lengths, tokens)
    assert len(set(made.places.tolist())) == len(made.places)
    hidden = torch.arange(1.0, len(lengths) * tokens * 2 + 1).view(len(lengths), tokens, 2)
    is_token = torch.arange(tokens) < torch.tensor(lengths)[:, None]
    back = made.padded(made.packed(hidden))
    assert back.shape == hidden.shape
    assert torch.equal(back[is_token], hidden[is_token])
    assert set(back[~is_token].flatten().tolist()) <= {0.0, *hidden[~is_token].flatten().tolist()}


@given(LENGTHS)
def test_a_block_holds_whole_texts_and_masks_what_is_none(lengths):
    """The rows of a block are its texts, each from its first token on; what is masked is padding, and all of it."""
    made = layout.Layout(lengths, max(lengths))
    found = []
    for block in made.blocks:
        rows = made.places[block.first : block.first + block.texts * block.width].view(block.texts, block.width)
        texts = rows[:, 0] // max(lengths)
        assert torch.equal(rows, texts[:, None] * max(lengths) + torch.arange(block.width))
        of_each = torch.tensor(lengths)[texts]
        masked = torch.zeros_like(rows) if block.mask is None else block.mask[:, 0, 0]
        assert torch.equal(masked < 0, torch.arange(block.width) >= of_each[:, None])
        found += texts.tolist()
    assert sorted(found) == list(range(len(lengths)))


@given(LENGTHS)
def test_hardly_anything_is_padding(lengths):
    """Texts of more than 16 tokens are padded by less than a fifth of their length, the batch as a whole too."""
    made = layout.Layout(lengths, max(lengths))
    for text, length in enumerate(lengths):
        mine = int((made.places // max(lengths) == text).sum())
        assert mine <= max(length / 0.85, 16)


@given(LENGTHS, st.integers(0, 5))
def test_a_block_in_parts_is_the_same_texts(lengths, at_most):
    """The parts of a block follow one another, with the masks of their texts; fewer than one text there cannot be."""
    for block in layout.Layout(lengths, max(lengths)).blocks:
        parts = list(block.few(at_most))
        assert all(1 <= part.texts <= max(1, at_most) for part in parts)
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
