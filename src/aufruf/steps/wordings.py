"""The signatures of wordings: made once, kept in the lake, and fetched when near-duplicates are looked for."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial

import pandas as pd

from aufruf.data.duplicates import Alike
from aufruf.data.identity import fold
from aufruf.data.signatures import scheme, sign, signatures
from aufruf.steps.buried import Buried
from aufruf.store import Store

_SHARD = 50_000  # wordings signed and written at a time: bounds memory, not texts


def alike(
    store: Store, texts: pd.DataFrame, threshold: float, version: int | None = None, *, keep: bool = True
) -> Alike:
    """The wordings (group_id) of these stored texts; those that have no signature yet are signed first.

    ``keep``: the new signatures are written to the lake.

    Words are read from the lake (``version`` of the table texts; None is the newest) only to sign, and where two
    wordings must be compared exactly.
    """
    wanted, named = sorted(set(texts["group_id"])), {"scheme": scheme(threshold)}
    known = store.read("signatures", {**named, "wording": wanted})
    missing = sorted(set(wanted) - set(known["wording"]))
    fresh = []
    for start in range(0, len(missing), _SHARD):
        signed = sign(_folded(store, missing[start : start + _SHARD], version), threshold)
        fresh.append(signed)
        if keep:
            store.add("signatures", signed, partial(_spared, store, Buried(store)))
    rows = pd.concat([known, *fresh], ignore_index=True)
    return Alike(signatures(rows, threshold), _Reader(store, version), threshold)


def _spared(store: Store, buried: Buried, signed: pd.DataFrame) -> pd.DataFrame:
    """The signatures of wordings that a text still has which nobody has forgotten by now."""
    read = store.read("texts", {"group_id": signed["wording"].tolist()}, ["text_id", "group_id"])
    return signed[signed["wording"].isin(buried.spared(read)["group_id"])]


class _Reader:
    """Folded texts by wording. What was compared once is kept: the next band brings up the same wordings again."""

    def __init__(self, store: Store, version: int | None) -> None:
        self._store, self._version, self._kept = store, version, dict[str, str]()

    def __call__(self, names: Sequence[str]) -> Mapping[str, str]:
        if missing := [name for name in names if name not in self._kept]:
            self._kept |= _folded(self._store, missing, self._version)
        return {name: self._kept[name] for name in names if name in self._kept}


def _folded(store: Store, names: Iterable[str], version: int | None) -> dict[str, str]:
    found = store.read("texts", {"group_id": list(names)}, ["group_id", "text"], version).drop_duplicates("group_id")
    return {name: fold(text) for name, text in zip(found["group_id"], found["text"], strict=True)}
