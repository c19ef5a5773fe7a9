"""The same network, faster to score in bf16 on a CPU: weights packed once, attention in widths that the kernel likes.

Autocast rounds every weight and every layer's input anew and multiplies in the weights' plain layout. Here the weights
of the encoder's blocks are rounded and laid out for the processor when the model is loaded; sums and layer norms stay
in fp32. ``benchmarks/scoring.py`` shows what that is worth, docs/decisions/14-scoring-in-shards.md what it changes.
"""

from typing import Any

import torch
from torch import nn

from aufruf.model.cpu import FAMILIES

_NAME = "aufruf-packed"  # of the attention, in transformers' registry
_WIDTH = 16  # tokens: PyTorch's fused attention needs up to twice the time for texts between multiples of it
_ROWS = 2048  # tokens that the layout is made for; others are right as well


def packed(model: Any) -> Any:
    """The model, its blocks' linear layers and its attention replaced; for inference in bf16 on a CPU only.

    Blocks are what the model holds in lists (``nn.ModuleList``): embeddings, pooler and classifier stay as they are.
    An attention that is the encoder's own (DeBERTa's, T5's with its positions) stays as well.
    """
    for stack in [part for part in model.modules() if isinstance(part, nn.ModuleList)]:
        for parent in list(stack.modules()):
            for name, child in parent.named_children():
                if type(child) is nn.Linear:
                    setattr(parent, name, PackedLinear(child))
    if getattr(model.config, "_attn_implementation", None) == "sdpa" and model.config.model_type in FAMILIES:
        model.set_attn_implementation(_attention_name())
    return model


class PackedLinear(nn.Module):
    """``nn.Linear`` for inference: (..., in_features) of any floating type to (..., out_features) in bf16."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().bfloat16()
        self.weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
        self.bias = None if linear.bias is None else linear.bias.detach().bfloat16()

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that torch gives it
        rounded = input.to(torch.bfloat16)
        return torch.ops.mkldnn._linear_pointwise(rounded, self.weight, self.bias, "none", [], "")


def _attention_name() -> str:
    """The name under which transformers finds ``_attention`` and ``_mask``."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, _mask)
    return _NAME


def _mask(batch_size: int, q_length: int, kv_length: int, **named: Any) -> torch.Tensor | None:
    """What is added to the scores: 0, or the lowest number; None where every text is as long as the batch is wide.

    Made once for all layers, and as wide as ``_attention`` computes.
    """
    from transformers.masking_utils import sdpa_mask

    seen = sdpa_mask(batch_size=batch_size, q_length=q_length, kv_length=kv_length, **named)
    extra = -kv_length % _WIDTH
    if seen is None and not extra:
        return None
    if seen is None:
        seen = torch.ones(1, 1, 1, kv_length, dtype=torch.bool).expand(batch_size, 1, q_length, kv_length)
    lowest = torch.finfo(torch.bfloat16).min
    added = torch.zeros(seen.shape, dtype=torch.bfloat16).masked_fill_(~seen, lowest)
    return nn.functional.pad(added, (0, extra, 0, extra), value=lowest)


def _attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention by PyTorch's fused kernel, in a width that is a multiple of ``_WIDTH``.

    query, key, value: (texts, heads, tokens, size). Gives (texts, tokens, heads, size).
    """
    tokens = query.shape[2]
    if extra := -tokens % _WIDTH:
        query, key, value = (nn.functional.pad(part, (0, 0, 0, extra)) for part in (query, key, value))
    found = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask, scale=scaling)
    return found.transpose(1, 2)[:, :tokens].contiguous(), None
