"""What is new in texts and votes that arrive again: collections overlap, and older exports come late."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from aufruf.schemas import ABSTAIN, DECIDED_ELSEWHERE, SECOND_LOOK, UNTYPED, Annotation, Text

_FILLED = ("post_id", "post_type", "platform", "author", "party", "posted_at")


def texts_to_write(
    arrived: Iterable[Text], known: Mapping[str, Text], parties: Mapping[str, str], collected: Container[str] = ()
) -> tuple[list[Text], int]:
    """The texts that differ from what is stored, and how many of them are new or say something else.

    ``parties``: author (case-folded) -> party, for texts that come without one. ``collected``: digests of files of
    posts.
    """
    merged: dict[str, Text] = {}
    files = set()
    for text in arrived:
        files.add(text.file)
        before = merged.get(text.text_id) or known.get(text.text_id)
        after = merge(text, before, collected) if before else text
        if after.party is None and after.author:
            after = replace(after, party=parties.get(after.author.casefold()))
        merged[text.text_id] = after
    changed = [text for text in merged.values() if not _same(text, known.get(text.text_id), collected)]
    return changed, sum(_fresh(text, known.get(text.text_id), files) for text in merged.values())


def merge(arrived: Text, stored: Text, collected: Container[str] = ()) -> Text:
    """Of two collections of a text the later stays; a collection with no date never replaces a dated one.

    What the one that stays does not say is taken from the other. A task that shows a post to annotators is no
    collection: the post is one of the file that it was collected with, before or after, and where both say the same
    when it is shown, it stays as it was.
    """
    gathered = arrived.file in collected and stored.file not in collected
    shown = stored.file in collected and arrived.file not in collected
    keeps = later(stored.collected_at, arrived.collected_at) or (shown and stored.digest == arrived.digest)
    stays, other = (stored, arrived) if keeps else (arrived, stored)
    gaps = {name: getattr(other, name) for name in _FILLED if getattr(stays, name) is None}
    if stays.text_type == UNTYPED:
        gaps["text_type"] = other.text_type
    return replace(stays, **gaps, file=stored.file if shown else arrived.file if gathered else stays.file)


def as_stored(
    texts: Sequence[Text], votes: Sequence[Annotation], known: Mapping[str, Text]
) -> tuple[list[Text], list[Annotation]]:
    """Texts and votes with the name (group_id) under which a stored text of the same words is known.

    Names are given once: where a later version folds a text otherwise, what it is called and voted on as stays.
    """
    names: dict[tuple[str, str | None], str] = {}
    for text in texts:
        stored = known.get(text.text_id)
        if stored is not None and stored.digest == text.digest and stored.group_id != text.group_id:
            names[text.text_id, text.group_id] = stored.group_id
    if not names:
        return list(texts), list(votes)
    return (
        [replace(text, group_id=names.get((text.text_id, text.group_id), text.group_id)) for text in texts],
        [replace(vote, group_id=names.get((vote.text_id, vote.group_id), vote.group_id)) for vote in votes],
    )


def votes_to_write(
    arrived: Iterable[Annotation], known: Mapping[tuple[str, str, str], Annotation]
) -> tuple[list[Annotation], int]:
    """The votes that change what is stored, and how many say something new; older ones change nothing."""
    changed, fresh = [], 0
    for vote in arrived:
        before = known.get((vote.classifier, vote.text_id, vote.annotator))
        if before is not None and later(before.annotated_at, vote.annotated_at):
            continue
        if before is None or (before.label, before.annotated_at) != (vote.label, vote.annotated_at):
            changed.append(_with_first(vote, before))
        # from this very file: the run that stored it broke off before anybody was told
        fresh += before is None or before.label != vote.label or before.file == vote.file
    return changed, fresh


def unsigned(arrived: Iterable[Annotation], known: Mapping[tuple[str, str, str], Annotation]) -> list[Annotation]:
    """Abstentions in place of labels that this very file gave as decided, before it was said whose votes they are."""
    cast = {(one.classifier, one.text_id, one.annotator): one for one in arrived}
    signed = {(*key[:2], DECIDED_ELSEWHERE): one.file for key, one in cast.items() if key[2] != DECIDED_ELSEWHERE}
    return [
        replace(known[key], label=ABSTAIN)
        for key, file in signed.items()
        if key in known and key not in cast and known[key].file == file
    ]


def outdated(arrived: Iterable[Annotation], known: Mapping[tuple[str, str, str], Annotation]) -> int:
    """How many votes say something else than a stored one that stays: it is later, or they alone have no date."""
    before = ((vote, known.get((vote.classifier, vote.text_id, vote.annotator))) for vote in arrived)
    return sum(
        stored is not None and stored.label != vote.label and later(stored.annotated_at, vote.annotated_at)
        for vote, stored in before
    )


def withdrawn(
    taken_back: Iterable[Annotation], known: Mapping[tuple[str, str, str], Annotation]
) -> dict[tuple[str, str, str], Annotation]:
    """By key the stored votes that were taken back after they had been cast, as abstentions; what was said at first,
    where they are second looks, stays. So does a vote on other words: who skips a slide says nothing of another."""
    found: dict[tuple[str, str, str], Annotation] = {}
    for one in taken_back:
        key = (one.classifier, one.text_id, one.annotator)
        vote = found.get(key) or known.get(key)
        if vote is None or one.annotated_at is None or vote.annotated_at == one.annotated_at:
            continue
        if vote.group_id not in (None, one.group_id):
            continue
        if vote.label != ABSTAIN and not later(vote.annotated_at, one.annotated_at):
            found[key] = replace(vote, label=ABSTAIN, annotated_at=one.annotated_at, file=one.file, seconds=None)
    return found


def _with_first(vote: Annotation, before: Annotation | None) -> Annotation:
    """A second look at the same wording keeps what was said at the first, which agreement is about, and its file."""
    if vote.why not in SECOND_LOOK or before is None or before.group_id not in (None, vote.group_id):
        return vote
    if before.why in SECOND_LOOK:
        return replace(vote, first=before.first, first_file=before.first_file)
    return replace(vote, first=before.label, first_file=before.file)


def later(stored: datetime | None, arrived: datetime | None) -> bool:
    return stored is not None and (arrived is None or stored > arrived)


def _same(text: Text, stored: Text | None, collected: Container[str]) -> bool:
    """Whether nothing is to be written: what was only shown to annotators so far, and is collected now, is."""
    if stored is None or (text.file in collected and stored.file not in collected):
        return False
    return replace(text, file=stored.file) == stored


def _fresh(text: Text, stored: Text | None, files: set[str]) -> bool:
    """True for news, and for what is there from these very files: the run that stored it broke off unheard."""
    return stored is None or stored.digest != text.digest or stored.file in files
