"""Probabilities for any number of texts: sorted by length, batches filled to a token budget, half precision if real."""

from collections.abc import Callable, Iterator, Sequence
from itertools import compress
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch

from aufruf.model import bundle, device, evaluation
from aufruf.model.tokenization import Tokenizer

Floats = npt.NDArray[np.float64]


class Predictor:
    """A fine-tuned model with its labels and threshold."""

    def __init__(self, model: Any, tokenizer: Tokenizer, card: bundle.Card, tokens_per_batch: int) -> None:
        self.device = device.find()
        self.model = model.to(self.device.kind).eval()
        self.tokenizer, self.card, self.tokens_per_batch = tokenizer, card, tokens_per_batch
        self.positive = tuple(card.labels).index(card.positive)

    @classmethod
    def load(cls, folder: Path, manifest_digest: str | None = None, tokens_per_batch: int = 2048) -> "Predictor":
        """Verify and load a bundle. Raises BundleRefused."""
        from transformers import AutoModelForSequenceClassification

        card = bundle.verify(folder, manifest_digest)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        cut = cast(Literal["head", "head_tail"], card.truncation)
        return cls(model, Tokenizer(folder, card.max_tokens, cut), card, tokens_per_batch)

    def probabilities(self, texts: Sequence[str], progress: Callable[[int], Any] | None = None) -> Floats:
        """Probability of each label for each text, shape (texts, labels); of a single-label model rows sum to 1.

        ``progress`` is called with the number of texts after each batch.
        """
        out = np.zeros((len(texts), len(self.card.labels)))
        tokens = self.tokenizer(texts).ids
        with torch.inference_mode(), self.device.autocast():
            for batch in self._batches([len(ids) for ids in tokens]):
                logits = self.model(**self._padded([tokens[i] for i in batch])).logits
                out[batch] = evaluation.probabilities_of(logits.double().cpu().numpy(), self.card.multi_label)
                if progress:
                    progress(len(batch))
        return out

    def positives(self, texts: Sequence[str]) -> Floats:
        """Probability of the positive label, shape (texts,)."""
        return self.probabilities(texts)[:, self.positive]

    def decide(self, probabilities: Floats, threshold: float | None = None) -> npt.NDArray[np.bool_]:
        """Which labels each text is given, (texts, labels), at the bundle's threshold or at another one."""
        at = self.card.threshold if threshold is None else threshold
        return evaluation.decide(probabilities, self.positive, at, self.card.multi_label)

    def said(self, probabilities: Floats) -> list[list[str]]:
        """The names of the labels that each text is given: one, or any number if the model gives several."""
        return [list(compress(self.card.labels, row)) for row in self.decide(probabilities)]

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Positions, longest texts first, so that a batch that does not fit in memory fails at once."""
        batch: list[int] = []
        longest = 0
        for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            longest = longest or lengths[i]
            if batch and longest * (len(batch) + 1) > self.tokens_per_batch:
                yield batch
                batch, longest = [], lengths[i]
            batch.append(i)
        if batch:
            yield batch

    def _padded(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        width = max(len(ids) for ids in rows)
        ids = np.full((len(rows), width), self.tokenizer.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        to = self.device.kind
        return {"input_ids": torch.from_numpy(ids).to(to), "attention_mask": torch.from_numpy(mask).to(to)}
