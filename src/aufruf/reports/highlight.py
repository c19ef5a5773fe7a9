"""Where in a text the explained words stand. A word counts only where it is a whole token."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

from aufruf.letters import MARKS, NO_SIGN, WITHIN
from aufruf.reports.inert import UNSEEN

IN_WORD = rf"[\w{MARKS}{UNSEEN}]"
LINK = r"(?:https?://|www\.)[^\s<>]*[^\s<>.,;:!?)\]\"'»“”’…]"
HANDLE = rf"[@＠﹫][{UNSEEN}]*{NO_SIGN}\w(?:(?:{NO_SIGN}{IN_WORD}|[.@-])*{NO_SIGN}[\w{MARKS}])?"

_ZWJ, _KEYCAP, _INFO = "\u200d", "\u20e3", "\u2139\ufe0f"
_WORD = rf"[#＃]?{NO_SIGN}[^\W_](?:{NO_SIGN}[\w{MARKS}]|{WITHIN})*"
_WHOLE = re.compile(rf"(?P<whole>{LINK}|{HANDLE})|{_WORD}", re.IGNORECASE)  # no link begins within a word
_PREFIXES = {"#", "@", "＃", "＠"}
_WITHIN = re.compile(WITHIN)
_EXTENDS = {*map(chr, range(0x1F3FB, 0x1F400)), *map(chr, range(0xE0020, 0xE0080))}


def folding(fold_case: bool) -> Callable[[str], str]:
    """By what two spellings are one word: see ``[explain] fold_case``."""
    return str.casefold if fold_case else str


def spans(text: str, words: Sequence[tuple[str, float]], fold_case: bool = False) -> list[tuple[str, float | None]]:
    """Pieces of the text in order, each with its word's weight or None; joined they are the text again.

    A word is matched exactly, case included but with ``fold_case``, and only as whole tokens: never inside a longer
    word, a hashtag, a mention, a link or an emoji sequence. Where two words start at one place, the longer wins; of a
    word listed twice, the first weight. A spelling that is listed itself, as before case was folded, has its own.
    """
    own: dict[str, float] = {}
    weights: dict[str, float] = {}
    same = folding(fold_case)
    for word, weight in words:
        if word.strip():
            own.setdefault(word, weight)
            weights.setdefault(same(word), weight)
    edges = sorted(_edges(text)) if weights else []
    folded = [same(char) for char in text]
    places = [0, *accumulate(map(len, folded))]  # in the folded text: a sharp s grows
    ends, whole = {places[edge]: edge for edge in edges}, "".join(folded)
    listed: dict[str, list[str]] = {}
    for word in sorted(weights, key=len, reverse=True):
        listed.setdefault(word[0], []).append(word)
    pieces: list[tuple[str, float | None]] = []
    done = 0
    for start in edges:
        at = places[start]
        if start < done:
            continue
        found = (ends.get(at + len(word)) for word in listed.get(whole[at : at + 1], ()) if whole.startswith(word, at))
        end = next((end for end in found if end is not None), None)
        if end is None:
            continue
        if done < start:
            pieces.append((text[done:start], None))
        piece = text[start:end]
        pieces.append((piece, own.get(piece, weights[same(piece)])))
        done = end
    if done < len(text):
        pieces.append((text[done:], None))
    return pieces


def _edges(text: str) -> set[int]:
    """Positions at which a token may begin or end."""
    starts = _starts(text)
    edges = {0, len(text)}
    clusters = [text[start:end] for start, end in pairwise([*starts, len(text)])]
    previous, after_word = "", False
    for start, cluster, in_word in zip(starts, clusters, _in_words(clusters), strict=True):
        if not (in_word and (after_word or previous in _PREFIXES)):
            edges.add(start)
        previous, after_word = cluster, in_word
    for found in _WHOLE.finditer(text):
        if found["whole"]:
            edges.difference_update(range(found.start() + 1, found.end()))
    return edges


def _in_words(clusters: Sequence[str]) -> list[bool]:
    """Which of the characters are parts of words: of underscores those between other parts."""
    found = [_wordlike(one) for one in clusters]
    for order in (range(len(found)), range(len(found) - 1, -1, -1)):
        inside = False
        for at in order:
            inside = found[at] = found[at] and (inside or clusters[at] != "_")
    return found


def _starts(text: str) -> list[int]:
    """Where each character begins that a reader sees as one: a simplified Unicode Annex 29, section 3."""
    starts: list[int] = []
    within = {at for found in _WITHIN.finditer(text) for at in range(*found.span())}
    for at, char in enumerate(text):
        before = text[at - 1] if at else ""
        paired = _regional(char) and _regional(before) and starts[-1] == at - 1  # two letters make a flag
        if not (starts and (paired or at in within or _joins(before, char, text[at + 1 : at + 2]))):
            starts.append(at)
    return starts


def _joins(before: str, char: str, after: str) -> bool:
    if char == _ZWJ:
        return _symbol(after)
    return char in _EXTENDS or unicodedata.category(char).startswith("M") or (before == _ZWJ and _symbol(char))


def _symbol(char: str) -> bool:
    return char != "" and unicodedata.category(char).startswith("S")


def _regional(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _wordlike(cluster: str) -> bool:
    plain = cluster[0].isalnum() or cluster[0] == "_"
    return plain and _KEYCAP not in cluster and not cluster.startswith(_INFO)
