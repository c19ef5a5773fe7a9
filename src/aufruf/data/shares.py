"""Dealing new groups to the splits by a keyed hash, so that the order in which they arrive decides nothing.

Each group has a position in [0, 1): below 0.6 it is trained on, below 0.8 it validates, above it tests. Only where a
stratum is still so small that chance could leave a side empty, the two bounds are moved until the shares come out.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.classifier import SplitShares
from aufruf.schemas import SPLITS

SMALL = 50  # groups of a stratum up to which shares are kept exactly; above, an empty side has odds of 1 in 80,000
FEWEST = 10  # groups of a kind, texts with a set of labels, below which 60/20/20 says nothing: rarer ones share strata


def deal(groups: pd.DataFrame, shares: SplitShares) -> pd.Series:
    """The split of each group, in the index of ``groups``: name, position, label, kind, split ("" while it has none),
    sent.

    A stratum is a label and a kind of text. With more than 50 groups in it, old and new, each new group goes where its
    position says, whatever else is there. In a smaller one the new groups, by position, fill what each side lacks; not
    those that were ``sent`` to annotators by our queue, which has chosen them by where their position says.
    """
    stratum = _strata(groups)
    new, sent = (groups["split"] == "").to_numpy(), groups["sent"].to_numpy(dtype=np.bool_)
    sides = groups["split"].to_numpy(dtype=object, copy=True)
    sides[new] = _by_position(groups["position"].to_numpy(dtype=float)[new], shares)
    sizes = np.bincount(stratum)
    for number in np.unique(stratum[new]):
        if sizes[number] > SMALL:
            continue
        waiting, standing = (np.flatnonzero((stratum == number) & some) for some in (new & ~sent, ~new | sent))
        have = [int((sides[standing] == side).sum()) for side in SPLITS]
        order = np.lexsort((groups["name"].to_numpy(dtype=str)[waiting], groups["position"].to_numpy()[waiting]))
        sides[waiting[order]] = np.repeat(np.array(SPLITS, dtype=object), _lacking(have, len(waiting), shares))
    return pd.Series(sides, index=groups.index, dtype=object)


def position(wordings: Sequence[str], seed: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.float64]]:
    """Rank and position in [0, 1) of each wording. A group has the position of its wording with the lowest rank."""
    draws = [hashed(wording, seed) for wording in wordings]
    halves = np.array([(int(one[:16], 16), int(one[16:], 16)) for one in draws], dtype=np.uint64).reshape(-1, 2)
    return halves[:, 0], (halves[:, 1] >> np.uint64(11)) / float(1 << 53)


def side(wordings: Sequence[str], shares: SplitShares) -> npt.NDArray[np.object_]:
    """The split of each wording, should it come alone and into a stratum that is not small."""
    return _by_position(position(wordings, shares.seed)[1], shares)


def hashed(name: str, seed: int) -> str:
    """A keyed BLAKE2b of a name: a number that nobody chose, the same on every machine."""
    return hashlib.blake2b(name.encode(), key=str(seed).encode(), digest_size=16).hexdigest()


def _by_position(position: npt.NDArray[np.float64], shares: SplitShares) -> npt.NDArray[np.object_]:
    bounds = np.cumsum([getattr(shares, side) for side in SPLITS])[:-1]
    chosen: npt.NDArray[np.object_] = np.array(SPLITS, dtype=object)[np.searchsorted(bounds, position, side="right")]
    return chosen


def _lacking(have: Sequence[int], n: int, shares: SplitShares) -> list[int]:
    """How many of n new groups each side gets: a side with none comes first, then the one that lacks most."""
    share, now = [getattr(shares, side) for side in SPLITS], list(have)
    for _ in range(n):
        total = sum(now) + 1
        now[max(range(len(SPLITS)), key=lambda at: (share[at] > 0 and now[at] == 0, share[at] * total - now[at]))] += 1
    return [after - before for after, before in zip(now, have, strict=True)]


def _strata(groups: pd.DataFrame) -> npt.NDArray[np.int64]:
    """A number for each group's label and kind of text."""
    label, _ = pd.factorize(groups["label"])
    kind, _ = pd.factorize(groups["kind"])
    pair = label * (int(kind.max(initial=0)) + 2) + kind
    _, of, size = np.unique(pair, return_inverse=True, return_counts=True)
    kind = np.where(size[of] >= FEWEST, kind, kind.max(initial=0) + 1)
    _, numbered = np.unique(np.stack([label, kind]), axis=1, return_inverse=True)
    return numbered.reshape(-1)
