"""A model packed for bf16 on a CPU answers as the one it was made from."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DebertaV2Config,
    DistilBertConfig,
    ModernBertConfig,
    XLMRobertaConfig,
)

from aufruf.model import device
from aufruf.model.packed import PackedLinear, packed
from aufruf.model.predictor import Predictor

pytestmark = pytest.mark.skipif(
    not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="this processor multiplies no bf16"
)
SHAPE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.2,
}
FAMILIES = {
    "bert": BertConfig(**SHAPE, vocab_size=90),
    "distilbert": DistilBertConfig(dim=32, hidden_dim=64, n_layers=2, n_heads=2, vocab_size=90, initializer_range=0.2),
    "modernbert": ModernBertConfig(
        **SHAPE, vocab_size=90, pad_token_id=0, reference_compile=False, local_attention=8, global_attn_every_n_layers=2
    ),
    "xlm-roberta": XLMRobertaConfig(**SHAPE, vocab_size=90, pad_token_id=0),
    "deberta": DebertaV2Config(**SHAPE, vocab_size=90, relative_attention=True, pos_att_type=["p2c", "c2p"]),
}
WIDTHS = [(40, 40, 40), (32, 32), (33, 17, 2), (7,), (16,)]  # tokens of each text of a batch


def _model(family: str):
    torch.manual_seed(1)
    return AutoModelForSequenceClassification.from_config(copy.deepcopy(FAMILIES[family])).eval()


def _batch(widths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    ids, mask = (torch.zeros(len(widths), max(widths), dtype=torch.long) for _ in range(2))
    drawn = torch.Generator().manual_seed(2)
    for row, width in enumerate(widths):
        ids[row, :width] = torch.randint(5, 90, (width,), generator=drawn)
        mask[row, :width] = 1
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_answer_is_the_models(family):
    """In each family, whatever the texts' lengths, logits differ by the rounding of bf16 and no more."""
    model, twin = _model(family), packed(_model(family))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        found = torch.cat([twin(**_batch(widths)).logits.float() for widths in WIDTHS])
    with torch.inference_mode():
        expected = torch.cat([model(**_batch(widths)).logits for widths in WIDTHS])
    assert expected.std() > 0.2
    assert torch.allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_are_packed_and_the_head_is_not(family):
    """Every linear layer of the blocks is replaced; the classifier keeps its weights, where a calibration looks."""
    twin = packed(_model(family))
    inside = {id(part) for stack in twin.modules() if isinstance(stack, nn.ModuleList) for part in stack.modules()}
    kinds = [(type(part), id(part) in inside) for part in twin.modules()]
    assert (nn.Linear, True) not in kinds
    assert (PackedLinear, False) not in kinds
    assert sum(kind is PackedLinear for kind, _ in kinds) >= 8
    assert any(type(part) is nn.Linear and part.out_features == 2 for part in twin.modules())


def test_padding_is_not_read():
    """What stands in the padding changes nothing, neither the batch's own nor what the kernel's width adds."""
    twin, batch = packed(_model("bert")), _batch((33, 17, 2))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        expected = twin(**batch).logits
        batch["input_ids"][batch["attention_mask"] == 0] = 77
        assert torch.equal(twin(**batch).logits, expected)


def test_a_bundle_is_packed_where_bf16_is_worth_it(monkeypatch, sealed, examples):
    """The predictor of a CPU with fast bf16 packs its model and gives the labels and nearly the numbers of fp32."""
    texts = [*examples(40, 7).texts, "", "🗳️", "x" * 500]
    plain = Predictor.load(*sealed)
    monkeypatch.setattr(device, "find", lambda: device.Device("cpu", "bf16", True))
    quick = Predictor.load(*sealed)
    assert any(isinstance(part, PackedLinear) for part in quick.model.modules())
    assert not any(isinstance(part, PackedLinear) for part in plain.model.modules())
    found, expected = quick.positives(texts), plain.positives(texts)
    assert found == pytest.approx(expected, abs=0.02)
    assert np.array_equal(found >= 0.5, expected >= 0.5)
