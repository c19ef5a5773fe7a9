"""What a training is fed with: rows by length, in batches as wide as their longest text."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from aufruf.model.recipe import Examples
from aufruf.model.vocabulary import Vocabulary


def dataset(words: Vocabulary, ids: Sequence[Sequence[int]], examples: Examples) -> Any:
    """Rows by length, so that a batch of them is hardly padded; training draws its own order."""
    from datasets import Dataset

    order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
    return Dataset.from_dict(
        {
            "input_ids": [words.places(ids[at]) for at in order],
            "labels": [examples.targets[at] for at in order],
            "length": [len(ids[at]) for at in order],
        }
    )


def collator(pad: int, width: Callable[[int], int]) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    """Pads to the longest text of the batch, not of the data."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = width(max(len(row["input_ids"]) for row in rows))
        ids = torch.full((len(rows), longest), pad)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[i, : len(row["input_ids"])] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    return collate
