"""Dealing new groups to the splits so that the shares come out, whatever arrives in whatever order."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aufruf.classifier import SplitShares
from aufruf.schemas import SPLITS

_FEWEST = 10  # groups of a kind below which 60/20/20 of them says nothing: rarer kinds share a stratum
_RARE = "rare"


@dataclass(frozen=True)
class Group:
    """Texts that go together. What shares are kept for: a positive label inside, and the kind of text."""

    name: str
    size: int  # texts
    positive: bool
    kind: str  # text types, "+"-separated
    split: str = ""  # "" while it has none


def deal(groups: Sequence[Group], shares: SplitShares) -> dict[str, str]:
    """A split for each group that has none, by name; groups that have one count towards the shares.

    Groups come in the order of a keyed hash of their name (the key is ``shares.seed``), and each goes to the
    split in which its stratum lacks most texts. So nothing depends on the order of arrival inside a batch.
    """
    stratum = _strata(groups)
    held: dict[tuple[bool, str], Counter[str]] = {}
    for group in groups:
        held.setdefault(stratum[group.name], Counter())[group.split] += group.size if group.split else 0
    dealt = {}
    for group in sorted((g for g in groups if not g.split), key=lambda g: hashed(g.name, shares.seed)):
        have = held[stratum[group.name]]
        dealt[group.name] = _neediest(have, group.size, shares)
        have[dealt[group.name]] += group.size
    return dealt


def hashed(name: str, seed: int) -> str:
    """A keyed BLAKE2b of a name: an order that nobody chose, the same on every machine."""
    return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=16).hexdigest()


def _neediest(have: Mapping[str, int], size: int, shares: SplitShares) -> str:
    total = sum(have.values()) + size
    return max(SPLITS, key=lambda split: getattr(shares, split) * total - have[split])


def _strata(groups: Sequence[Group]) -> dict[str, tuple[bool, str]]:
    common = Counter((group.positive, group.kind) for group in groups)
    return {g.name: (g.positive, g.kind if common[(g.positive, g.kind)] >= _FEWEST else _RARE) for g in groups}
