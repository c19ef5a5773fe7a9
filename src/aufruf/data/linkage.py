"""What keeps texts on one side: the same wording, the same post, near-duplicates, and chains of these."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from aufruf.data.duplicates import Alike, Ints, components
from aufruf.schemas import SPLITS

FACTS = ("text_id", "post_id", "platform", "text_type", "digest", "group_id")  # of a stored text; no words in it
_LINKS = ("wording", "post", "homeless")  # what two texts share when they belong together


@dataclass(frozen=True)
class Members:
    """Texts as columns. Both frames: text_id, digest, wording, post, homeless, text_type, label; None is not known.

    ``held``: the texts of the ledger that have a side, with ``split``, ``group`` and ``before``, the digest that the
    ledger wrote down. ``new``: decided texts that are not in the ledger, by ascending text_id.
    """

    held: pd.DataFrame
    new: pd.DataFrame

    @cached_property
    def columns(self) -> dict[str, Ints]:
        """What new texts share exactly, as numbers; -1 for a text that has no such thing."""
        return {name: pd.factorize(self.new[name])[0] for name in _LINKS}


def members(ledger: pd.DataFrame, labels: pd.DataFrame, texts: pd.DataFrame) -> Members:
    """Ledger texts that have a side, and decided texts that are not in the ledger.

    Texts that were set aside are in no split: nothing can leak to or from them, so they connect nothing.
    """
    stored = _stored(texts)
    label_of = labels.drop_duplicates("text_id", keep="last").set_index("text_id")["label"]
    side = ledger[ledger["split"].isin(SPLITS)].drop_duplicates("text_id")
    held = _taken(stored, side["text_id"])
    held["split"], held["group"] = side["split"].to_numpy(), side["group_id"].to_numpy()
    held["before"] = side["digest"].to_numpy()
    decided = label_of[label_of.notna()].index.difference(pd.Index(ledger["text_id"])).intersection(stored.index)
    new = _taken(stored, pd.Series(sorted(decided), dtype=object))
    for frame in (held, new):
        frame["label"] = label_of.reindex(frame["text_id"]).to_numpy(dtype=object)
    return Members(held, new)


def groups(found: Members, alike: Alike) -> Ints:
    """Number of the group of each new text: connected by what they share, or by a chain of near-duplicates."""
    code, names = pd.factorize(found.new["wording"])
    near = alike.groups(list(names))
    return components(len(found.new), [*found.columns.values(), near[code] if len(names) else code])


def touches(found: Members, alike: Alike) -> pd.DataFrame:
    """Which ledger groups each new text belongs to: new (its number), split, group; each once, in order."""
    held, new = found.held, found.new
    shared = [("digest", "before"), *((name, name) for name in _LINKS)]
    parts = [_meeting(new[ours], held[[theirs, "split", "group"]]) for ours, theirs in shared]
    frame = pd.concat([*parts, _near(found, alike)], ignore_index=True)
    return frame.drop_duplicates().sort_values(["new", "split", "group"], ignore_index=True)


def _near(found: Members, alike: Alike) -> pd.DataFrame:
    """Touches by near-duplicates; of several in one ledger group one is enough."""
    known = found.held[["wording", "split", "group"]].dropna().drop_duplicates()
    about = known.assign(at=pd.factorize(known["group"])[0]).sort_values(["wording", "at"])
    holders: dict[str, list[int]] = {}
    for name, at in zip(about["wording"].tolist(), about["at"].tolist(), strict=True):
        holders.setdefault(name, []).append(at)
    numbers: dict[tuple[int, ...], int] = {}
    kind = np.array([numbers.setdefault(tuple(held), len(numbers)) for held in holders.values()], dtype=np.int64)
    pairs = alike.touching(list(found.new["wording"].unique()), list(holders), kind)
    near = pd.DataFrame(pairs, columns=["wording", "other"], dtype=object)
    held = near.merge(known.rename(columns={"wording": "other"}), on="other")
    return _meeting(found.new["wording"], held[["wording", "split", "group"]])


def _meeting(new: pd.Series, held: pd.DataFrame) -> pd.DataFrame:
    """Numbers of new texts, with split and group of what holds the same value (the first column of ``held``)."""
    ours = pd.DataFrame({"value": new.to_numpy(dtype=object), "new": np.arange(len(new))}).dropna()
    theirs = held.set_axis(["value", "split", "group"], axis=1)
    theirs = theirs[theirs["value"].isin(set(ours["value"]))].drop_duplicates()
    return ours.merge(theirs, on="value")[["new", "split", "group"]]


def _stored(texts: pd.DataFrame) -> pd.DataFrame:
    """By text_id: digest, wording, text_type; the post, and its number alone where some text of it has no platform."""
    stored = texts.drop_duplicates("text_id", keep="last")
    post, platform = stored["post_id"], stored["platform"]
    known = platform.notna().to_numpy()
    homeless = post.isin(set(post[~known].dropna())).to_numpy()
    columns: Mapping[str, object] = {
        "digest": stored["digest"].to_numpy(),
        "wording": stored["group_id"].to_numpy(),
        "text_type": stored["text_type"].to_numpy(),
        "post": (platform + "\0" + post).where(known, None).to_numpy(),
        "homeless": post.where(homeless, None).to_numpy(),
    }
    return pd.DataFrame(columns, index=pd.Index(stored["text_id"], dtype=object), dtype=object)


def _taken(stored: pd.DataFrame, text_ids: pd.Series) -> pd.DataFrame:
    """The stored facts of these texts, in their order; None where the stored text is gone."""
    found = stored.reindex(text_ids.to_numpy())
    return found.where(found.notna(), None).rename_axis("text_id").reset_index()
