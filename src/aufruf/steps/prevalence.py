"""How many texts are calls, counted in the lake: the facts behind the table, plot and JSON of the report."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from aufruf.classifier import Classifier
from aufruf.conditions import quoted
from aufruf.reports.clusters import Spread
from aufruf.reports.prevalence import Errors, Prevalence, Share, contrasts, share
from aufruf.steps import corpus
from aufruf.steps.unlearnt import COLLECTED, clusters, held_out, learnt, spread_of
from aufruf.store import Store

SLICES = ("party", "text_type", "post_type", "week")
_MOST = 400  # named rows of a slice: the last weeks, of others those with most texts; a campaign has some ten


def prevalence(store: Store, classifier: Classifier, version: str) -> Prevalence:
    """Raw and corrected shares of the positive label among posts' texts that no model learns from, as they read now.

    Those are texts whose wording is dealt to validation or test, and annotated ones that are there; not what arrived
    with its annotation only, for whatever classifier, which may be chosen from anywhere. What is sent to annotators for
    what a model says of it is chosen among the rest, so no choice moves these shares: were annotated texts left out,
    calls would leave the weeks and parties that were annotated. The error rates come from the version's predictions on
    the test split.
    """
    errors, counted = test_errors(store, classifier, version), _counted(store, classifier, version)
    whole = _share_of(None, counted, errors)
    every = {name: _shares(counted, name, errors, whole.spread) for name in SLICES}
    slices = {name: kept(shares, dated=name == "week") for name, shares in every.items()}
    left_out = {name: len(shares) - len(slices[name]) for name, shares in every.items()}
    dealt = classifier.split.validation + classifier.split.test
    return Prevalence(errors, whole, slices, contrasts(slices["party"], errors), dealt, left_out)


def test_errors(store: Store, classifier: Classifier, version: str) -> Errors:
    """How often a version is right on the test texts with a label, of either side.

    Texts of one post, wording or account err together: each side's totals are cut to its number of groups, or to what
    its texts are worth by account where that is less. It makes the intervals wider and leaves the rates as they are.
    A side without an error, or with nothing else, shows no spread; its texts count as alike as all test texts.
    """
    rows = corpus.answered(store, classifier, version, "platform", "post_id", "author")
    rows["post_id"] = rows["post_id"].fillna(rows["text_id"])
    truth, told = (corpus.calls(rows[name], classifier) for name in ("label", "label_said"))
    every = spread_of(clusters(rows).assign(call=truth == told, n=1))
    sides = []
    for these, right in ((truth, told), (~truth, ~told)):
        texts, groups = int(these.sum()), rows.loc[these, "group_id"].nunique()
        told_of = clusters(rows[these]).assign(call=right[these], n=1)
        worth = min(float(groups), spread_of(told_of, every).worth(texts))
        sides += [float((these & right).sum()) * (worth / texts if texts else 0.0), worth]
    return Errors(*sides)


def as_json(found: Prevalence) -> dict[str, Any]:
    """The object that is written beside the report."""
    return {
        "sensitivity": vars(found.errors.sensitivity),
        "specificity": vars(found.errors.specificity),
        "corrected": found.errors.usable,
        "whole": _share(found.whole),
        "slices": {name: [_share(one) for one in shares] for name, shares in found.slices.items()},
        "contrasts": [
            {
                "one": one.one,
                "other": one.other,
                "difference": vars(one.difference),
                "within_error": one.within_error,
            }
            for one in found.contrasts
        ],
        "not_compared": found.not_compared,
        "left_out": found.left_out,
    }


def _share(one: Share) -> dict[str, Any]:
    corrected = None if one.corrected is None else vars(one.corrected)
    return {
        "name": one.name,
        "texts": one.texts,
        "calls": one.calls,
        "clusters": one.spread.clusters,
        "design_effect": round(one.design_effect, 4),
        "raw": vars(one.raw),
        "corrected": corrected,
        "held": one.held,
        "misfit": one.misfit,
    }


def _counted(store: Store, classifier: Classifier, version: str) -> pd.DataFrame:
    """Texts that no model learns from by what slices are made of (categories), account, post and call; column ``n``."""
    mine, zone = f"classifier = {quoted(classifier.name)}", quoted(classifier.schedule.timezone)
    week = f"date_trunc('week', t.posted_at at time zone {zone})"
    sql = (
        f"select t.group_id, s.split, t.party, t.text_type, t.post_type, {week} as week, p.label, t.author, "  # noqa: S608 - names are ours, values are quoted
        f"t.platform, coalesce(t.post_id, t.text_id) as post_id "
        f"from predictions p join texts t on p.text_id = t.text_id and p.digest = t.digest "
        f"left join (select text_id, split from splits where {mine}) s on s.text_id = t.text_id "
        f"left join files f on f.digest = t.file "
        f"where p.{mine} and p.model_version = {quoted(version)} and {COLLECTED}"
    )
    known, numbers = learnt(store, classifier), {name: Numbers() for name in (*SLICES, "label")}
    by = [*numbers, "account", "post"]
    parts = [pd.DataFrame(columns=[*by, "n"], dtype=np.int64)]
    for batch in store.query(sql, "predictions", "texts", "splits", "files"):
        rows = batch.to_pandas()
        held = clusters(rows[held_out(rows, known, classifier)])
        held = held.assign(**{name: of.each(held[name]) for name, of in numbers.items()})
        parts.append(held.groupby(by, sort=False).size().rename("n").reset_index())
    frame = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    calls = corpus.calls(pd.Series(list(numbers["label"].known), dtype=object), classifier)
    named = {name: numbers[name].named(frame[name], _week if name == "week" else str) for name in SLICES}
    return frame.assign(**named, call=np.append(calls, False)[frame["label"]])


def _week(at: Any) -> str:
    return f"{at.isocalendar()[0]}-W{at.isocalendar()[1]:02}"


class Numbers:
    """A number for each value of a column, in the order in which they come; -1 for none."""

    def __init__(self) -> None:
        self.known: dict[Any, int] = {}

    def each(self, values: "pd.Series[Any]") -> npt.NDArray[np.int32]:
        codes, some = pd.factorize(values)
        found = [self.known.setdefault(one, len(self.known)) for one in some]
        return np.array([*found, -1], dtype=np.int32)[codes]

    def named(self, numbers: "pd.Series[int]", name: Callable[[Any], str]) -> "pd.Categorical[Any]":
        names = pd.Index([name(one) for one in self.known], dtype=object)
        return pd.Categorical.from_codes(numbers.to_numpy(dtype=np.int32), categories=names)


def _shares(counted: pd.DataFrame, name: str, errors: Errors, whole: Spread) -> list[Share]:
    return [_share_of(value or None, rows, errors, whole) for value, rows in _groups(counted, name)]


def kept(shares: Sequence[Share], *, dated: bool) -> list[Share]:
    """At most 400 named shares, in the order of ``shares``: the last ones where they are ``dated``, else those with
    most texts. One without a name is kept in any case."""
    named = [at for at, one in enumerate(shares) if one.name is not None]
    first = named[::-1] if dated else sorted(named, key=lambda at: -shares[at].texts)
    out = set(first[_MOST:])
    return [one for at, one in enumerate(shares) if at not in out]


def _groups(counted: pd.DataFrame, name: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows of each value, in the order of their names; those of none are called ""."""
    values = counted[name].cat
    for number in np.argsort(np.array(values.categories, dtype=str), kind="stable"):
        if values.categories[number]:
            yield values.categories[number], counted[values.codes == number]
    rest = counted[values.codes.isin([-1, *np.flatnonzero(values.categories == "")])]
    if len(rest):
        yield "", rest


def _share_of(name: str | None, counted: pd.DataFrame, errors: Errors, whole: Spread | None = None) -> Share:
    calls = int(counted.loc[counted["call"].astype(bool), "n"].sum())
    return share(name, calls, int(counted["n"].sum()), errors, spread=spread_of(counted, whole))
