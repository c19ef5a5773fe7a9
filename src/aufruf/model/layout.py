"""The texts of a batch one behind the other, those of about the same length side by side: hardly anything is padding.

A batch is as wide as its longest text, and most of what a network then computes may be padding that no answer depends
on. Between its first block and its last it is given rows of tokens instead (packed sequences; Krell et al. 2021,
"Efficient Sequence Packing without Cross-contamination"): products, norms and dropout know no texts, and attention is
told where each of them lies. Which texts make a batch is not changed by it, and neither is what they answer and teach.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

NEVER = torch.finfo(torch.bfloat16).min  # added to the score of what is not looked at; a number in each precision
_ALIKE = 0.85  # of the longest text's length, from which texts lie side by side
_SHORT = 16  # tokens: shorter texts are all alike, since to part them costs more than their padding


@dataclass(frozen=True)
class Block:
    """Texts of one width whose rows are ``first`` and those that follow; ``mask`` is added to the scores."""

    first: int
    texts: int
    width: int
    mask: torch.Tensor | None  # (texts, 1, 1 or width, width)

    def few(self, at_most: int) -> Iterator["Block"]:
        """The block in parts of at most so many texts."""
        for at in range(0, self.texts, max(1, at_most)):
            mask = None if self.mask is None else self.mask[at : at + max(1, at_most)]
            yield Block(self.first + at * self.width, min(max(1, at_most), self.texts - at), self.width, mask)

    def of(self, rows: torch.Tensor) -> torch.Tensor:
        """These texts of ``rows``, (rows, heads, size): a view of (texts, heads, width, size)."""
        mine = rows[self.first : self.first + self.texts * self.width]
        return mine.unflatten(0, (self.texts, self.width)).transpose(1, 2)


class Layout:
    """Where each token of a padded batch lies among the rows."""

    def __init__(self, lengths: Sequence[int], tokens: int) -> None:
        """``lengths``: tokens of each text, which come first in it. ``tokens``: how wide the batch is padded."""
        self.shape = len(lengths), tokens
        self.blocks: list[Block] = []
        firsts: list[torch.Tensor] = []
        places: list[torch.Tensor] = []
        for some in _alike(lengths):
            of_each, width = torch.tensor([lengths[at] for at in some]), lengths[some[0]]
            spare = torch.arange(width) >= of_each[:, None]
            mask = (spare * NEVER)[:, None, None] if spare.any() else None
            self.blocks.append(Block(sum(map(len, places)), len(some), width, mask))
            firsts.append(self.blocks[-1].first + width * torch.arange(len(some)))
            places.append((torch.tensor(some)[:, None] * tokens + torch.arange(width)).flatten())
        self.places = torch.cat(places)  # (rows,): text * tokens + token
        self.firsts = torch.cat(firsts)  # the row of each text's first token

    def packed(self, hidden: torch.Tensor) -> torch.Tensor:
        """(texts, tokens, size) as (1, rows, size)."""
        return hidden.flatten(0, 1)[self.places][None]

    def padded(self, hidden: torch.Tensor) -> torch.Tensor:
        """(1, rows, size) as (texts, tokens, size), 0 where a text has no token; or that of their first tokens only."""
        texts, tokens = self.shape
        empty = hidden.new_zeros(texts * tokens, hidden.shape[-1])
        places = self.places if hidden.shape[1] == len(self.places) else self.places[self.firsts]
        return empty.index_copy(0, places, hidden[0]).unflatten(0, self.shape)


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

    Its head must read the first token of each text: what the last block computes of the others behind its attention,
    three quarters of it, is left out.
    """
    blocks = next(part for part in model.base_model.modules() if isinstance(part, nn.ModuleList))
    blocks[0].register_forward_pre_hook(lambda _, given: (given[1].packed(given[0]), *given[1:]))
    blocks[-1].register_forward_hook(lambda _, given, made: given[1].padded(made))
    if behind := getattr(blocks[-1].attention, "output", None):  # it adds what went in to what came out
        now: list[Layout] = []
        blocks[-1].register_forward_pre_hook(lambda _, given: now.__setitem__(slice(None), [given[1]]))
        behind.register_forward_pre_hook(lambda _, given: tuple(part[:, now[0].firsts] for part in given))
    return model


def _alike(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Texts that lie side by side, by their places; the longest comes first."""
    some: list[int] = []
    for at in sorted(range(len(lengths)), key=lambda at: -lengths[at]):
        if some and lengths[at] < _ALIKE * lengths[some[0]] and lengths[some[0]] > _SHORT:
            yield some
            some = []
        some.append(at)
    yield some
