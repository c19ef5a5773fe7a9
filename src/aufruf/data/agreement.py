"""How far annotators agree: Krippendorff's alpha with an interval, Cohen's kappa of each pair, and each annotator.

Where a text may have ``several`` labels each of them is asked by itself, does it apply or not: alpha is the mean of the
labels' alphas. Kappas and annotators are about whole answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import krippendorff
import numpy as np
import pandas as pd

from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, SECOND_LOOK, names_in

_RESAMPLES = 1000  # the ends of a 95 % interval move by less than .01 beyond this
_CONFIDENCE = 0.95
_SEED = 5460


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha of a set of votes; a value is None where it is not defined."""

    alpha: float | None
    low: float | None  # 95 % interval of alpha, texts resampled
    high: float | None
    texts: int  # texts with two votes or more: the only ones that say anything


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two annotators; None where chance alone agrees fully."""

    value: float | None
    texts: int  # texts that both voted on


@dataclass(frozen=True)
class Annotator:
    """What one annotator did, and how far the others agree."""

    name: str
    votes: dict[str, int]  # per label, or set of labels, abstentions not counted
    abstentions: int
    agreement: float | None  # share of the others' votes on the same texts that are the same; None without any
    kappa: float | None  # mean of the pairs' kappas, weighted by the texts in common; None without any
    seconds: float | None  # median time of a vote; None where no export says it

    @property
    def abstained(self) -> float:
        """Share of abstentions among all that this annotator was asked."""
        asked = sum(self.votes.values()) + self.abstentions
        return self.abstentions / asked if asked else 0.0


def shown(annotator: str) -> str:
    """The annotator as results, messages and pages say it: an e-mail address becomes a digest, an id stays.

    The digest is the one under which ``readers.votes.annotator`` stores an address.
    """
    if "@" not in annotator and "＠" not in annotator:
        return annotator
    return f"annotator-{sha256(annotator.casefold().encode('utf-8', 'replace')).hexdigest()[:10]}"


def own_votes(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes that annotators cast: no abstentions, no labels that were decided elsewhere."""
    return votes[(votes["annotator"] != DECIDED_ELSEWHERE) & (votes["label"] != ABSTAIN)]


def looked_again(votes: pd.DataFrame) -> pd.Series:
    """Which votes were cast when the text was sent out for another look (``why``); False where nobody noted it."""
    return votes["why"].isin(SECOND_LOOK) if "why" in votes else pd.Series(False, index=votes.index)


def first_codings(votes: pd.DataFrame) -> pd.DataFrame:
    """The votes as they were before anybody looked again (columns why, first and, with file, first_file).

    Who looks again at a text because people disagreed on it, or looks at such texts only, is no independent coder of
    all of them, and reliability is about those (Krippendorff, Content Analysis, 4th edition, 12.2).
    """
    again = looked_again(votes)
    if not again.any():
        return votes
    rows = votes[~again | votes["first"].notna()]
    once = ~again.loc[rows.index]
    before = {now: then for now, then in (("label", "first"), ("file", "first_file")) if {now, then} <= set(rows)}
    return rows.assign(**{now: rows[now].where(once, rows[then]) for now, then in before.items()})


def measure(votes: pd.DataFrame, labels: Sequence[str], seed: int = _SEED, *, several: bool = False) -> Agreement:
    """Alpha of ``votes`` (columns text_id, annotator, label) with its interval; abstentions are missing values."""
    counts = count(own_votes(votes), labels, several=several)
    low, high = interval(counts, seed)
    return Agreement(alpha(counts), low, high, int((counts[0].sum(axis=1) >= 2).sum()))


def by_text_type(
    votes: pd.DataFrame, types: Mapping[str, str], labels: Sequence[str], *, several: bool = False
) -> dict[str, Agreement]:
    """``measure`` for the texts of each type, in the order of their names; ``types``: text_id -> text type."""
    kind = votes["text_id"].map(types).fillna("unknown")
    return {str(name): measure(rows, labels, several=several) for name, rows in votes.groupby(kind)}


def by_label(votes: pd.DataFrame, labels: Sequence[str]) -> dict[str, Agreement]:
    """``measure`` for each label of a text that may have several: does it apply or not?"""
    return {label: measure(votes, [label], several=True) for label in labels}


def count(votes: pd.DataFrame, labels: Sequence[str], *, several: bool = False) -> np.ndarray:
    """Votes per question, text and answer, shape (questions, texts, answers), texts in ascending order of their id.

    One question, which label it is; or with ``several`` one a label, with the answers "does not apply" and "applies".
    """
    table = pd.crosstab(votes["text_id"], votes["label"])
    named = [[label in names_in(str(value)) for label in labels] for value in table.columns]
    said = table.to_numpy(dtype=np.int64) @ np.array(named, dtype=np.int64).reshape(-1, len(labels))
    if not several:
        return said[None]
    cast = table.to_numpy(dtype=np.int64).sum(axis=1, keepdims=True)
    return np.stack([cast - said, said], axis=-1).swapaxes(0, 1)


def alpha(counts: np.ndarray) -> float | None:
    """Mean over the questions of Krippendorff's nominal alpha; None where it is defined for none of them.

    ``counts``: see ``count``. Not defined is it without a text that has two votes, and when all give one answer.
    """
    found = [one for one in map(_alpha, counts) if one is not None]
    return float(np.mean(found)) if found else None


def _alpha(counts: np.ndarray) -> float | None:
    """Krippendorff, Content Analysis, 4th edition, section 12.3: one minus observed over expected disagreement."""
    counts = counts[counts.sum(axis=1) >= 2]
    if len(counts) == 0 or np.count_nonzero(counts.sum(axis=0)) < 2:
        return None
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))


