"""Texts to token ids, bounded: a text that is too long keeps its head and its tail, because calls stand at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aufruf.errors import UsageError

_AT_ONCE = 1024  # texts that are in memory uncut: a transcript may have a hundred times what is kept of it
_HEAD_SHARE = 0.25  # of the tokens kept; Sun et al. 2019 (arXiv 1905.05583) kept 128 of 510


@dataclass(frozen=True)
class Tokens:
    """Token ids per text, special tokens included; how many texts were cut, and how many tokens that took away."""

    ids: list[list[int]]
    truncated: int
    cut: int


class Tokenizer:
    """A Hugging Face tokenizer with one rule for long texts, used alike in training, scoring and explaining."""

    def __init__(self, folder: Path, max_tokens: int, truncation: Literal["head", "head_tail"]) -> None:
        from transformers import AutoTokenizer

        self.inner: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        self.inner.model_max_length = int(1e9)  # we cut, and count what we cut
        self._quick: Any = getattr(self.inner, "backend_tokenizer", None)  # all texts at once, on all cores
        self.truncation = truncation
        empty = self.inner("")["input_ids"]
        around = self.inner("a")["input_ids"]
        if not empty:
            raise UsageError(
                "its tokenizer puts no special tokens around a text",
                where=str(folder),
                next="Choose an encoder for classification in [encoder] name.",
            )
        if not set(around) - set(self.inner.all_special_ids):  # so transformers reads a folder without its vocabulary
            raise UsageError(
                "its tokenizer knows no word",
                where=str(folder),
                next="Put the encoder's tokenizer.json beside its weights, or choose another encoder.",
            )
        differ = (i for i, pair in enumerate(zip(around, empty, strict=False)) if pair[0] != pair[1])
        self._prefix = next(differ, len(empty))
        self._suffix = len(empty) - self._prefix
        self.max_tokens = max_tokens

    @property
    def pad_id(self) -> int:
        return int(self.inner.pad_token_id or 0)

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """Ids of each text, at most ``max_tokens`` long."""
        kept: list[list[int]] = []
        over: list[int] = []
        for first in range(0, len(texts), _AT_ONCE):
            whole = self._whole(list(texts[first : first + _AT_ONCE]))
            over += [len(ids) - self.max_tokens for ids in whole if len(ids) > self.max_tokens]
            kept += [self._cut(ids) for ids in whole]
        return Tokens(kept, len(over), sum(over))

    def unknown(self, texts: Sequence[str]) -> list[float]:
        """Of each text the share of tokens for which the vocabulary has no piece, 0..1; special tokens do not count."""
        unknown, around = self.inner.unk_token_id, self._prefix + self._suffix
        whole = self._whole(list(texts)) if texts else []
        return [sum(one == unknown for one in ids) / max(1, len(ids) - around) for ids in whole]

    def _whole(self, texts: list[str]) -> list[list[int]]:
        if self._quick is not None:
            self._quick.no_truncation()  # whoever called the tokenizer itself has left its wishes behind
            self._quick.no_padding()
            return [found.ids for found in self._quick.encode_batch_fast(texts)]
        ids: list[list[int]] = self.inner(texts, add_special_tokens=True, padding=False, truncation=False)["input_ids"]
        return ids

    def _cut(self, ids: list[int]) -> list[int]:
        if len(ids) <= self.max_tokens:
            return ids
        room = self.max_tokens - self._prefix - self._suffix
        tail = 0 if self.truncation == "head" else room - int(room * _HEAD_SHARE)
        head = self._prefix + room - tail
        return ids[:head] + ids[len(ids) - tail - self._suffix :]
