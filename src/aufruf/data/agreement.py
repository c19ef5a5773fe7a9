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
_FEW = 5  # with so many readings one draw of 150 has none of them (e^-5); with fewer such draws are common


@dataclass(frozen=True)
class Agreement:
    """Krippendorff's alpha of a set of votes; a value is None where it is not defined."""

    alpha: float | None
    low: float | None  # 95 % interval of alpha, texts resampled, those that read alike together
    high: float | None
    texts: int  # texts with two votes or more: the only ones that say anything
    note: str = ""  # why the interval says little, "" where nothing speaks against it


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
    """Alpha of ``votes`` (columns text_id, annotator, label) with its interval; abstentions are missing values.

    ``reading``, where there is such a column: the group of the wording that was voted on. Texts of one group are one
    reading and are drawn together.
    """
    cast = own_votes(votes)
    counts, groups = count(cast, labels, several=several), _readings(cast)
    low, high = interval(counts, seed, groups=groups)
    note = "" if low is None or high is None else _note(counts, groups, labels, high - low, several)
    return Agreement(alpha(counts), low, high, int((counts[0].sum(axis=1) >= 2).sum()), note)


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


def interval(
    counts: np.ndarray, seed: int, resamples: int = _RESAMPLES, groups: Sequence[str] | None = None
) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval (95 %) of alpha over ``groups`` of texts (None: each its own).

    (None, None) where alpha is None. A resample in which a question that has an alpha has none, because all its votes
    are the same, is left out: another mean would be another figure. With none left the interval has no width.
    """
    value = alpha(counts)
    if value is None:
        return None, None
    defined = counts[[_alpha(question) is not None for question in counts]]
    found = _grouped(defined, groups)
    patterns, of = np.unique(found, axis=0, return_counts=True)  # few, however many texts
    drawn = np.random.default_rng(seed).multinomial(len(found), of / len(found), size=resamples)
    values = _alphas(np.tensordot(drawn, patterns, axes=1)).mean(axis=1)
    values = values[~np.isnan(values)]
    if not len(values):
        return value, value
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def _grouped(counts: np.ndarray, groups: Sequence[str] | None) -> np.ndarray:
    """Of the texts with two votes, per group and question, the votes for each answer and the ordered pairs that differ.

    Shape (groups, questions, answers + 1); pairs of a text are divided by its votes less one, as alpha counts them.
    """
    twice = counts[0].sum(axis=1) >= 2
    votes = counts[:, twice].swapaxes(0, 1)
    cast = votes.sum(axis=2, keepdims=True)
    facts = np.concatenate([votes, (cast**2 - (votes**2).sum(axis=2, keepdims=True)) / (cast - 1)], axis=2)
    if groups is None:
        return facts
    _, of = np.unique(np.asarray(groups, dtype=str)[twice], return_inverse=True)
    found = np.zeros((int(of.max()) + 1, *facts.shape[1:]))
    np.add.at(found, of, facts)
    return found


def _alphas(found: np.ndarray) -> np.ndarray:
    """Alpha of each resample and question, NaN where it is not defined; ``found``: sums of ``_grouped``."""
    totals, observed = found[..., :-1], found[..., -1]
    n = totals.sum(axis=-1)
    expected = (n**2 - (totals**2).sum(axis=-1)) / (n - 1)
    return 1 - np.divide(observed, expected, out=np.full(observed.shape, np.nan), where=expected > 0)


def _readings(votes: pd.DataFrame) -> list[str]:
    """The group of each text, in ascending order of their ids; a text of which nobody noted it is its own."""
    first = votes.drop_duplicates("text_id").set_index("text_id").sort_index()
    own = first.index.to_series()
    return [str(one) for one in (first["reading"].fillna(own) if "reading" in first else own)]


def _note(counts: np.ndarray, groups: Sequence[str], labels: Sequence[str], width: float, several: bool) -> str:
    """What an interval cannot know: labels with a vote on few readings, and errors that no draw has."""
    readings = (_grouped(counts, groups)[..., :-1] > 0).sum(axis=0)  # shape (questions, answers)
    rarest = readings.min(axis=1) if several else readings[0]
    few = [f"{label} ({n})" for label, n in zip(labels, rarest.tolist(), strict=True) if 0 < n < _FEW]
    found = ["no draw gives another value, which does not make this one sure"] if width == 0 else []
    if few:
        found.append(f"fewer than {_FEW} texts speak for or against {', '.join(few)}: the interval is too narrow")
    return "; ".join(found)


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
