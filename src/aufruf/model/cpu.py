"""The same network, faster to train on a CPU: attention and dropout that leave the time to the products.

PyTorch draws a dropout mask one 32-bit number an element, and attention with dropout, as plain products under autocast,
writes each text's tokens times tokens to the memory a dozen times, mostly in fp32. Both are replaced while a model
trains; what is computed is what the model's config says. ``benchmarks/training.py`` shows what that is worth.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

REVISION = 2  # of what is computed here: a training that was begun with another one begins anew
FAMILIES = frozenset({"bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"})
"""Model types whose attention is this one: query, key and value of equal heads, a mask, and nothing else."""
_NAME = "aufruf"  # of the attention, in transformers' registry
_LEVELS = 1 << 16  # a mask is drawn with 16 bits an element
_AT_ONCE = 1 << 20  # shares of attention that are computed together, so that they stay in the cache
_AS_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by the bytes of an element


def attention_name() -> str:
    """The name under which transformers finds ``attention``; for a model of ``FAMILIES``."""
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

    The mask comes from a generator that is seeded by torch's: seeds and checkpoints work as they always do.
    """
    out = round(p * _LEVELS)
    if out in (0, _LEVELS):
        return x if out == 0 else x * 0
    return x * (_kept(x.shape, out).to(x.dtype) * (-_LEVELS / (_LEVELS - out)))


def _kept(shape: tuple[int, ...], out: int) -> torch.Tensor:
    """A mask of bits: all zero with a probability of ``out`` / 65,536, else all one; int16.

    Four elements come from each 64-bit number of SFC64 (numpy), which draws three times as fast as torch's generator.
    """
    count = math.prod(shape)
    seed = int(torch.randint(2**63 - 1, ()))
    bits = torch.from_numpy(np.random.SFC64(seed).random_raw(math.ceil(count / 4)).view(np.int16))
    return bits[:count].view(shape).ge_(out - _LEVELS // 2).neg_()


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
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1); torch's own where no gradient is asked for.

    query, key, value: (texts, heads, tokens, size). ``attention_mask``, of a floating type, is added to the scores.
    Gives (texts, tokens, heads, size).
    """
    drops = dropout if module.training else 0.0
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    cast = torch.is_autocast_enabled("cpu")
    kind = torch.get_autocast_dtype("cpu") if cast else query.dtype
    query, key, value = (part.to(kind) for part in (query, key, value))
    if attention_mask is not None:  # fp32's lowest would be -inf in bf16, and a row of these no number
        attention_mask = attention_mask.clamp_min(torch.finfo(kind).min).to(kind).expand(len(query), -1, -1, -1)
    if not (torch.is_grad_enabled() or drops):
        said = nn.functional.scaled_dot_product_attention(query, key, value, attention_mask, scale=scale)
        return said.transpose(1, 2), None
    made: torch.Tensor = _Attention.apply(query, key, value, attention_mask, scale, drops)
    return made, None


class _Attention(torch.autograd.Function):
    """Attention with dropout, a few texts at a time.

    Of what is tokens times tokens, the shares and their mask are kept for the way back.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scale: float,
        p: float,
    ) -> torch.Tensor:
        out = min(round(p * _LEVELS), _LEVELS - 1)
        texts, heads, tokens, _ = query.shape
        shares = query.new_empty(texts, heads, tokens, key.shape[2])
        kept = _kept(shares.shape, out) if out else None
        made = value.new_empty(texts, tokens, heads, value.shape[3])
        ctx.scale, ctx.gain = scale, _LEVELS / (_LEVELS - out)
        with torch.autocast("cpu", enabled=False):
            for at in _few(shares):
                scores = torch.matmul(query[at] * scale, key[at].transpose(2, 3))
                if mask is not None:
                    scores += mask[at]
                some = torch.softmax(scores, -1, out=shares[at])
                left = some if kept is None else _and(some, kept[at])
                made[at] = torch.matmul(left, value[at] * ctx.gain).transpose(1, 2)
        ctx.save_for_backward(query, key, value, shares, kept)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        query, key, value, shares, kept = ctx.saved_tensors
        grad = grads[0].transpose(1, 2)
        of_query, of_key, of_value = (part.new_empty(part.transpose(1, 2).shape) for part in (query, key, value))
        with torch.autocast("cpu", enabled=False):
            for at in _few(shares):
                some, far = shares[at], grad[at] * ctx.gain
                near = torch.matmul(far, value[at].transpose(2, 3))
                if kept is not None:
                    near = _and(near, kept[at])
                left = some if kept is None else _and(some, kept[at])
                of_value[at] = torch.matmul(left.transpose(2, 3), far).transpose(1, 2)
                near = torch._softmax_backward_data(near, some, -1, some.dtype)
                of_query[at] = torch.matmul(near, key[at] * ctx.scale).transpose(1, 2)
                of_key[at] = torch.matmul(near.transpose(2, 3), query[at] * ctx.scale).transpose(1, 2)
        return *(part.transpose(1, 2) for part in (of_query, of_key, of_value)), None, None, None


def _few(shares: torch.Tensor) -> Iterator[slice]:
    """Texts that are computed together; ``shares``: (texts, heads, tokens, tokens)."""
    step = max(1, _AT_ONCE // max(1, shares[0].numel()))
    return (slice(at, at + step) for at in range(0, len(shares), step))


def _and(x: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
    """``x`` with its elements set to 0 where ``kept`` is."""
    kind = _AS_BITS[x.element_size()]
    return (x.view(kind) & kept.to(kind)).view(x.dtype)
