"""The same network, faster to train on a CPU: attention and dropout that leave the time to the products.

PyTorch draws a dropout mask one 32-bit number an element, and the backward pass of its fused attention is slow on texts
as short as posts are. Both are replaced while a model trains; what is computed is what the model's config says.
``benchmarks/training.py`` shows what that is worth.
"""

import math
from typing import Any

import torch
from torch import nn

_NAME = "aufruf"  # of the attention, in transformers' registry
_LEVELS = 1 << 16  # a mask is drawn with 16 bits an element


def attention_name() -> str:
    """The name under which transformers finds ``attention``."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(_NAME, attention)
    AttentionMaskInterface.register(_NAME, eager_mask)
    return _NAME


def with_quick_dropout(model: nn.Module) -> nn.Module:
    """The model, each of its ``nn.Dropout`` replaced by ``Dropout``."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child) is nn.Dropout:
                setattr(parent, name, Dropout(child.p))
    return model


def dropped(x: torch.Tensor, p: float) -> torch.Tensor:
    """``x`` with each element set to 0 with probability ``p`` (to 1/65,536) and the others scaled to keep the mean.

    Takes four elements from each 64-bit number of torch's generator: seeds and checkpoints work as they always do.
    """
    out = round(p * _LEVELS)
    if out in (0, _LEVELS):
        return x if out == 0 else x * 0
    bits = torch.empty(math.ceil(x.numel() / 4), dtype=torch.int64).random_(-(2**63), None).view(torch.int16)
    kept = bits[: x.numel()].view(x.shape) >= out - _LEVELS // 2
    return x * (kept.to(x.dtype) * (_LEVELS / (_LEVELS - out)))


class Dropout(nn.Dropout):
    """``nn.Dropout`` that draws its mask as ``dropped`` does."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that torch gives it
        return dropped(input, self.p) if self.training else input


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1) as plain matrix products.

    query, key, value: (texts, heads, tokens, size). ``attention_mask`` is added to the scores.
    Gives (texts, tokens, heads, size).
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    scores = torch.matmul(query * scale, key.transpose(2, 3))
    if attention_mask is not None:
        scores = scores + attention_mask
    shares = torch.softmax(scores, dim=-1).to(value.dtype)
    shares = dropped(shares, dropout) if module.training else shares
    return torch.matmul(shares, value).transpose(1, 2).contiguous(), None
