"""What a training is fed with: rows by length, in batches as wide as their longest text."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from aufruf.model.recipe import Examples
from aufruf.model.vocabulary import Vocabulary

ORDER = 1  # of what is drawn here: a training that was begun in another order begins anew
_SPREAD = 0.05  # standard deviation of the logarithm of a length: who meets whom differs from epoch to epoch


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


class ByLength(torch.utils.data.Sampler[int]):
    """Rows in batches of about the same length, other batches and in another order each epoch.

    Transformers sorts within a quarter of the rows, so that of a few hundred texts more than a third is padding. Here
    all are sorted, by their length times a random factor near 1. The batch with the longest text comes first, so that
    a memory that is too small is noticed at once; what makes no whole batch is drawn from all, and comes last. Draws
    from torch's generator: seeds and checkpoints work as they always do.
    """

    def __init__(self, lengths: Sequence[int], batch: int) -> None:
        self.lengths, self.batch = torch.tensor(lengths), batch

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[int]:
        drawn = torch.randperm(len(self))
        rest = len(self) % self.batch
        whole = drawn[rest:]
        as_if = self.lengths[whole].log() + _SPREAD * torch.randn(len(whole))
        batches = whole[as_if.argsort()].view(-1, self.batch)
        batches = batches[torch.randperm(len(batches))]
        if len(batches):
            longest = int(self.lengths[batches].amax(1).argmax())
            batches[[0, longest]] = batches[[longest, 0]]
        yield from batches.flatten().tolist() + drawn[:rest].tolist()


def trainer(batch: int, **parts: Any) -> Any:
    """Transformers' Trainer of these parts, whose steps of ``batch`` texts are made ``ByLength``."""
    from transformers import Trainer

    class Ordered(Trainer):
        def get_train_dataloader(self) -> Any:
            rows: Any = self.train_dataset
            return self.accelerator.prepare(
                torch.utils.data.DataLoader(
                    rows,
                    self.args.per_device_train_batch_size,
                    sampler=ByLength(rows["length"], batch),
                    collate_fn=self.data_collator,
                    pin_memory=self.args.dataloader_pin_memory,
                )
            )

    return Ordered(**parts)


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
