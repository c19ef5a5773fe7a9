"""The proof that the sides of a ledger share nothing, and what an edit has put out of use."""

import numpy as np
import pandas as pd

from aufruf.data.duplicates import Alike
from aufruf.errors import LeakFound
from aufruf.schemas import SPLITS

_BIT = {side: 1 << at for at, side in enumerate(SPLITS)}
_NEAR, _POST = "the near-duplicate wordings", "the post"


def assert_disjoint(ledger: pd.DataFrame, texts: pd.DataFrame, alike: Alike) -> None:
    """Raise LeakFound, naming two texts, unless all three pairs of splits are disjoint.

    Compared are text ids, groups, posts, digests (when assigned and as stored now), wordings, and near-duplicates.
    ``ledger``: rows of one classifier. ``texts``: the columns linkage.FACTS; a text that is not there is compared by
    what the ledger knows of it. ``alike``: the wordings of ``texts``.
    """
    leaks = _leaks(ledger, texts, alike)
    if leaks.empty:
        return
    first = leaks.iloc[0]
    same = leaks[(leaks["kind"] == first["kind"]) & (leaks["value"] == first["value"])]
    other = same[same["split"] != first["split"]].iloc[0]
    raise LeakFound(
        f"{first['text_id']!r} ({first['split']}) and {other['text_id']!r} ({other['split']}) "
        f"share {first['kind']} {first['value']!r}",
        where=f"split ledger of {ledger['classifier'].iloc[0]}",
        next="Train and measure on nothing until it is known how they got there; "
        "moving the table splits away and running `aufruf split` makes a new ledger.",
    )


def usable(ledger: pd.DataFrame, texts: pd.DataFrame, alike: Alike) -> pd.DataFrame:
    """The ledger rows to learn from and to measure on: none that was set aside, none that has come to leak.

    A ledger text stays where it is when its post is edited, even into something that another side holds, or nearly so,
    and when it turns out to be of a post that another side has texts of. Such a text is left out here, so that
    ``assert_disjoint`` holds for what is returned. Arguments as there.
    """
    kept = ledger[ledger["split"].isin(SPLITS)]
    return kept[~kept["text_id"].isin(left_out(ledger, texts, alike)["text_id"])]


def left_out(ledger: pd.DataFrame, texts: pd.DataFrame, alike: Alike) -> pd.DataFrame:
    """Texts with a side that are out of use, by an edit, or a post or likeness learnt later: text_id, split, reason.

    Arguments as for the proof.
    """
    kept = ledger[ledger["split"].isin(SPLITS)]
    before = kept["digest"].to_numpy(dtype=object)
    now = _facts(kept, texts)["digest"].to_numpy(dtype=object)
    edited = kept.loc[pd.notna(now) & (now != before), "text_id"]
    leaks = _leaks(kept, texts, alike) if len(edited) else pd.DataFrame(columns=["text_id", "split", "kind", "value"])
    found = leaks[leaks["text_id"].isin(set(edited)) & (leaks["kind"] != _POST)].drop_duplicates("text_id")
    said = [
        f"its edit made it share {kind} {value!r} with another side"
        for kind, value in zip(found["kind"], found["value"], strict=True)
    ]
    out = pd.DataFrame({"text_id": found["text_id"], "split": found["split"], "reason": said})
    for later in (_of_a_post(kept[~kept["text_id"].isin(out["text_id"])], texts), _of_a_name(kept, texts, alike)):
        out = pd.concat([out, later[~later["text_id"].isin(out["text_id"])]], ignore_index=True)
    return out


