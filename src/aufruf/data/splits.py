"""The split ledger: where each text goes, once and for ever."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection
from datetime import datetime
from itertools import chain

import numpy as np
import pandas as pd

from aufruf.classifier import SplitShares
from aufruf.data.duplicates import Alike, Ints, components
from aufruf.data.linkage import Members, groups, members, touches
from aufruf.data.shares import FEWEST, deal, hashed, position
from aufruf.schemas import SPLITS, names_in

LEDGER = ("classifier", "text_id", "digest", "group_id", "split", "reason", "assigned_at")


def extend(
    classifier: str,
    shares: SplitShares,
    positive: str,
    ledger: pd.DataFrame,
    labels: pd.DataFrame,
    texts: pd.DataFrame,
    alike: Alike,
    now: datetime,
    sent: Collection[str] = (),
) -> pd.DataFrame:
    """New ledger rows (columns LEDGER) for the decided texts that ``ledger`` lacks, in ascending order of text_id.

    ``ledger``: the rows of one classifier. ``labels``: text_id, label (None while undecided). ``texts``: the columns
    linkage.FACTS of the stored texts of both; ``alike``: their wordings. ``sent``: ids of texts that our queue has
    chosen. The order of rows changes nothing. A decided text that is not stored waits.
    """
    found = members(ledger, labels, texts)
    placed = _join(found, alike, shares)
    placed = _deal(found, placed, shares, positive, sent)
    about = {"classifier": classifier, "text_id": found.new["text_id"], "digest": found.new["digest"]}
    rows = pd.DataFrame({**about, "group_id": placed["group"], "split": placed["split"], "reason": placed["reason"]})
    return rows.assign(assigned_at=pd.Timestamp(now))[list(LEDGER)]


def _join(found: Members, alike: Alike, shares: SplitShares) -> pd.DataFrame:
    """By new text: split, group, reason where it joins a group of the ledger or is set aside; else its new group.

    A new group has the split "" and is named after its first text.
    """
    component, touched = groups(found, alike), touches(found, alike)
    sides = touched.assign(component=component[touched["new"]]).groupby("component")
    first = sides["group"].min()
    reached = sides["split"].agg(["nunique", "first"]).assign(group=first).reindex(component)
    one, several = (reached["nunique"] == 1).to_numpy(), (reached["nunique"] > 1).to_numpy()
    placed = pd.DataFrame({"split": "", "group": None, "reason": ""}, index=found.new.index, dtype=object)
    placed.loc[one, "split"] = reached["first"].to_numpy()[one]
    placed.loc[one, "group"] = reached["group"].to_numpy()[one]
    for number in np.unique(component[several]):
        at = np.flatnonzero(component == number)
        component = _settle(at, found, alike, touched[touched["new"].isin(at)], shares, placed, component)
    fresh = (placed["split"] == "").to_numpy()
    names = found.new.loc[fresh, "text_id"].groupby(component[fresh]).transform("first")
    placed.loc[fresh, "group"] = names.map({text_id: _name(text_id) for text_id in names.unique()})
    return placed


def _settle(
    at: Ints,
    found: Members,
    alike: Alike,
    touched: pd.DataFrame,
    shares: SplitShares,
    placed: pd.DataFrame,
    component: Ints,
) -> Ints:
    """Place new texts among groups on different sides: each takes the side it touches, one after another.

    From the ledger outwards; a text that touches two sides is set aside and passes nothing on, so that two texts on
    different sides never touch. Texts behind a set-aside one form new groups: returns ``component`` with these.
    """
    between = _Between(at, found, alike, touched)
    text_ids = found.new["text_id"].tolist()
    waiting = sorted(at.tolist(), key=lambda new: hashed(text_ids[new], shares.seed))
    while reached := [new for new in waiting if between.sides(new)]:
        for new in reached:
            sides = between.sides(new)
            split, group, reason = _place(text_ids[new], sides)
            placed.loc[new, ["split", "group", "reason"]] = [split, group, reason]
            if split in SPLITS:
                between.hold(new, split, group)
        waiting = [new for new in waiting if placed.at[new, "split"] == ""]
    component = component.copy()
    behind = np.array(sorted(waiting), dtype=np.int64)
    component[behind] = between.connected(behind) + component.max() + 1
    return component


class _Between:
    """New texts that stand among several sides: what connects them, and which sides each touches by now."""

    def __init__(self, at: Ints, found: Members, alike: Alike, touched: pd.DataFrame) -> None:
        wording = found.new["wording"].iloc[at]
        self._pairs = list(enumerate(alike.pairs(list(wording))))
        beside: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for number, pair in self._pairs:
            for name in pair:
                beside[name].append(("near", number))
        columns = found.columns
        exact = {
            new: [(name, int(code[new])) for name, code in columns.items() if code[new] >= 0] for new in at.tolist()
        }
        self._keys = {new: [*exact[new], *beside[name]] for new, name in zip(at.tolist(), wording, strict=True)}
        self._held: dict[tuple[str, int], dict[str, str]] = defaultdict(dict)  # key -> split -> group
        self._touched: dict[int, dict[str, str]] = defaultdict(dict)
        for new, split, group in touched[["new", "split", "group"]].to_numpy().tolist():
            self._touched[new].setdefault(split, group)

    def hold(self, new: int, split: str, group: str) -> None:
        for key in self._keys[new]:
            self._held[key][split] = min(self._held[key].get(split, group), group)

    def sides(self, new: int) -> dict[str, str]:
        """split -> group; of several groups on one side, the one whose name comes first."""
        held = chain.from_iterable(self._held[key].items() for key in self._keys[new] if key in self._held)
        return dict(sorted([*held, *self._touched[new].items()], reverse=True))

    def connected(self, behind: Ints) -> Ints:
        """Number of the component of each of these texts, among themselves."""
        known: dict[tuple[str, int], int] = {}
        edges = [(at, known.setdefault(key, at)) for at, new in enumerate(behind.tolist()) for key in self._keys[new]]
        return components(len(behind), [], edges)


def _place(text_id: str, touched: dict[str, str]) -> tuple[str, str, str]:
    if len(touched) == 1:
        [(split, group)] = touched.items()
        return split, group, ""
    named = " and ".join(f"group {touched[split]} ({split})" for split in SPLITS if split in touched)
    return "none", _name(text_id), f"connects {named}"


def _deal(
    found: Members, placed: pd.DataFrame, shares: SplitShares, positive: str, sent: Collection[str]
) -> pd.DataFrame:
    """``placed`` with a split for each new group, given what each side holds, the texts just placed included."""
    fresh = (placed["split"] == "").to_numpy()
    if not fresh.any():
        return placed
    every = pd.concat([found.held, found.new.assign(split=placed["split"], group=placed["group"])], ignore_index=True)
    every = every[every["split"] != "none"]
    waiting = found.new.loc[fresh, "wording"]
    table = _groups(every, positive).join(_positions(waiting, placed.loc[fresh, "group"], shares.seed))
    table["sent"] = table.index.isin(placed.loc[found.new["text_id"].isin(sent), "group"])
    dealt = deal(table.rename_axis("name").reset_index(), shares).set_axis(table.index)
    return placed.assign(split=placed["split"].where(~fresh, placed["group"].map(dealt)))


def _groups(texts: pd.DataFrame, positive: str) -> pd.DataFrame:
    """By group: split, label (the positive when some text has it, else the first) and kind (the text types)."""
    group, names = pd.factorize(texts["group"])
    label = _strata(texts["label"])
    known = {name for name in label.unique() if isinstance(name, str)} | {positive}
    order = sorted(known, key=lambda name: (positive not in names_in(name), name != positive, name))
    rank = label.map({name: at for at, name in enumerate(order)})
    first = np.full(len(names), len(order), dtype=np.int64)
    np.minimum.at(first, group, rank.fillna(len(order)).to_numpy(dtype=np.int64))
    types = sorted({kind for kind in texts["text_type"].unique() if isinstance(kind, str)})
    bits = texts["text_type"].map({kind: 1 << min(at, 62) for at, kind in enumerate(types)})
    kinds = np.zeros(len(names), dtype=np.int64)
    np.bitwise_or.at(kinds, group, bits.fillna(0).to_numpy(dtype=np.int64))
    split = np.empty(len(names), dtype=object)
    split[group] = texts["split"].to_numpy()
    return pd.DataFrame({"split": split, "label": first, "kind": kinds}, index=pd.Index(names, dtype=object))


def _strata(labels: pd.Series) -> pd.Series:
    """Labels as strata: a set of labels that too few texts have counts as the rarest of them."""
    sizes = labels.value_counts()
    of_each = Counter[str]()
    for value, texts in sizes.items():
        of_each.update(dict.fromkeys(names_in(str(value)), texts))

    def stratum(value: str) -> str:
        names = names_in(value)
        return value if sizes[value] >= FEWEST else min(names, key=lambda name: (of_each[name], name))

    return labels.map({value: stratum(value) for value in sizes.index})


def _positions(wordings: pd.Series, group: pd.Series, seed: int) -> pd.Series:
    """By new group: the position of the wording that the keyed hash ranks first among its texts."""
    code, names = pd.factorize(wordings.to_numpy(dtype=object))
    rank, at = position(list(names), seed)
    frame = pd.DataFrame({"group": group.to_numpy(dtype=object), "rank": rank[code], "position": at[code]})
    chosen = frame.sort_values("rank", kind="stable").drop_duplicates("group")
    return chosen.set_index("group")["position"]


def _name(text_id: str) -> str:
    """16 hex digits of a group's first text_id: the same in whatever order texts arrive, and no other group's."""
    return hashlib.sha256(text_id.encode("utf-8")).hexdigest()[:16]
