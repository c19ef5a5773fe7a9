"""What a training is fed with: every text once an epoch, beside others of its length."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from aufruf.model.batches import ByLength


@given(st.lists(st.integers(1, 256), max_size=90), st.integers(1, 32))
def test_an_epoch_has_every_text_once(lengths, batch):
    """However many texts there are, and however many make a step."""
    assert sorted(ByLength(lengths, batch)) == list(range(len(lengths)))


@given(st.lists(st.integers(1, 256), min_size=16, max_size=90))
def test_the_longest_batch_comes_first(lengths):
    """No other whole batch is wider than the first: where the memory is too small, that is known at once."""
    drawn = list(ByLength(lengths, 8))
    widths = [max(lengths[at] for at in drawn[start : start + 8]) for start in range(0, len(lengths) // 8 * 8, 8)]
    assert widths[0] == max(widths)


def test_batches_are_hardly_padded():
    """Of 400 lengths drawn as a corpus' are, a tenth is padding and not two fifths, as without an order."""
    torch.manual_seed(1)
    lengths = torch.randn(400).mul(0.8).exp().mul(26).clamp(3, 256).long().tolist()

    def padding(order):
        wide = sum(16 * max(lengths[at] for at in order[start : start + 16]) for start in range(0, 400, 16))
        return 1 - sum(lengths) / wide

    assert padding(list(ByLength(lengths, 16))) < 0.15
    assert padding(torch.randperm(400).tolist()) > 0.4


def test_who_meets_whom_changes_from_epoch_to_epoch():
    """Two epochs share few of their batches; the same seed draws the same."""
    lengths = [5 + at // 2 for at in range(160)]
    order = ByLength(lengths, 16)
    torch.manual_seed(2)
    first, second = list(order), list(order)
    torch.manual_seed(2)
    assert list(order) == first
    together = [{frozenset(drawn[at : at + 16]) for at in range(0, 160, 16)} for drawn in (first, second)]
    assert len(together[0] & together[1]) < 3


def test_batches_come_in_no_order_of_length():
    """But for the first: a training that saw the long texts before the short ones would forget them."""
    torch.manual_seed(3)
    lengths = list(range(1, 321))
    drawn = list(ByLength(lengths, 16))
    means = torch.tensor([[lengths[at] for at in drawn[start : start + 16]] for start in range(16, 320, 16)]).float()
    ranks = means.mean(1).argsort().argsort().float()
    assert abs(torch.corrcoef(torch.stack([ranks, torch.arange(len(ranks)).float()]))[0, 1]) < 0.6