def _of_a_post(rows: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """Texts that turn out to be of one post with texts of another side: text_id, split, reason.

    No edit makes such a tie, and no text is given a side against it: it is of a post id, or a platform, that came
    after the text was assigned. Of the sides that share a post test keeps its texts, else validation.
    """
    tied = _shared(rows, _POST, [_post(_facts(rows, texts))])
    rank = tied["split"].map(_BIT)
    keeps = rank.groupby(tied["value"]).transform("max")
    out = tied[rank < keeps].drop_duplicates("text_id")
    winner = keeps[out.index].map({bit: side for side, bit in _BIT.items()})
    said = [
        f"it turned out to share the post {value!r} with {side}"
        for value, side in zip(out["value"], winner, strict=True)
    ]
    return pd.DataFrame({"text_id": out["text_id"], "split": out["split"], "reason": said})


def _of_a_name(rows: pd.DataFrame, texts: pd.DataFrame, alike: Alike) -> pd.DataFrame:
    """Texts that turn out to be near-duplicates of texts of another side: text_id, split, reason.

    They were assigned when signs that nobody sees made another text. Test keeps its texts, else validation.
    """
    wording = _facts(rows, texts)["group_id"]
    none = pd.DataFrame(columns=["text_id", "split", "reason"], dtype=object)
    if alike.signs.renamed.isdisjoint(wording.dropna()):
        return none
    near = _near(rows, wording.to_numpy(dtype=object), alike)
    here = [not alike.signs.renamed.isdisjoint(value.split(" and ")) for value in near["value"]]
    near = near[np.array(here, dtype=bool)]
    rank = near["split"].map(_BIT)
    out = near[rank < rank.groupby(near["value"]).transform("max")].drop_duplicates("text_id")
    said = "it turned out to say what a text of another side says, signs that nobody sees apart"
    return out[["text_id", "split"]].assign(reason=said) if len(out) else none


def tombstones(ledger: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """The ledger rows whose text is stored no longer. They keep their side, and are learnt from no more."""
    return ledger[~ledger["text_id"].isin(texts["text_id"])]


def _leaks(ledger: pd.DataFrame, texts: pd.DataFrame, alike: Alike) -> pd.DataFrame:
    """What stands on more than one side, with each text that has it: text_id, split, kind, value."""
    rows = ledger[ledger["split"].isin(SPLITS)]
    stored = _facts(rows, texts)
    wording = stored["group_id"]
    kinds = [
        ("the text id", [rows["text_id"]]),
        ("the text", [rows["digest"], stored["digest"]]),
        (_POST, [_post(stored)]),
        ("the group", [rows["group_id"]]),
        ("the wording", [wording]),
    ]
    found = [_shared(rows, kind, columns) for kind, columns in kinds]
    return pd.concat([*found, _near(rows, wording.to_numpy(dtype=object), alike)], ignore_index=True)


def _shared(rows: pd.DataFrame, kind: str, columns: list[pd.Series]) -> pd.DataFrame:
    bits = rows["split"].map(_BIT).to_numpy(dtype=np.int64)
    code, values = pd.factorize(np.concatenate([column.to_numpy(dtype=object) for column in columns]))
    there = np.flatnonzero(code >= 0)
    held = np.zeros(len(values), dtype=np.int64)
    np.bitwise_or.at(held, code[there], bits[there % len(bits)])
    bad = there[np.bitwise_count(held[code[there]]) > 1]
    of = rows.iloc[bad % len(rows)] if len(bad) else rows.iloc[:0]
    return pd.DataFrame(
        {"text_id": of["text_id"].to_numpy(), "split": of["split"].to_numpy(), "kind": kind, "value": values[code[bad]]}
    )


def _post(stored: pd.DataFrame) -> pd.Series:
    return stored["platform"].fillna("") + ":" + stored["post_id"]


def _near(rows: pd.DataFrame, wording: np.ndarray, alike: Alike) -> pd.DataFrame:
    """Near-duplicates on two sides: for each pair of wordings every text that has one of them."""
    about = pd.DataFrame({"text_id": rows["text_id"].to_numpy(), "split": rows["split"].to_numpy(), "wording": wording})
    about = about.dropna().sort_values("text_id")
    code, names = pd.factorize(about["wording"].to_numpy(dtype=object))
    held = np.zeros(len(names), dtype=np.int64)
    np.bitwise_or.at(held, code, about["split"].map(_BIT).to_numpy(dtype=np.int64))
    pairs = alike.across(dict(zip(names.tolist(), held.tolist(), strict=True)))
    of = about[about["wording"].isin({name for pair in pairs for name in pair})]
    texts_of = dict(iter(of.groupby("wording")))
    columns = ["text_id", "split", "kind", "value"]
    parts = [
        pd.concat([texts_of[name] for name in pair]).sort_values("text_id").assign(kind=_NEAR, value=" and ".join(pair))
        for pair in pairs
    ]
    return pd.concat([pd.DataFrame(columns=columns, dtype=object), *(part[columns] for part in parts)])


def _facts(rows: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """The stored facts of each ledger row, in their order; None where the text is gone."""
    stored = texts.drop_duplicates("text_id", keep="last")
    at = pd.Index(stored["text_id"], dtype=object).get_indexer(pd.Index(rows["text_id"], dtype=object))
    columns = ["digest", "group_id", "post_id", "platform"]
    taken = (
        stored[columns].astype(object).take(np.where(at >= 0, at, 0))
        if len(stored)
        else pd.DataFrame(index=range(len(at)), columns=columns, dtype=object)
    )
    taken = taken.reset_index(drop=True)
    return taken.where(pd.Series(at >= 0, index=taken.index), None, axis=0)
