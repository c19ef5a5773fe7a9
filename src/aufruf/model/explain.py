"""LIME (Ribeiro et al. 2016, arXiv 1602.04938) with the library's sampling, kernel and ridge, and words of our own.

The library's text front end is left out: it never sees emoji, ``#`` or ``@``, raises on a text without words, and hands
all perturbations to the classifier at once, duplicates included. Here each distinct one is scored once.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.errors import AufrufError
from aufruf.model.words import tokens

Floats = npt.NDArray[np.float64]
Positives = Callable[[Sequence[str]], Floats]  # texts -> probability of the positive label
_KERNEL_WIDTH = 25.0  # the library's
_TOP = 6  # words compared for stability


@dataclass(frozen=True)
class Explained:
    """Words with weights, strongest first: above zero they speak for the positive label."""

    words: list[tuple[str, float]]
    fit: float  # weighted R2 of the local linear model
    stability: float  # overlap of the top words that two halves of the perturbations name, 0..1
    probability: float  # of the positive label, for the whole text
    scored: int  # distinct texts that the model had to score


def seed_of(seed: int, text_id: str, model_version: str) -> int:
    """The same explanation every day: a seed that depends on nothing but the text and the model."""
    digest = hashlib.sha256(f"{seed}|{text_id}|{model_version}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big")


def explain(
    text: str,
    positives: Positives,
    perturbations: int,
    words: int,
    seed: int,
    split: Callable[[str], list[str]] | str = tokens,
) -> Explained:
    """Explain the positive label's probability of ``text`` from ``perturbations`` variants with words left out.

    ``split`` is the tokens function, or a regular expression of what stands between words (the library's way).
    A text without words has nothing to explain: no words, fit and stability 0. Raises AufrufError when the model
    answers with no number.
    """
    from lime.lime_text import IndexedString

    indexed = IndexedString(text, split_expression=split, bow=True)
    if indexed.num_words() == 0:
        return Explained([], 0.0, 0.0, float(positives([text])[0]), 1)
    random = np.random.RandomState(seed)
    masks = _masks(indexed.num_words(), perturbations, random)
    probabilities, scored = _score(indexed, masks, positives)
    weights, fit = _linear(masks, probabilities, words, random)
    named = [(str(indexed.word(index)), float(weight)) for index, weight in weights]
    return Explained(named, fit, _stability(masks, probabilities), float(probabilities[0]), scored)


def _masks(distinct: int, perturbations: int, random: np.random.RandomState) -> Floats:
    """Which words stay, (perturbations, distinct), drawn as the library draws; the first row is the whole text."""
    masks = np.ones((perturbations, distinct))
    for row, size in enumerate(random.randint(1, distinct + 1, perturbations - 1), start=1):
        masks[row, random.choice(range(distinct), size, replace=False)] = 0
    return masks


def _score(indexed: Any, masks: Floats, positives: Positives) -> tuple[Floats, int]:
    """The probability of each variant; each distinct variant is scored once."""
    distinct, back = np.unique(masks, axis=0, return_inverse=True)
    variants = [indexed.inverse_removing(np.flatnonzero(row == 0)) for row in distinct]
    probabilities = positives(variants)
    if not np.isfinite(probabilities).all():
        raise AufrufError(
            "the model's output is not a number", next="Train again, or move the alias to another version."
        )
    return probabilities[back.ravel()], len(variants)


def _linear(masks: Floats, probabilities: Floats, words: int, random: Any) -> tuple[list[tuple[int, float]], float]:
    """Weights of the strongest words and the weighted R2, by the library's feature selection and ridge regression."""
    from lime.lime_base import LimeBase

    present = masks.mean(axis=1)  # cosine similarity of a 0/1 row to the row of ones is the root of the share kept
    distances = (1.0 - np.sqrt(present)) * 100
    base = LimeBase(lambda d: np.sqrt(np.exp(-(d**2) / _KERNEL_WIDTH**2)), random_state=random)
    both = np.column_stack([1 - probabilities, probabilities])
    _, weights, fit, _ = base.explain_instance_with_data(masks, both, distances, 1, words)
    return [(int(index), float(weight)) for index, weight in weights], float(fit)


def _stability(masks: Floats, probabilities: Floats) -> float:
    """Overlap (Jaccard) of the strongest words found on two independent halves of the perturbations."""
    tops = []
    for half in (0, 1):
        rows = np.r_[0, np.arange(1 + half, len(masks), 2)]  # the whole text, then every other variant
        weights, _ = _linear(masks[rows], probabilities[rows], _TOP, np.random.RandomState(half))
        tops.append({index for index, _ in weights})
    return len(tops[0] & tops[1]) / len(tops[0] | tops[1])
