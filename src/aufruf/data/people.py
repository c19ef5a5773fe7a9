"""Who is who: annotators whom two exports name in two ways."""

from collections.abc import Iterable, Sequence

import pandas as pd

from aufruf.data.agreement import first_codings, looked_again, shown
from aufruf.schemas import DECIDED_ELSEWHERE

_ONE = ["text_id", "annotator"]
_FEWEST = 5  # votes at one moment that are no coincidence
_NEARLY_ALL = 0.9  # of the texts in common; a vote may have been changed between the exports


def names(same: Sequence[Sequence[str]]) -> dict[str, str]:
    """Every name of a person but the first -> the first, as results show them. ``same``: [votes] same_person."""
    return {shown(other): shown(one) for one, *others in same for other in others}


def as_one(votes: pd.DataFrame, same: Sequence[Sequence[str]]) -> pd.DataFrame:
    """The votes (text_id, annotator, annotated_at) with one name for each person; of a person's votes on one text the
    latest, or the last one where none has a date. A second look (``why``) keeps what the person said at the first."""
    known = names(same)
    renamed = votes.assign(annotator=votes["annotator"].map(lambda name: known.get(name, name)))
    person = renamed["annotator"].isin(known.values())
    by_time = renamed[person].sort_values("annotated_at", kind="stable", na_position="first")
    earlier = by_time.index[by_time.duplicated(_ONE, keep="last")]
    kept = renamed.drop(index=earlier)
    if "why" not in kept or not len(earlier):
        return kept
    first = first_codings(renamed.loc[earlier]).drop_duplicates(_ONE, keep="first").set_index(_ONE)
    said = first.reindex(pd.MultiIndex.from_frame(kept[_ONE])).set_index(kept.index).astype(object)
    there = kept["first"].notna() | ~looked_again(kept)
    columns = [(to, of) for to, of in (("first", "label"), ("first_file", "file")) if to in kept]
    return kept.assign(**{to: kept[to].astype(object).where(there, said[of]) for to, of in columns})


def doubles(votes: pd.DataFrame) -> list[tuple[str, str, int]]:
    """Pairs of annotators who seem to be one person, and on how many texts they said the same at the same moment.

    First the pairs whose names differ in case or white space only, with 0 where nothing else speaks for it.
    ``votes``: text_id, annotator, label, annotated_at. Two people may agree on everything, but not to the second;
    moments that stand for whole days or batches say nothing.
    """
    cast = votes.loc[votes["annotator"] != DECIDED_ELSEWHERE, ["text_id", "annotator", "label", "annotated_at"]]
    pairs = cast.merge(cast, on="text_id", suffixes=("", "_other"))
    pairs = pairs[pairs["annotator"] < pairs["annotator_other"]]
    alike = (pairs["annotated_at"] == pairs["annotated_at_other"]) & (pairs["label"] == pairs["label_other"])
    found = dict.fromkeys(_spelt_alike(cast["annotator"].unique()), 0)
    for (one, other), rows in pairs.assign(alike=alike).groupby(["annotator", "annotator_other"]):
        at = rows.loc[rows["alike"], "annotated_at"]
        enough = len(at) >= max(_FEWEST, _NEARLY_ALL * len(rows))
        if enough and at.nunique() >= _NEARLY_ALL * len(at):
            found[str(one), str(other)] = len(at)
    return [(*pair, texts) for pair, texts in found.items()]


def _spelt_alike(annotators: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that are one after case and white space are folded; of more than two, each beside the first."""
    first: dict[str, str] = {}
    spelt = ((" ".join(str(name).casefold().split()), str(name)) for name in sorted(annotators))
    return [(first[folded], name) for folded, name in spelt if first.setdefault(folded, name) != name]
