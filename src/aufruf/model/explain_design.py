"""What LIME perturbs: a text cut into words, and which of them each variant keeps."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from aufruf.model.words import tokens

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]  # (variants, words): True where a word stays
Split = Callable[[str], list[str]] | str
_KERNEL_WIDTH = 25.0  # the library's


class Cut:
    """A text as pieces, some of which are words; equal words are one feature and are left out everywhere at once.

    ``split`` gives the tokens, or is a regular expression of what stands between words (the library's way). With
    ``fold_case`` words that differ in case only are equal; the first spelling names them.
    """

    def __init__(self, text: str, split: Split = tokens, fold_case: bool = False) -> None:
        self.text = text
        self.names: list[str] = []
        self.pieces: list[tuple[str, int]] = []  # a piece and the number of its word, -1 for what stands between
        self._fold, self._known = fold_case, dict[str, int]()
        for piece, is_word in _pieces(text, split):
            number = -1
            if is_word:
                number = self._known.setdefault(self._key(piece), len(self._known))
                if number == len(self.names):
                    self.names.append(piece)
            self.pieces.append((piece, number))

    def __len__(self) -> int:
        return len(self.names)

    def number(self, word: str) -> int | None:
        """The number of a word, None where the text lacks it."""
        return self._known.get(self._key(word))

    def without(self, kept: Iterable[bool]) -> str:
        """The text with the words left out that are not kept."""
        stays = [*kept, True]  # number -1: what stands between words always stays
        return "".join([piece for piece, number in self.pieces if stays[number]])

    def weighted(self, weights: Sequence[tuple[int, float]]) -> list[tuple[str, float | None]]:
        """The pieces in order, each with the weight of its word, or None."""
        of = dict(weights)
        return [(piece, of.get(number)) for piece, number in self.pieces]

    def _key(self, word: str) -> str:
        return word.casefold() if self._fold else word


class Draws:
    """The library's perturbations, in its order, drawn as they are asked for: row 0 is the whole text.

    ``LimeTextExplainer.__data_labels_distances`` of lime 0.2.0.1: a size uniform in 1..words, then which words go.
    """

    def __init__(self, words: int, perturbations: int, seed: int) -> None:
        self._random = np.random.RandomState(seed)
        self._sizes = self._random.randint(1, words + 1, perturbations - 1)
        self._words, self.perturbations = words, perturbations
        self.masks: Masks = np.ones((1, words), dtype=np.bool_)

    def up_to(self, rows: int) -> Masks:
        """The first so many perturbations, at most all of them."""
        have = len(self.masks)
        wanted = min(rows, self.perturbations)
        if wanted > have:
            more = np.ones((wanted - have, self._words), dtype=np.bool_)
            for row, size in zip(more, self._sizes[have - 1 : wanted - 1], strict=True):
                row[self._random.permutation(self._words)[:size]] = False
            self.masks = np.concatenate([self.masks, more])
        return self.masks[:wanted]


def every(words: int, perturbations: int) -> tuple[Masks, Floats]:
    """All variants of so many words, and how often each occurs among ``perturbations`` draws in the mean.

    The whole text once; a variant that lacks s of n words (perturbations - 1) / (n * C(n, s)) times, for the size is
    uniform in 1..n and the words of a size are. The counts sum to ``perturbations``.
    """
    numbers = np.arange(2**words - 1, -1, -1)  # the whole text first
    masks = (numbers[:, None] >> np.arange(words) & 1).astype(np.bool_)
    removed = words - masks.sum(axis=1)
    alike = np.bincount(removed, minlength=words + 1)  # C(n, s)
    counts = (perturbations - 1) / (words * alike[removed])
    counts[0] = 1.0
    return masks, counts


def kernel(kept: Floats) -> Floats:
    """The library's weight of a variant that keeps this share of the words.

    Cosine similarity of a 0/1 row to the row of ones is the root of the share; distance is 100 times one minus it.
    """
    distance = (1.0 - np.sqrt(kept)) * 100
    weights: Floats = np.sqrt(np.exp(-(distance**2) / _KERNEL_WIDTH**2))
    return weights


class Scores:
    """The probability of each variant that was asked for, each distinct one asked for once."""

    def __init__(self) -> None:
        self._known: dict[bytes, float] = {}

    def unknown(self, masks: Masks) -> Masks:
        """Those of the masks that have no score yet, each once."""
        new = {key: at for at, key in enumerate(_keys(masks)) if key not in self._known}
        return masks[sorted(new.values())]

    def learn(self, masks: Masks, probabilities: Floats) -> None:
        self._known.update(zip(_keys(masks), map(float, probabilities), strict=True))

    def of(self, masks: Masks) -> Floats:
        return np.array([self._known[key] for key in _keys(masks)])

    def __len__(self) -> int:
        return len(self._known)


def _keys(masks: Masks) -> list[bytes]:
    return [row.tobytes() for row in np.packbits(masks, axis=1)]


def _pieces(text: str, split: Split) -> Iterator[tuple[str, bool]]:
    """Pieces of the text that joined are the text again, and whether each is a word."""
    if isinstance(split, str):
        splitter = re.compile(rf"({split})|$")
        yield from ((piece, not splitter.match(piece)) for piece in splitter.split(text) if piece)
        return
    at = 0
    for token in split(text):
        start = text.index(token, at)
        if start > at:
            yield text[at:start], False
        yield token, True
        at = start + len(token)
    if at < len(text):
        yield text[at:], False
