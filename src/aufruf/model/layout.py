"""The texts of a batch one behind the other, those of about the same length side by side: hardly anything is padding.

A batch is as wide as its longest text, and most of what a network then computes may be padding that no answer depends
on. Between its first block and its last it is given rows of tokens instead (packed sequences; Krell et al. 2021,
"Efficient Sequence Packing without Cross-contamination"): products, norms and dropout know no texts, and attention is
told where each of them lies. Which texts make a batch is not changed by it, and neither is what they answer and teach.
"""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

NEVER = torch.finfo(torch.bfloat16).min  # added to the score of what is not looked at; a number in each precision
HEADS = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""Model types whose head reads the first token, and whose blocks add what went into attention behind it."""
_ALIKE = 0.85  # of the longest text's length, from which texts lie side by side
_STEP = 16  # tokens by which widths differ: a product of each other size is planned anew, for longer than it takes
_ROWS = 64  # the same of all rows


@dataclass(frozen=True)
class Block:
    """Texts of one width whose rows are ``first`` and those that follow; ``mask`` is added to the scores."""

    first: int
    texts: int
    width: int
    mask: torch.Tensor | None  # (texts, 1, 1 or width, width)
    asking: int  # tokens of each text, from its first on, that look at the others

    def few(self, at_most: int) -> Iterator["Block"]:
        """The block in parts of at most so many texts, and of a power of two each: that makes few sizes."""
        at = 0
        while at < self.texts:
            some = 1 << (min(max(1, at_most), self.texts - at).bit_length() - 1)
            mask = None if self.mask is None else self.mask[at : at + some]
            yield replace(self, first=self.first + at * self.width, texts=some, mask=mask)
            at += some

    @property
    def end(self) -> int:
        """The row behind the last one."""
        return self.first + self.texts * self.width

    def of(self, rows: torch.Tensor) -> torch.Tensor:
        """These texts of ``rows``, (rows, heads, size): a view of (texts, heads, width, size)."""
        mine = rows[self.first : self.end]
        return mine.unflatten(0, (self.texts, self.width)).transpose(1, 2)

    def asks(self, rows: torch.Tensor) -> torch.Tensor:
        """Of that the tokens that look at the others: a view of (texts, heads, asking, size)."""
        return self.of(rows)[:, :, : self.asking]


class Layout:
    """Where each token of a padded batch lies among the rows."""

    def __init__(self, lengths: Sequence[int], tokens: int) -> None:
        """``lengths``: tokens of each text, which come first in it. ``tokens``: how wide the batch is padded."""
        self.blocks: list[Block] = []
        self.firsts = torch.zeros(len(lengths), dtype=torch.long)  # the row of each text's first token
        places: list[torch.Tensor] = []
        for some in _alike(lengths):
            of_each, width = torch.tensor([lengths[at] for at in some]), _up(lengths[some[0]], _STEP)
            spare = torch.arange(width) >= of_each[:, None]
            mask = (spare * NEVER)[:, None, None] if spare.any() else None
            self.blocks.append(Block(sum(map(len, places)), len(some), width, mask, width))
            self.firsts[some] = self.blocks[-1].first + width * torch.arange(len(some))
            within = torch.arange(width).clamp_max(tokens - 1)  # what lies behind a text is masked, whatever it is
            places.append((torch.tensor(some)[:, None] * tokens + within).flatten())
        used = torch.cat(places)
        self.places = torch.zeros(_up(len(used), _ROWS), dtype=torch.long)  # (rows,): text * tokens + token
        self.places[: len(used)] = used

    def packed(self, hidden: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, size) as (1, rows, size)."""
        return hidden.flatten(0, 1)[self.places][None]

    def ending(self) -> "Layout":
        """The same where only the first token of each text looks at the others: what a last block is asked for."""
        last = copy(self)
        last.blocks = [replace(block, asking=1) for block in self.blocks]
        return last

    def first(self, hidden: torch.Tensor) -> torch.Tensor:
        """Of (1, rows, size) the first token of each text: (1, texts, size)."""
        return hidden[:, self.firsts]


def mask(batch_size: int, kv_length: int, attention_mask: torch.Tensor | None = None, **_: Any) -> Layout:
    """The layout of a batch, in the place of a mask: what transformers hands on to each block and its attention."""
    if attention_mask is None:
        return Layout([kv_length] * batch_size, kv_length)
    seen = attention_mask.bool()
    if not (seen[:, 0].all() and (seen[:, 1:] <= seen[:, :-1]).all()):
        raise ValueError("a text must begin where its row of the batch does, and have no hole")
    return Layout(seen.sum(1).tolist(), kv_length)


def without_padding(model: Any) -> Any:
    """The model, its blocks given rows of tokens; for one whose attention reads a ``Layout`` (``cpu.attention``).

    Its head must read the first token of each text: that is all that it is given, (texts, 1, size), and what the last
    block would make of the others is left out.
    """
    blocks = stack(model)
    blocks[0].register_forward_pre_hook(lambda _, given: (given[1].packed(given[0]), *given[1:]))
    blocks[-1].register_forward_pre_hook(lambda _, given: (given[0], given[1].ending(), *given[2:]))
    behind = getattr(blocks[-1].attention, "output", None)  # it adds what went in to what came out
    if behind is None:
        blocks[-1].register_forward_hook(lambda _, given, made: given[1].first(made).transpose(0, 1))
        return model
    now: list[Layout] = []
    blocks[-1].register_forward_pre_hook(lambda _, given: now.__setitem__(slice(None), [given[1]]))
    behind.register_forward_pre_hook(lambda _, given: tuple(now[0].first(part) for part in given))
    blocks[-1].register_forward_hook(lambda _, given, made: made.transpose(0, 1))
    return model


def first_token_only(model: Any) -> Any:
    """The model, which answers the same; its last block ends with the first token of each text, (texts, 1, size).

    Of ``HEADS`` no other token is read. What follows the last attention is three quarters of a block's products.
    """
    if model.config.model_type in HEADS:
        behind = stack(model)[-1].attention.output
        behind.register_forward_pre_hook(lambda _, given: tuple(part[:, :1] for part in given))
    return model


def stack(model: Any) -> Any:
    """The blocks of an encoder."""
    return next(part for part in model.base_model.modules() if isinstance(part, nn.ModuleList))


def _alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Texts that lie side by side, by their places; the longest comes first."""
    some: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if some and lengths[at] < _ALIKE * lengths[some[0]] and _up(lengths[at], _STEP) < _up(lengths[some[0]], _STEP):
            yield some
            some = []
        some.append(at)
    yield some


def _up(number: int, step: int) -> int:
    return -(-number // step) * step
