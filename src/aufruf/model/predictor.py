"""Probabilities for any number of texts: sorted by length, batches filled to a token budget, half precision if real."""

import logging
import operator
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch

from aufruf.errors import MemoryFull
from aufruf.model import bundle, device, evaluation
from aufruf.model.layout import first_token_only
from aufruf.model.packed import packed
from aufruf.model.tokenization import Tokenizer

Floats = npt.NDArray[np.float64]
log = logging.getLogger(__name__)
_ALIKE = 0.9  # of the longest text's length, from which texts share a batch
_AHEAD = 4096  # texts put into tokens while a GPU computes those before
_SHORT = 16  # tokens of a text that must have room: if it has none, somebody else holds the memory
_SMALL = 8  # part of the budget from which a batch is worth its while whatever else it could hold
NO_NUMBER = "the model's output is not a number"
NO_ROOM = "the text alone does not fit into the memory of the device"


@dataclass(frozen=True)
class Scored:
    """Probabilities, (texts, labels), NaN where a text was refused; and why, by its place."""

    probabilities: Floats
    refused: dict[int, str]


class Predictor:
    """A fine-tuned model with its labels and threshold."""

    def __init__(
        self, model: Any, tokenizer: Tokenizer, card: bundle.Card, tokens_per_batch: int | None = None
    ) -> None:
        self.device = device.find()
        model = first_token_only(model.to(self.device.kind).eval())
        self.model = packed(model) if self.device.kind == "cpu" and self.device.bf16 else model
        self.tokenizer, self.card = tokenizer, card
        self.tokens_per_batch = tokens_per_batch or self.device.tokens_per_batch
        self._budget = self.tokens_per_batch  # what is left of it while the memory is short
        self.positive = tuple(card.labels).index(card.positive)

    @classmethod
    def load(cls, folder: Path, manifest_digest: str | None = None, tokens_per_batch: int | None = None) -> "Predictor":
        """Verify and load a bundle; ``tokens_per_batch`` None: as suits the device. Raises BundleRefused."""
        from transformers import AutoModelForSequenceClassification

        card = bundle.verify(folder, manifest_digest)
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
        cut = cast(Literal["head", "head_tail"], card.truncation)
        return cls(model, Tokenizer(folder, card.max_tokens, cut), card, tokens_per_batch)

    def score(self, texts: Sequence[str], progress: Callable[[int], Any] | None = None) -> Scored:
        """Probability of each label for each text; of a single-label model rows sum to 1.

        A text that cannot be scored is refused with its reason, and stops no other. ``progress`` is called with the
        number of texts after each batch. Texts of the same tokens are scored once, on a GPU those of 4,096 in a row.
        Raises MemoryFull where not even a short text has room.
        """
        out, refused = np.full((len(texts), len(self.card.labels)), np.nan), dict[int, str]()
        self._budget = self.tokens_per_batch
        for first, ids in self._tokens(texts):
            alike = [[first + at for at in places] for places in _alike(ids)]
            for batch, rows in self._answers([ids[places[0] - first] for places in alike]):
                for one, row in zip(batch, rows, strict=True):
                    if row is None or not np.isfinite(row).all():
                        refused |= dict.fromkeys(alike[one], NO_ROOM if row is None else NO_NUMBER)
                    else:
                        out[alike[one]] = row
                if progress:
                    progress(sum(len(alike[one]) for one in batch))
        return Scored(out, dict(sorted(refused.items())))

    def probabilities(self, texts: Sequence[str], progress: Callable[[int], Any] | None = None) -> Floats:
        """The probabilities of ``score``, (texts, labels); NaN where a text was refused."""
        return self.score(texts, progress).probabilities

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

    def _tokens(self, texts: Sequence[str]) -> Iterator[tuple[int, list[list[int]]]]:
        """Parts of the texts: where each begins, and its token ids. While a GPU computes, the next part is made."""
        if self.device.kind == "cpu":
            yield 0, self.tokenizer(texts).ids
            return
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(self.tokenizer, texts[:_AHEAD])
            for first in range(0, len(texts), _AHEAD):
                made, following = ahead.result().ids, first + _AHEAD
                if following < len(texts):
                    ahead = pool.submit(self.tokenizer, texts[following : following + _AHEAD])
                yield first, made

    def _answers(self, ids: Sequence[list[int]]) -> Iterator[tuple[list[int], list[Floats | None]]]:
        """As ``_rows``; rows that are too large for fp16 are asked again in fp32."""
        again: list[int] = []
        for batch, rows in self._rows(ids):
            kept = [row is None or bool(np.isfinite(row).all()) or not self.device.fp16 for row in rows]
            again += compress(batch, map(operator.not_, kept))
            yield list(compress(batch, kept)), list(compress(rows, kept))
        if again:
            log.info("%d texts were too large for fp16 and are computed again in fp32", len(again))
        for batch, rows in self._rows([ids[at] for at in again], half=False):
            yield [again[at] for at in batch], rows

    def _batches(self, lengths: Sequence[int]) -> Iterator[list[int]]:
        """Positions, longest texts first, so that a batch that does not fit in memory fails at once.

        A batch ends where the budget does, or where it would be padding: at a text much shorter than its first.
        """
        batch: list[int] = []
        longest = 0
        for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            longest = longest or lengths[i]
            wide = lengths[i] < _ALIKE * longest and longest * len(batch) * _SMALL >= self._budget
            if batch and (wide or longest * (len(batch) + 1) > self._budget):
                yield batch
                batch, longest = [], lengths[i]
            batch.append(i)
        if batch:
            yield batch

    def _rows(self, ids: Sequence[list[int]], half: bool = True) -> Iterator[tuple[list[int], list[Floats | None]]]:
        """Batch by batch the places of texts and their probabilities, (labels,); None of one that has no room alone.

        A GPU is given the next batch before the answers of the last are fetched. Where the memory is full, the batch is
        cut in halves, and no later one of the same call is larger.
        """
        ahead: tuple[list[int], torch.Tensor] | None = None
        for batch in self._batches([len(row) for row in ids]):
            rows = [ids[at] for at in batch]
            logits = self._begun(rows, half)
            if ahead:
                yield ahead[0], self._fetched(ahead[1])
            ahead = None if logits is None else (batch, logits)
            if logits is not None:
                continue
            if len(rows) == 1:
                if len(rows[0]) <= _SHORT:
                    raise MemoryFull(
                        f"the memory of {self.device.name} does not hold a single short text",
                        next="Free the GPU, and try again.",
                    )
                yield batch, [None]
                continue
            self._budget = max(1, min(self._budget, len(rows) * len(rows[0])) // 2)
            log.warning("The memory of the device is full: batches now have at most %d tokens.", self._budget)
            for part, answers in self._rows(rows, half):
                yield [batch[at] for at in part], answers
        if ahead:
            yield ahead[0], self._fetched(ahead[1])

    def _begun(self, rows: list[list[int]], half: bool) -> torch.Tensor | None:
        """The logits of each row of token ids, as the device computes them; None for want of memory."""
        try:
            with torch.inference_mode(), self.device.autocast(half):
                return self.model(**self._padded(rows)).logits
        except RuntimeError as error:
            if not device.is_full(error):
                raise
        # what the failure holds on to is gone now, so the memory can be
        if self.device.kind == "cuda":
            torch.cuda.empty_cache()
        return None

    def _fetched(self, logits: torch.Tensor) -> list[Floats | None]:
        return list(evaluation.probabilities_of(logits.cpu().double().numpy(), self.card.multi_label))

    def _padded(self, rows: list[list[int]]) -> dict[str, torch.Tensor]:
        width = self.device.width(max(len(ids) for ids in rows))
        ids = np.full((len(rows), width), self.tokenizer.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), width), dtype=np.int64)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return {"input_ids": self._there(ids), "attention_mask": self._there(mask)}

    def _there(self, array: npt.NDArray[np.int64]) -> torch.Tensor:
        """The array on the device; to a GPU it is copied while that computes."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to("cuda", non_blocking=True) if self.device.kind == "cuda" else tensor


def _alike(ids: Sequence[Sequence[int]]) -> list[list[int]]:
    """The places of each different row: a post that is shared a hundred times is read once."""
    places: dict[bytes, list[int]] = {}
    for at, row in enumerate(ids):
        places.setdefault(np.asarray(row, dtype=np.int32).tobytes(), []).append(at)
    return list(places.values())
