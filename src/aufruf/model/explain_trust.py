"""Whether an explanation can be believed: do the words that it names move the model more than any other words do?"""

import unicodedata
from collections.abc import Iterable, Sequence

import numpy as np

from aufruf.model.explain import Explained, Positives
from aufruf.model.explain_design import Cut
from aufruf.model.words import AT, HASH, is_emoji, is_mention

_DELETED, _AGAINST = 3, 20  # words deleted at once; random sets of as many words that they are held against
_MARKS = f"{HASH}{AT}"  # of hashtags and handles
ASKED = 1 + _AGAINST  # texts that the model is asked about to measure faithfulness once


def faithfulness(text: str, found: Explained, positives: Positives, seed: int, fold_case: bool = False) -> float | None:
    """The share of random sets of words whose deletion changes the prediction less than that of the strongest words.

    Up to three words that pull the way the strongest does; ties count half; 0.5 is chance. None for a text that has no
    other words, or of which, without those named, the model makes no number; sets of which it makes none are left out.
    After "comprehensiveness" (DeYoung et al. 2020, arXiv 1911.03429), against chance instead of zero.
    """
    cut = Cut(text, fold_case=fold_case)
    pulling = [cut.number(word) for word, weight in found.words if weight * found.words[0][1] > 0]
    named = [number for number in pulling if number is not None][:_DELETED]
    if not named or len(cut) <= len(named):
        return None
    random = np.random.RandomState(seed)
    drawn = [random.permutation(len(cut))[: len(named)].tolist() for _ in range(_AGAINST)]
    moved = np.abs(positives([cut.without(_kept(len(cut), gone)) for gone in [named, *drawn]]) - found.probability)
    top, others = moved[0], moved[1:][np.isfinite(moved[1:])]
    if not np.isfinite(top) or not len(others):
        return None
    equal = np.isclose(others, top, rtol=1e-6, atol=1e-9)
    return float(np.mean(np.where(equal, 0.5, others < top)))


def kind_of(word: str, parties: Iterable[str]) -> str | None:
    """Why a word should not matter to a call: a ``party`` name, an ``emoji``, a ``handle``; None for any other."""
    if is_mention(word):
        return "handle"
    if bare(word) in map(bare, parties):
        return "party"
    return "emoji" if is_emoji(word) else None


def bare(word: str) -> str:
    """A word without the signs of hashtags and handles, in NFC, without case: so spellings of a party are one name."""
    return unicodedata.normalize("NFC", word.lstrip(_MARKS)).casefold()


def swapped(text: str, word: str, parties: Sequence[str]) -> str:
    """The text with a suspected word replaced everywhere: a party by the next, a handle by nobody's, an emoji by "".

    Of a party in each spelling and in the other forms that are listed (Grüne, Grünen), also as a hashtag or a handle,
    which it stays; of a handle whatever its case.
    """
    if kind_of(word, parties) != "party":
        instead = "@konto" if is_mention(word) else ""
        return "".join(instead if piece.casefold() == word.casefold() else piece for piece, _ in Cut(text).pieces)
    forms, other = _forms(word, parties), _next_party(word, parties)
    return "".join(_as_marked(piece, other) if bare(piece) in forms else piece for piece, _ in Cut(text).pieces)


def _as_marked(piece: str, name: str) -> str:
    return name and piece[: len(piece) - len(piece.lstrip(_MARKS))] + name


def _forms(word: str, parties: Sequence[str]) -> set[str]:
    """Which names of the list are the same party's: those that begin with the same four letters."""
    return {name for name in map(bare, parties) if name[:4] == bare(word)[:4]}


def _next_party(word: str, parties: Sequence[str]) -> str:
    """The party that follows in the list, leaving out other forms of the same name; "" where there is none."""
    start, forms = [bare(name) for name in parties].index(bare(word)), _forms(word, parties)
    order = [*parties[start + 1 :], *parties[:start]]
    return next((other for other in order if bare(other) not in forms), "")


def _kept(count: int, gone: Iterable[int]) -> list[bool]:
    out = set(gone)
    return [number not in out for number in range(count)]
