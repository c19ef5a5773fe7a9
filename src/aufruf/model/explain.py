"""LIME (Ribeiro et al. 2016, arXiv 1602.04938): the library's sampling, kernel and regression, with words of our own.

Three ways to the same limit. Of few words every variant is scored and weighted by its probability under LIME's
sampling. Else LIME's own draws are taken until the words are stable, or all of them: then the answer is the library's.
Each distinct variant is scored once, and the variants of several texts together.
"""

import hashlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from aufruf.errors import AufrufError
from aufruf.model import explain_fit as fits
from aufruf.model.explain_design import Cut, Draws, Floats, Masks, Scores, Split, every
from aufruf.model.words import tokens

Positives = Callable[[Sequence[str]], Floats]  # texts -> probability of the positive label
_TOP = 6  # words compared for stability
_FIRST, _PER_WORD, _GROWTH = 200, 4, 1.5  # draws of the first chunk, at least; then half as many again each time
_TOGETHER = 16  # texts whose variants are scored side by side
_LETTERS = 2_000_000  # in all the variants of a text that are made at a time: of a long text's some, in turn
_AT_ONCE = 8192  # variants handed to the model in one call: bounds memory


@dataclass(frozen=True)
class Effort:
    """How much is spent on one text, and what counts as a word."""

    perturbations: int = 5000  # the ceiling; at most so many draws
    words: int = 6  # in an explanation
    exact: int = 12  # up to so many distinct words every variant is scored, if the ceiling allows; 0: never
    certainty: float | None = 0.8  # share of resamples that must agree to stop; None: take all draws, as the library
    fold_case: bool = False

    def most(self, words: int) -> int:
        """The most texts that the model has to score for a text of so many distinct words."""
        return min(2**words, self.perturbations)


@dataclass(frozen=True)
class Explained:
    """Words with weights, strongest first: above zero they speak for the positive label."""

    words: list[tuple[str, float]]
    fit: float  # weighted R2 of the local linear model
    stability: float  # overlap of the top words that two halves of the perturbations name, 0..1; 1 where none is drawn
    probability: float  # of the positive label, for the whole text
    scored: int  # distinct texts that the model had to score
    way: str  # exact | adaptive | drawn, or none: a text without words
    drawn: int = 0  # perturbations taken; 0 where all variants were scored
    certainty: float | None = None  # share of resamples that name the same words; None where nothing was resampled
    pieces: list[tuple[str, float | None]] = field(default_factory=list)  # the text in pieces, words with weights