def interval(counts: np.ndarray, seed: int, resamples: int = _RESAMPLES) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval (95 %) of alpha over texts; (None, None) where alpha is None.

    A resample in which all votes are the same has no alpha and is left out.
    """
    if alpha(counts) is None:
        return None, None
    per_text = counts.swapaxes(0, 1)[counts[0].sum(axis=1) >= 2]
    patterns, of = np.unique(per_text, axis=0, return_counts=True)  # few, however many texts
    drawn = np.random.default_rng(seed).multinomial(len(per_text), of / len(per_text), size=resamples)
    values = np.stack([_alphas(drawn, pattern) for pattern in patterns.swapaxes(0, 1)])
    values = np.nanmean(values[:, ~np.isnan(values).all(axis=0)], axis=0)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _alphas(drawn: np.ndarray, pattern: np.ndarray) -> np.ndarray:
    """Alpha of each resample, NaN where it is not defined; ``drawn``: (resamples, patterns), how often each pattern."""
    per_text = pattern.sum(axis=1)
    differing = (per_text**2 - (pattern**2).sum(axis=1)) / (per_text - 1)  # ordered pairs that differ, per text
    totals = drawn @ pattern  # shape (resamples, answers)
    n = totals.sum(axis=1)
    expected = (n**2 - (totals**2).sum(axis=1)) / (n - 1)
    observed: np.ndarray = drawn @ differing
    return 1 - np.divide(observed, expected, out=np.full(len(drawn), np.nan), where=expected > 0)


def pairwise_kappa(votes: pd.DataFrame) -> dict[tuple[str, str], Kappa]:
    """Cohen's kappa of every pair of annotators that shares a text, keyed by the two names in order."""
    cast = own_votes(votes).drop_duplicates(["text_id", "annotator"], keep="last")
    names, who = np.unique(cast["annotator"].to_numpy(dtype=str), return_inverse=True)
    words, said = np.unique(cast["label"].to_numpy(dtype=str), return_inverse=True)
    rows = pd.DataFrame({"text": cast["text_id"].to_numpy(), "who": who, "said": said})
    pairs = rows.merge(rows, on="text", suffixes=("", "_other")).query("who < who_other")
    kappas = {}
    for _, both in pairs.groupby(["who", "who_other"]):
        table = np.zeros((len(words), len(words)), dtype=np.int64)
        np.add.at(table, (both["said"].to_numpy(), both["said_other"].to_numpy()), 1)
        pair = str(names[both["who"].iloc[0]]), str(names[both["who_other"].iloc[0]])
        kappas[pair] = Kappa(_kappa(table), len(both))
    return kappas


def kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Cohen's kappa of two equally long lists of labels (Cohen 1960); None when chance alone agrees fully."""
    words, said = np.unique([*one, *other], return_inverse=True)
    table = np.zeros((len(words), len(words)), dtype=np.int64)
    np.add.at(table, (said[: len(one)], said[len(one) :]), 1)
    return _kappa(table)


def _kappa(table: np.ndarray) -> float | None:
    """Kappa of a square table of counts: what the one said by what the other said."""
    n = int(table.sum())
    chance = int(table.sum(axis=1) @ table.sum(axis=0))  # times n squared
    return None if chance == n * n else float((n * np.trace(table) - chance) / (n * n - chance))


def annotators(votes: pd.DataFrame, labels: Sequence[str], kappas: Mapping[tuple[str, str], Kappa]) -> list[Annotator]:
    """Everyone who voted or abstained, in the order of their names.

    ``votes``: text_id, annotator, label and, where known, seconds. ``kappas``: of the same votes.
    """
    people = votes[votes["annotator"] != DECIDED_ELSEWHERE]
    cast = own_votes(people)
    others, answers = _others(cast), [*labels, *sorted(set(cast["label"]).difference(labels))]
    found = []
    for name, rows in people.groupby("annotator"):
        said = rows["label"].value_counts()
        theirs = others[others["annotator"] == name]
        total = int(theirs["others"].sum())
        found.append(
            Annotator(
                name=str(name),
                votes={label: int(said.get(label, 0)) for label in answers},
                abstentions=int(said.get(ABSTAIN, 0)),
                agreement=int(theirs["same"].sum()) / total if total else None,
                kappa=mean_kappa(str(name), kappas),
                seconds=_median(rows),
            )
        )
    return found


def _others(cast: pd.DataFrame) -> pd.DataFrame:
    """For each vote the annotator, how many others voted on the text, and how many of them said the same."""
    on_text = cast.groupby("text_id")["label"].transform("size") - 1
    alike = cast.groupby(["text_id", "label"])["label"].transform("size") - 1
    return pd.DataFrame({"annotator": cast["annotator"], "others": on_text, "same": alike})


def mean_kappa(name: str, kappas: Mapping[tuple[str, str], Kappa]) -> float | None:
    """Mean kappa of an annotator with the others, weighted by texts in common; None without a defined one."""
    mine = [one for pair, one in kappas.items() if name in pair and one.value is not None]
    texts = sum(one.texts for one in mine)
    return sum(one.value * one.texts for one in mine if one.value is not None) / texts if texts else None


def _median(rows: pd.DataFrame) -> float | None:
    seconds = pd.to_numeric(rows["seconds"], errors="coerce").dropna() if "seconds" in rows else pd.Series(dtype=float)
    return float(seconds.median()) if len(seconds) else None
