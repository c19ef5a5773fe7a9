"""Training with the rows of the word embedding that the texts use, and no others.

Most of a multilingual encoder is its vocabulary, and an optimizer that keeps two moments for each of its rows spends
more time there than on the texts. A row whose token occurs in no text gets no gradient: all that AdamW does to it is
decay it (Loshchilov and Hutter 2019, algorithm 2), and that is made up for in one product at the end.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn


class Vocabulary:
    """The token ids that occur, and their places in the smaller embedding."""

    def __init__(self, texts: Iterable[Sequence[int]], always: Sequence[int]) -> None:
        """``texts``: token ids of each text. ``always``: ids that are kept whether they occur or not."""
        found = {int(token) for ids in texts for token in ids}
        self.ids = np.array(sorted(found.union(always)), dtype=np.int64)

    def places(self, ids: Sequence[int]) -> list[int]:
        """Where each token of a text lies in the smaller embedding."""
        return np.searchsorted(self.ids, np.asarray(ids, dtype=np.int64)).tolist()

    def place(self, token: int) -> int:
        return self.places([token])[0]

    def shrink(self, model: Any) -> Any:
        """The model with only the rows that occur. Draws no random number."""
        whole = model.get_input_embeddings()
        pad = self.place(whole.padding_idx) if whole.padding_idx in self.ids else None  # the tokenizer's may be another
        rows = whole.weight.data[torch.from_numpy(self.ids)]
        small = nn.Embedding.from_pretrained(rows, freeze=not whole.weight.requires_grad, padding_idx=pad)
        model.set_input_embeddings(small)
        return model

    def grow(self, model: Any, whole: nn.Embedding, decay: float) -> Any:
        """The model with every row again: ``whole`` times ``decay``, and in it the rows as they are now trained."""
        rows = whole.weight.data * decay
        rows[torch.from_numpy(self.ids)] = model.get_input_embeddings().weight.data.to(rows)
        model.set_input_embeddings(nn.Embedding.from_pretrained(rows, padding_idx=whole.padding_idx))
        return model


def decay(scheduler: Any, weight_decay: float, steps: int) -> float:
    """What AdamW has multiplied a parameter without gradients with: the product of 1 - rate * decay over the steps."""
    rates = [scheduler.base_lrs[0] * scheduler.lr_lambdas[0](step) for step in range(steps)]
    return float(np.prod([1 - rate * weight_decay for rate in rates]))
