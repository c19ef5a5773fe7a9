"""What a training minimises."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from aufruf.model.recipe import Examples, Recipe


def weighted(recipe: Recipe, train: Examples) -> Callable[..., torch.Tensor]:
    """``compute_loss_func`` for the Trainer: the mean over the texts of a step of each text's weighted loss.

    One label a text: cross-entropy; a class of n texts out of N counts N / (classes * n), as scikit-learn has it.
    Several: the mean over the labels of the binary cross-entropy; a text that has the label counts (N - n) / n. With
    ``class_weights = "none"`` all count 1.

    A step may be made of several micro-batches. The Trainer does not divide a loss of our own by their number, so the
    sum is divided by the texts of the whole step: how it is cut up changes nothing (transformers #34198).
    """
    count = train.truth.sum(axis=0)
    balance = (len(train) - count) / count if train.several else len(train) / (len(count) * count)
    balance = balance if recipe.class_weights == "balanced" else np.ones(len(count))
    of_each = _binary if train.several else _categorical
    weight = torch.tensor(balance, dtype=torch.float32)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        texts = len(labels) if num_items_in_batch is None else num_items_in_batch / labels.shape[1]  # it counts cells
        return of_each(logits, labels.to(logits.dtype), weight.to(logits.device)).sum() / texts

    return loss


def _categorical(logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return -(weight * targets * torch.log_softmax(logits, dim=-1)).sum(dim=-1)


def _binary(logits: torch.Tensor, targets: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    per_label = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=weight, reduction="none"
    )
    return per_label.mean(dim=-1)
