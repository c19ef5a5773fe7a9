"""The same network, faster to train on a CPU: attention and dropout that leave the time to the products.

PyTorch draws a dropout mask one 32-bit number an element, and attention with dropout, as plain products under autocast,
writes each text's tokens times tokens to the memory a dozen times, mostly in fp32. Both are replaced while a model
trains; what is computed is what the model's config says. ``benchmarks/training.py`` shows what that is worth.
"""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from aufruf.model import layout

REVISION = 3  # of what is computed here: a training that was begun with another one begins anew
FAMILIES = frozenset({"bert", "camembert", "distilbert", "electra", "modernbert", "roberta", "xlm-roberta"})
"""Model types whose attention is this one: query, key and value of equal heads, a mask, and nothing else."""
_PADDED = frozenset({"modernbert"})  # each of its tokens is told its place in a text anew in every block
_NAME = "aufruf"  # of the attention, in transformers' registry
_LEVELS = 1 << 16  # a mask is drawn with 16 bits an element
_DRAWN = 1 << 18  # numbers that one generator draws
_AT_ONCE = 1 << 20  # shares of attention that are computed together, so that they stay in the cache
_AS_BITS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by the bytes of an element


def suited(model: Any) -> Any:
    """The model with the parts that suit a CPU: dropout, for a model of ``FAMILIES`` attention, and hardly any padding.

    For training, in batches whose padding is at the end of each text.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    kind = model.config.model_type
    if kind in FAMILIES and not getattr(model.config, "is_decoder", False):  # a decoder's mask is another one
        padded = kind in _PADDED
        name = _NAME + ("-padded" if padded else "")
        AttentionInterface.register(name, attention)
        AttentionMaskInterface.register(name, eager_mask if padded else layout.mask)
        model.set_attn_implementation(name)
        model = model if padded else layout.without_padding(model)
    return with_quick_dropout(model)


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
    kind = _AS_BITS[x.element_size()]
    gain = torch.tensor(_LEVELS / (_LEVELS - out), dtype=x.dtype).view(kind)
    return x * _kept(x.shape, out).to(kind).bitwise_and_(gain).view(x.dtype)


def _kept(shape: tuple[int, ...], out: int) -> torch.Tensor:
    """A mask of bits: all zero with a probability of ``out`` / 65,536, else all one; int16.

    Four elements come from each 64-bit number.
    """
    count = math.prod(shape)
    bits = torch.from_numpy(_numbers(math.ceil(count / 4)).view(np.int16))
    return bits[:count].view(shape).ge_(out - _LEVELS // 2).neg_()


def _numbers(count: int) -> npt.NDArray[np.uint64]:
    """Of SFC64 (numpy), which draws three times as fast as torch's generator; many are drawn side by side.

    Which numbers they are does not depend on the number of threads.
    """
    seed = int(torch.randint(2**63 - 1, ()))
    if count <= _DRAWN:
        return np.random.SFC64(seed).random_raw(count)
    made = np.empty(count, dtype=np.uint64)

    def draw(at: int) -> None:
        made[at : at + _DRAWN] = np.random.SFC64([seed, at]).random_raw(min(_DRAWN, count - at))

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:  # of this moment: no thread that a fork could lack
        list(pool.map(draw, range(0, count, _DRAWN)))
    return made


class Dropout(nn.Dropout):
    """``nn.Dropout`` that draws its mask as ``dropped`` does."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002 - the name that torch gives it
        return dropped(input, self.p) if self.training else input


def attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | layout.Layout | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot-product attention (Vaswani et al. 2017, section 3.2.1); torch's own where no gradient is asked for.

    query, key, value: (texts, heads, tokens, size), with a layout (1, heads, rows, size). A mask of a floating type,
    (texts, 1, tokens, tokens), is added to the scores. Gives (texts, tokens, heads, size) or (1, rows, heads, size).
    """
    drops = dropout if module.training else 0.0
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    cast = torch.is_autocast_enabled("cpu")
    kind = torch.get_autocast_dtype("cpu") if cast else query.dtype
    blocks = _blocks(attention_mask, query, kind)
    texts, heads, tokens = query.shape[:3]
    rows = [part.to(kind).transpose(1, 2).reshape(texts * tokens, heads, -1) for part in (query, key, value)]
    if torch.is_grad_enabled() or drops:
        made: torch.Tensor = _Attention.apply(*rows, blocks, scale, drops)
    else:
        made = _empty(rows[2], blocks)
        for block in blocks:
            asked, there, said = block.asks(rows[0]), block.of(rows[1]), block.of(rows[2])
            found = nn.functional.scaled_dot_product_attention(asked, there, said, attn_mask=block.mask, scale=scale)
            block.asks(made).copy_(found)
    return made.unflatten(0, (texts, tokens)), None


def _blocks(mask: torch.Tensor | layout.Layout | None, query: torch.Tensor, kind: torch.dtype) -> list[layout.Block]:
    """Where the texts lie among the rows, and what is added to their scores."""
    if not isinstance(mask, layout.Layout):
        texts, tokens = len(query), query.shape[2]
        if mask is not None:  # fp32's lowest would be -inf in bf16, and a row of these no number
            mask = mask.clamp_min(layout.NEVER).expand(texts, -1, -1, -1)
        found = [layout.Block(0, texts, tokens, mask, tokens)]
    else:
        found = mask.blocks
    return [replace(block, mask=None if block.mask is None else block.mask.to(kind)) for block in found]


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
        blocks: list[layout.Block],
        scale: float,
        p: float,
    ) -> torch.Tensor:
        out = min(round(p * _LEVELS), _LEVELS - 1)
        heads = query.shape[1]
        parts = [part for block in blocks for part in block.few(_AT_ONCE // (heads * block.width**2))]
        counts = [part.texts * heads * part.asking * part.width for part in parts]
        drawn = _kept((sum(counts),), out).split(counts) if out else [None] * len(parts)
        made, shares, kept = _empty(value, blocks), [], []
        ctx.scale, ctx.gain, ctx.parts = scale, _LEVELS / (_LEVELS - out), parts
        with torch.autocast("cpu", enabled=False):
            for part, bits in zip(parts, drawn, strict=True):
                scores = torch.matmul(_times(part.asks(query), scale), _times(part.of(key), 1).transpose(2, 3))
                if part.mask is not None:
                    scores += part.mask
                shares.append(torch.softmax(scores, -1))
                kept.append(None if bits is None else bits.view(scores.shape))
                part.asks(made).copy_(torch.matmul(_and(shares[-1], kept[-1]), _times(part.of(value), ctx.gain)))
        ctx.save_for_backward(query, key, value, *shares, *kept)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> Any:
        query, key, value, *rest = ctx.saved_tensors
        shares, kept = rest[: len(ctx.parts)], rest[len(ctx.parts) :]
        of_query, of_key, of_value = (_empty(part, ctx.parts) for part in (query, key, value))
        with torch.autocast("cpu", enabled=False):
            for part, some, bits in zip(ctx.parts, shares, kept, strict=True):
                far = _times(part.asks(grads[0]), ctx.gain)
                near = _and(torch.matmul(far, _times(part.of(value), 1).transpose(2, 3)), bits)
                part.of(of_value).copy_(torch.matmul(_and(some, bits).transpose(2, 3), far))
                near = torch._softmax_backward_data(near, some, -1, some.dtype)
                part.asks(of_query).copy_(torch.matmul(near, _times(part.of(key), ctx.scale)))
                part.of(of_key).copy_(torch.matmul(near.transpose(2, 3), _times(part.asks(query), ctx.scale)))
        return of_query, of_key, of_value, None, None, None


def _empty(rows: torch.Tensor, blocks: list[layout.Block]) -> torch.Tensor:
    """Rows of the same shape, 0 where nothing will be written: behind the last block, or where no token asks."""
    if any(block.asking < block.width for block in blocks):
        return torch.zeros_like(rows)
    made = torch.empty_like(rows)
    made[blocks[-1].end :] = 0
    return made


def _times(x: torch.Tensor, factor: float) -> torch.Tensor:
    """``x`` times ``factor``, laid out as a product of matrices wants it, which would copy it once more."""
    laid = torch.empty(x.shape, dtype=x.dtype)
    return laid.copy_(x) if factor == 1 else torch.mul(x, factor, out=laid)


def _and(x: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
    """``x`` with its elements set to 0 where ``kept`` is; with None as it is."""
    if kept is None:
        return x
    kind = _AS_BITS[x.element_size()]
    return (x.view(kind) & kept.to(kind)).view(x.dtype)