def seed_of(seed: int, digest: str, model_version: str) -> int:
    """The same draws every day: a seed that depends on nothing but the text, by its ``digest``, and the model."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{digest}|{model_version}".encode()).digest()[:4], "big")


def explain(text: str, positives: Positives, effort: Effort, seed: int, split: Split = tokens) -> Explained:
    """Explain the positive label's probability of one text; see ``explain_many``.

    Raises AufrufError when the model answers with no number.
    """
    found = next(iter(explain_many([(text, seed)], positives, effort, split)))
    if found is None:
        raise AufrufError(
            "the model's output is not a number", next="Train again, or move the alias to another version."
        )
    return found


def explain_many(
    texts: Sequence[tuple[str, int]], positives: Positives, effort: Effort, split: Split = tokens
) -> Iterator[Explained | None]:
    """Explain texts, each with its seed, in their order, several at a time.

    A text's variants share batches of the model with its neighbours', whose widths round its answers, in half precision
    by more than in full: weights differ by as much from what the text gives alone, and nearly equal words may trade
    places.

    ``split`` is the tokens function, or a regular expression of what stands between words (the library's way). A text
    without words has nothing to explain: no words, fit and stability 0. None for a text about which, or about a variant
    of which, the model answers with no number.
    """
    waiting = enumerate(texts)
    works: dict[int, _Work] = {}
    asked: dict[int, list[str]] = {}
    done: dict[int, Explained | None] = {}
    for turn in range(len(texts)):
        while turn not in done:
            while len(works) < _TOGETHER and (following := next(waiting, None)) is not None:
                at, (text, seed) = following
                works[at] = _work(Cut(text, split, effort.fold_case), effort, seed)
                asked[at] = next(works[at])
            answers = _answers(asked, positives)
            for at, answer in answers.items():
                try:
                    if np.isfinite(answer).all():
                        asked[at] = works[at].send(answer)
                        continue
                    done[at] = None
                except StopIteration as end:
                    done[at] = end.value
                del works[at], asked[at]
        yield done.pop(turn)


_Work = Generator[list[str], Floats, Explained]  # asks for the probabilities of texts, and ends in an explanation


def _work(cut: Cut, effort: Effort, seed: int) -> _Work:
    if len(cut) == 0:
        probability = yield [cut.text]
        return Explained([], 0.0, 0.0, float(probability[0]), 1, "none", pieces=cut.weighted([]))
    if len(cut) <= effort.exact and 2 ** len(cut) <= effort.perturbations:
        return (yield from _exact(cut, effort))
    if effort.certainty is None or effort.perturbations < 2 * _PER_WORD * len(cut):
        return (yield from _drawn(cut, effort, seed))
    return (yield from _adaptive(cut, effort, effort.certainty, seed))


def _exact(cut: Cut, effort: Effort) -> _Work:
    masks, counts = every(len(cut), effort.perturbations)
    probabilities = yield [cut.without(row) for row in masks]
    found = fits.linear(fits.centred(fits.sums(masks, probabilities - probabilities[0], counts)), effort.words)
    return _explained(cut, found, 1.0, float(probabilities[0]), len(masks), "exact")


def _drawn(cut: Cut, effort: Effort, seed: int) -> _Work:
    """The library's answer, from all of its draws."""
    masks, scores = Draws(len(cut), effort.perturbations, seed).up_to(effort.perturbations), Scores()
    yield from _scored(cut, masks, scores)
    probabilities = scores.of(masks)
    about = probabilities - probabilities[0]
    found = fits.linear(fits.centred(fits.sums(masks, about)), effort.words)
    halves = [fits.linear(fits.centred(fits.sums(masks[rows], about[rows])), _TOP) for rows in _halves(len(masks))]
    return _explained(
        cut, found, fits.overlap(*halves), float(probabilities[0]), len(scores), "drawn", drawn=len(masks)
    )


def _adaptive(cut: Cut, effort: Effort, certainty: float, seed: int) -> _Work:
    """The library's draws until enough resamples of them name the same words, or until there are no more."""
    draws, scores, ceiling = Draws(len(cut), effort.perturbations, seed), Scores(), effort.perturbations
    wanted = max(_FIRST, _PER_WORD * len(cut))
    while True:
        masks = draws.up_to(wanted)
        yield from _scored(cut, masks, scores)
        probabilities = scores.of(masks)
        parts = fits.blocks(masks, probabilities - probabilities[0])
        found = fits.linear(fits.smoothed(fits.centred(parts.sum(axis=0)), ceiling), effort.words)
        share = fits.certainty(parts, found, effort.words, ceiling)
        if share >= certainty or len(masks) == ceiling:
            break
        wanted = min(int(_GROWTH * wanted), ceiling)
    halves = [fits.linear(fits.smoothed(fits.centred(parts[half::2].sum(axis=0)), ceiling), _TOP) for half in (0, 1)]
    first = float(probabilities[0])
    overlap = fits.overlap(*halves)
    return _explained(cut, found, overlap, first, len(scores), "adaptive", drawn=len(masks), certainty=share)


def _scored(cut: Cut, masks: Masks, scores: Scores) -> Generator[list[str], Floats, None]:
    """Ask for what is not known yet."""
    new, most = scores.unknown(masks), max(1, _LETTERS // len(cut.text))
    for at in range(0, len(new), most):
        some = new[at : at + most]
        scores.learn(some, (yield [cut.without(row) for row in some]))


def _explained(
    cut: Cut,
    found: fits.Linear,
    stability: float,
    probability: float,
    scored: int,
    way: str,
    drawn: int = 0,
    certainty: float | None = None,
) -> Explained:
    words = [(cut.names[number], weight) for number, weight in found.weights]
    pieces = cut.weighted(found.weights)
    return Explained(words, found.fit, stability, probability, scored, way, drawn, certainty, pieces)


def _halves(count: int) -> list[np.ndarray]:
    """Two independent halves of the draws: the whole text, and every other variant."""
    return [np.r_[0, np.arange(1 + half, count, 2)] for half in (0, 1)]


def _answers(asked: dict[int, list[str]], positives: Positives) -> dict[int, Floats]:
    """The probabilities that each text asked for, from as few calls of the model as memory allows."""
    variants = [one for some in asked.values() for one in some]
    parts = [np.asarray(positives(variants[at : at + _AT_ONCE])) for at in range(0, len(variants), _AT_ONCE)]
    flat = np.concatenate(parts)
    edges = np.cumsum([len(some) for some in asked.values()])
    return dict(zip(asked, np.split(flat, edges[:-1]), strict=True))
