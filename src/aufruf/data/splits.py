"""The split ledger: where each text goes, once and for ever; and the proof that its sides share nothing."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from aufruf.classifier import SplitShares
from aufruf.data.duplicates import near_pairs
from aufruf.data.linkage import Key, Node, connected, nodes
from aufruf.data.shares import Group, deal, hashed
from aufruf.errors import LeakFound
from aufruf.schemas import SPLITS, SplitRow

TEXT_COLUMNS = ("text_id", "post_id", "platform", "text", "text_type", "digest", "group_id")


@dataclass(frozen=True)
class _Place:
    split: str
    group: str
    reason: str = ""


def assign(
    classifier: str,
    shares: SplitShares,
    positive: str,
    ledger: pd.DataFrame,
    labels: pd.DataFrame,
    texts: pd.DataFrame,
    now: datetime,
) -> list[SplitRow]:
    """New ledger rows for the decided texts that ``ledger`` lacks, in ascending order of text_id.

    ``ledger``: the rows of one classifier. ``labels``: text_id, label (None while undecided). ``texts``: the
    columns TEXT_COLUMNS for the texts of both. Their order changes nothing. A text not stored yet waits.
    """
    members = nodes(ledger, labels, texts, positive)
    if all(node.split for node in members):
        return []
    places, fresh = _join(members, shares)
    places |= _deal(fresh, members, places, shares)
    return [
        SplitRow(classifier, node.text_id, node.digest, place.group, place.split, place.reason, now)
        for node in members
        if not node.split and (place := places[node.text_id])
    ]


def assert_disjoint(ledger: pd.DataFrame, texts: pd.DataFrame) -> None:
    """Raise LeakFound, naming two texts, unless all three pairs of splits are disjoint.

    Compared are text ids, groups, posts, digests (when assigned and as stored now) and wording.
    ``ledger``: rows of one classifier, or of several, each proved by itself. ``texts``: text_id, digest,
    post_id, platform, group_id; a text that is not there is compared by what the ledger knows of it.
    """
    leaks = _leaks(_claims(ledger, texts))
    if leaks.empty:
        return
    first = leaks.iloc[0]
    of = ["classifier", "kind", "value"]
    same = leaks[(leaks[of] == first[of]).all(axis=1)]
    other = same[same["split"] != first["split"]].iloc[0]
    raise LeakFound(
        f"{first['text_id']!r} ({first['split']}) and {other['text_id']!r} ({other['split']}) "
        f"share {first['kind']} {first['value']!r}",
        where=f"split ledger of {first['classifier']}",
        next="Train and measure on nothing until it is known how they got there; "
        "moving the table splits away and running `aufruf split` makes a new ledger.",
    )


def usable(ledger: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """The ledger rows to learn from and to measure on: none that was set aside, none whose edit made it leak.

    A ledger text stays where it is when its post is edited, even into something that another side holds.
    Such a text is left out here, so that ``assert_disjoint`` holds for what is returned. Arguments as there.
    """
    kept = ledger[ledger["split"].isin(SPLITS)]
    digest_now = texts.drop_duplicates("text_id").set_index("text_id")["digest"].reindex(kept["text_id"])
    edited = digest_now.notna().to_numpy() & (digest_now.to_numpy() != kept["digest"].to_numpy())
    leaks = _leaks(_claims(kept, texts))
    leaking = set(zip(leaks["classifier"], leaks["text_id"], strict=True))
    leaks_too = [pair in leaking for pair in zip(kept["classifier"], kept["text_id"], strict=True)]
    return kept[~(edited & leaks_too)]


def _claims(ledger: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """What each assigned text has that no other side may have: classifier, split, text_id, kind, value."""
    columns = ["classifier", "split", "text_id", "digest", "group_id"]
    rows = ledger.loc[ledger["split"].isin(SPLITS), columns]
    stored = texts[["text_id", "digest", "group_id", "post_id", "platform"]].drop_duplicates("text_id")
    both = rows.merge(stored, on="text_id", how="left", suffixes=("", "_stored"))
    kinds = [
        ("the text id", both["text_id"]),
        ("the text", both["digest"]),
        ("the text", both["digest_stored"]),
        ("the post", both["platform"].fillna("") + ":" + both["post_id"]),
        ("the group", both["group_id"]),
        ("the wording", both["group_id_stored"]),
    ]
    about = both[["classifier", "split", "text_id"]]
    claims = pd.concat([about.assign(kind=kind, value=value) for kind, value in kinds], ignore_index=True)
    return claims.dropna(subset=["value"])


def _leaks(claims: pd.DataFrame) -> pd.DataFrame:
    """The claims that stand on more than one side."""
    sides = claims.groupby(["classifier", "kind", "value"], sort=False)["split"].transform("nunique")
    return claims[sides > 1]


def _join(members: Sequence[Node], shares: SplitShares) -> tuple[dict[str, _Place], list[list[Node]]]:
    """Places, by text_id, of new texts that join groups of the ledger; and the groups of all others."""
    places: dict[str, _Place] = {}
    fresh: list[list[Node]] = []
    for group in connected(members, shares.near_duplicate):
        sides = {_Place(node.split, node.group) for node in group if node.split}
        new = [node for node in group if not node.split]
        if not sides:
            fresh.append(new)
        elif len({side.split for side in sides}) == 1:
            places |= dict.fromkeys((node.text_id for node in new), min(sides, key=lambda side: side.group))
        elif new:
            places |= _between(group, shares)
            behind = [node for node in new if node.text_id not in places]
            fresh.extend(connected(behind, shares.near_duplicate))
    return places, fresh


def _between(group: Sequence[Node], shares: SplitShares) -> dict[str, _Place]:
    """Places of new texts among groups on different sides: each takes the side it touches, one after another.

    From the ledger outwards; a text that touches two sides is set aside and passes nothing on, so that two
    texts on different sides never touch. Texts behind a set-aside one get no place here, being a new group.
    """
    holders = _Holders(group, shares.near_duplicate)
    places: dict[str, _Place] = {}
    new = [node for node in group if not node.split]
    waiting = sorted(new, key=lambda node: hashed(node.text_id, shares.seed))
    while reached := [node for node in waiting if holders.touched_by(node)]:
        for node in reached:
            touched = holders.touched_by(node)
            places[node.text_id] = place = _settle(node, touched)
            if place.split in SPLITS:
                holders.hold(node, place)
        waiting = [node for node in waiting if node.text_id not in places]
    return places


class _Holders:
    """Which sides hold what texts may share. A near-duplicate of a text holds its wording too."""

    def __init__(self, group: Sequence[Node], threshold: float) -> None:
        self._alike: dict[str, list[str]] = defaultdict(list)
        for one, other in near_pairs([node.reads for node in group], threshold):
            self._alike[one].append(other)
            self._alike[other].append(one)
        self._held: dict[Key, dict[str, str]] = defaultdict(dict)  # key -> split -> group
        for node in group:
            if node.split:
                self.hold(node, _Place(node.split, node.group))

    def hold(self, node: Node, place: _Place) -> None:
        for key in [*node.keys, *(("reads", reads) for reads in self._alike.get(node.reads, ()))]:
            before = self._held[key].get(place.split, place.group)
            self._held[key][place.split] = min(before, place.group)

    def touched_by(self, node: Node) -> dict[str, str]:
        """split -> group; of several groups on one side, the one whose name comes first."""
        pairs = [pair for key in node.keys for pair in self._held.get(key, {}).items()]
        return dict(sorted(pairs, reverse=True))


def _settle(node: Node, touched: dict[str, str]) -> _Place:
    if len(touched) == 1:
        [(split, group)] = touched.items()
        return _Place(split, group)
    groups = " and ".join(f"group {touched[split]} ({split})" for split in SPLITS if split in touched)
    return _Place("none", _name([node]), f"connects {groups}")


def _deal(
    fresh: Iterable[Sequence[Node]], members: Iterable[Node], places: dict[str, _Place], shares: SplitShares
) -> dict[str, _Place]:
    """Places of the texts of ``fresh``, group by group, given what each side holds, ``places`` included."""
    by_name = {_name(group): group for group in fresh}
    standing: dict[str, list[Node]] = defaultdict(list)
    split_of: dict[str, str] = {}
    for node in members:
        place = places.get(node.text_id, _Place(node.split, node.group))
        if place.split in SPLITS:
            standing[place.group].append(node)
            split_of[place.group] = place.split
    groups = [_group(name, texts, split_of[name]) for name, texts in standing.items()]
    dealt = deal([*groups, *(_group(name, texts, "") for name, texts in by_name.items())], shares)
    return {node.text_id: _Place(dealt[name], name) for name, texts in by_name.items() for node in texts}


def _group(name: str, texts: Sequence[Node], split: str) -> Group:
    kind = "+".join(sorted({node.text_type for node in texts}))
    return Group(name, len(texts), any(node.positive for node in texts), kind, split)


def _name(texts: Iterable[Node]) -> str:
    """16 hex digits of the first text_id: the same in whatever order texts arrive, and no other group's."""
    return hashlib.sha256(min(node.text_id for node in texts).encode("utf-8")).hexdigest()[:16]
