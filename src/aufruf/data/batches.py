"""Which votes count. The votes that came with one file are a batch; a batch on which annotators agree too little
is held out whole, and annotators whom the classifier file excludes count nowhere."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from aufruf.classifier import Votes
from aufruf.data import people
from aufruf.data.agreement import (
    Agreement,
    Kappa,
    alpha,
    count,
    first_codings,
    mean_kappa,
    measure,
    own_votes,
    pairwise_kappa,
    shown,
)
from aufruf.schemas import DECIDED_ELSEWHERE

COUNTS, HELD_OUT, EXCLUDED, OUTDATED = "counts", "held_out", "excluded", "outdated"


@dataclass(frozen=True)
class HeldOut:
    """A batch that does not count, and why."""

    file: str  # digest
    votes: int
    agreement: Agreement  # of its votes and those accepted before, on the texts it votes on
    reason: str


def standing(
    votes: pd.DataFrame,
    files: pd.DataFrame,
    labels: Sequence[str],
    rule: Votes,
    *,
    several: bool = False,
    named: Callable[[str], str] = shown,
) -> tuple[pd.Series, list[HeldOut]]:
    """For each vote whether it counts, is held out with its batch, or is an excluded annotator's.

    ``votes``: text_id, annotator, label, file. ``files``: digest, ingested_at. ``several``: a text may have several of
    the labels. ``named``: how reasons call an annotator. A label that was decided elsewhere always counts: it is
    nobody's vote.
    """
    excluded = votes["annotator"].isin(_excluded(votes["annotator"].unique(), rule))
    held = hold_out(votes[~excluded], files, labels, rule, several=several, named=named)
    outside = votes["annotator"] == DECIDED_ELSEWHERE
    held_out = votes["file"].isin([batch.file for batch in held]) & ~outside
    stands = np.select([excluded, held_out], [EXCLUDED, HELD_OUT], default=COUNTS)
    return pd.Series(stands, index=votes.index, dtype=object), held


def hold_out(
    votes: pd.DataFrame,
    files: pd.DataFrame,
    labels: Sequence[str],
    rule: Votes,
    *,
    several: bool = False,
    named: Callable[[str], str] = shown,
) -> list[HeldOut]:
    """The batches to hold out, in the order in which they arrived.

    Each is measured with what was accepted before it, on the texts that it votes on. Agreement that cannot be
    measured (too few texts with two votes, one label only) holds nothing out. Second looks are not measured: they are
    at the very texts on which people disagree. What was said at the first stays part of the batch that brought it,
    where that is known.
    """
    cast = own_votes(first_codings(votes))
    cast = cast[cast["file"].notna()]
    accepted = np.zeros(len(cast), dtype=bool)
    held = []
    for file in arrival(set(cast["file"]), files):
        mine = (cast["file"] == file).to_numpy()
        touched = cast["text_id"].isin(cast["text_id"][mine]).to_numpy()
        joint = cast[touched & (accepted | mine)]
        if _enough(count(joint, labels, several=several), rule):
            accepted |= mine
        else:
            found = measure(joint, labels, several=several)
            held.append(HeldOut(file, int(mine.sum()), found, _reason(joint, found, rule, named)))
    return held


def arrival(digests: Collection[str], files: pd.DataFrame) -> list[str]:
    """Digests in the order in which their files were ingested, then by digest.

    A file that is not entered yet (its ingest broke off) comes last.
    """
    at = files.drop_duplicates("digest").set_index("digest")["ingested_at"]
    known = sorted(set(digests) & set(at.index), key=lambda digest: (at[digest], digest))
    return known + sorted(set(digests) - set(at.index))


def _excluded(annotators: Iterable[str], rule: Votes) -> set[str]:
    """Annotators whom the classifier file names, by their id, their address, or as results show them."""
    known = people.names(rule.same_person)
    named = {known.get(name, name) for name in map(shown, rule.exclude)}
    return {name for name in annotators if name != DECIDED_ELSEWHERE and shown(name) in named}


def _enough(counts: np.ndarray, rule: Votes) -> bool:
    if int((counts[0].sum(axis=1) >= 2).sum()) < rule.alpha_texts:
        return True
    value = alpha(counts)
    return value is None or value >= rule.alpha_floor


def _reason(joint: pd.DataFrame, found: Agreement, rule: Votes, named: Callable[[str], str]) -> str:
    return (
        f"annotators agree too little: Krippendorff's alpha {found.alpha:.3f} [{found.low:.3f}, {found.high:.3f}] "
        f"on {found.texts} texts is below the floor {rule.alpha_floor:g}. {_suspect(pairwise_kappa(joint), named)} "
        "Mend the guideline and annotate again, lower votes.alpha_floor, or name an annotator in votes.exclude"
    )


def _suspect(kappas: dict[tuple[str, str], Kappa], named: Callable[[str], str]) -> str:
    """Who agrees least with the others, where there are enough people to tell."""
    people = sorted({name for pair in kappas for name in pair})
    means = {name: mean for name in people if (mean := mean_kappa(name, kappas)) is not None}
    if len(people) < 3 or not means:
        return f"Of {' and '.join(map(repr, map(named, people)))} alone it cannot be said whose votes are off."
    least = min(means, key=lambda name: means[name])
    return f"Annotator {named(least)!r} agrees least with the others (mean Cohen's kappa {means[least]:.2f})."
