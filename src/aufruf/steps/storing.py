"""What passed the checks goes into the lake: texts, votes and refused rows, piece by piece, each exactly once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import pandas as pd

from aufruf.classifier import Classifier
from aufruf.data import recollect
from aufruf.data.identity import WORDED
from aufruf.data.intake import Intake, Portion
from aufruf.data.readers.item import row_of
from aufruf.data.untyped import Fact, Posts
from aufruf.model.leases import Held, among, held
from aufruf.schemas import TABLES, Annotation, IngestedFile, QuarantinedRow, Text
from aufruf.settings import Settings
from aufruf.steps.arrivals import Arrival
from aufruf.steps.buried import Buried
from aufruf.store import Store

_FLUSH = 20_000  # rows written at a time


@dataclass(frozen=True)
class Call:
    """What is the same for all files of one call."""

    settings: Settings
    store: Store
    classifiers: Sequence[Classifier]
    asked: str  # what the options ask for: see readers.asked_for

    @cached_property
    def parties(self) -> dict[str, str]:
        """See ``parties``; those of texts that are taken in come to it."""
        return parties(self.store)

    @cached_property
    def listed(self) -> dict[str, str]:
        """Author (case-folded) -> party, of the table of authors."""
        return _listed(self.store)

    @cached_property
    def posts(self) -> Posts:
        """See ``_posts``; those that are taken in come to it."""
        return _posts(self.store)


@dataclass
class File:
    """A file of the group: how it arrived, what is known of it, what is in it, what of that is new."""

    arrival: Arrival
    known: IngestedFile | None  # taken before; a refused one counts as never seen
    again: bool  # taken before with the same options, or with none
    asked: str
    found: Intake | None = None
    refusal: str = ""
    texts: int = 0
    votes: int = 0
    changed: bool = False
    replaced: int = 0  # texts of which another wording was stored
    recast: int = 0  # votes that replace another one of the same annotator
    withdrawn: int = 0  # votes that their annotator has taken back
    outdated: int = 0  # votes that say something else than a later one of the same annotator, or have no date
    forgotten: int = 0  # texts that `aufruf forget` has removed, and that stay away
    whole: bool = True  # False for single rows of it

    @property
    def taken(self) -> bool:
        return self.found is not None and not self.refusal


def alone(settings: Settings) -> AbstractContextManager[Held]:
    """Who stores what arrives does so alone: what becomes of a text depends on what is there of it, and of its post."""
    leases = among(settings.studies, settings.studies_url)
    return held(leases, "ingest", "files are being taken in already: waiting for their end")


def store(call: Call, files: Sequence[File], now: datetime) -> None:
    """Store what is new of files that passed, and say in each how much that is.

    What was forgotten stays away: see ``Buried``.
    """
    known, posts = (call.parties, call.posts) if files else ({}, Posts())
    buried, collected = Buried(call.store), _collected(call.store, files)
    for kind in ("posts", "annotations"):  # texts of no known type then find the post that came with them
        waiting: list[tuple[File, Portion]] = []
        for file, whole in _portions(files, kind, now):
            portion, gone = buried.tombs.spare(whole)
            file.forgotten += gone
            waiting.append((file, portion))
            if sum(len(piece) for _, piece in waiting) >= _FLUSH:
                _flush(call, waiting, known, posts, collected, buried)
                waiting = []
        if waiting:
            _flush(call, waiting, known, posts, collected, buried)
    again = [f.found for f in files if f.whole and f.known and f.found and _for_all(call, f)]
    _rescue(call.store, again, now)


def put_rows(call: Call, saved: Sequence[tuple[IngestedFile, QuarantinedRow, File]], now: datetime) -> None:
    """Store refused rows that were mended, one a ``File``, and say of their files that they hold more now."""
    files = [file for _, _, file in saved]
    store(call, files, now)
    call.store.change("quarantine", [replace(row, rescued_at=now) for _, row, _ in saved])
    per_file = Counter(known.digest for known, _, _ in saved)
    known = {known.digest: known for known, _, _ in saved}
    call.store.put(
        "files",
        [
            replace(one, kept=one.kept + per_file[digest], refused=one.refused - per_file[digest])
            for digest, one in known.items()
        ],
    )


def _portions(files: Sequence[File], kind: str, now: datetime) -> Iterator[tuple[File, Portion]]:
    for file in files:
        if file.found is not None and file.found.source.format.kind == kind:
            for portion in file.found.portions(now):
                yield file, portion if file.whole else replace(portion, quarantine=[])  # there under its own number


def _collected(store: Store, files: Sequence[File]) -> frozenset[str]:
    """The digests of files of posts: those that were taken before, and those of this call."""
    known = store.read("files", {"kind": "posts"}, ["digest"])["digest"]
    here = [one.arrival.digest for one in files if one.found and one.found.source.format.kind == "posts"]
    return frozenset([*known, *here])


def _posts(store: Store) -> Posts:
    """What is known of the posts in which a text is told from others by its words."""
    sql = f"select distinct post_id from texts where regexp_like(text_id, '{WORDED}')"  # noqa: S608 - ours
    return Posts(number for batch in store.query(sql, "texts") for number in batch["post_id"].to_pylist())


def _placed(store: Store, pieces: Sequence[tuple[File, Portion]], posts: Posts) -> Iterator[tuple[File, Portion]]:
    """The pieces, their texts under the ids of the stored texts that they are."""
    if numbers := posts.asked(piece for _, piece in pieces):
        found = store.read("texts", {"post_id": numbers}, Fact._fields).astype(object)
        found = found.where(found.notna(), None)
        posts.learn(Fact(*row) for row in found.itertuples(index=False))
    for file, piece in pieces:
        yield file, posts.placed(piece)


def _flush(
    call: Call,
    arrived_pieces: Sequence[tuple[File, Portion]],
    parties: dict[str, str],
    posts: Posts,
    collected: frozenset[str],
    buried: Buried,
) -> None:
    """Store what is new of some pieces: texts, votes, refused rows."""
    pieces = list(_placed(call.store, arrived_pieces, posts))
    taken_back = ((file, vote) for file, piece in pieces for _, some in piece.taken_back for vote in some)
    back = [(file, vote) for file, vote in taken_back if not (file.again and vote.classifier in takers(file.known))]
    found = [*(text.text_id for _, piece in pieces for text in piece.texts), *(vote.text_id for _, vote in back)]
    ids = list(dict.fromkeys(found))
    names = [one.name for one in call.classifiers]
    texts = {text.text_id: text for text in rows(call.store, "texts", {"text_id": ids})}
    votes = {
        (v.classifier, v.text_id, v.annotator): v
        for v in (rows(call.store, "annotations", {"text_id": ids, "classifier": names}) if names else [])
    }
    stored = frozenset(texts)
    new_texts: dict[str, Text] = {}
    new_votes: dict[tuple[str, str, str], Annotation] = {}
    for file, piece in pieces:
        arrived, cast = recollect.as_stored(piece.texts, piece.votes, texts)
        if file.again:  # what has changed since it was taken came from elsewhere, and stays
            arrived = [text for text in arrived if text.text_id not in texts]
            cast = [v for v in cast if (v.classifier, v.text_id, v.annotator) not in votes]
        changed, fresh = recollect.texts_to_write(arrived, texts, parties, collected)
        file.replaced += sum(_differs(text, texts.get(text.text_id)) for text in changed)
        texts |= {text.text_id: text for text in changed}
        new_texts |= {text.text_id: text for text in changed}
        file.outdated += recollect.outdated(cast, votes)
        recast, counted = recollect.votes_to_write(cast, votes)
        if file.known and not file.again:  # with other options than before
            recast += recollect.unsigned(cast, votes)
        by_key = {(v.classifier, v.text_id, v.annotator): v for v in recast}
        file.recast += sum(votes[key].label != v.label for key, v in by_key.items() if key in votes)
        votes |= by_key
        new_votes |= by_key
        parties |= {t.author.casefold(): t.party for t in changed if t.author and t.party} | call.listed
        file.texts, file.votes = file.texts + fresh, file.votes + counted
        file.changed |= bool(changed or recast)
    for file, vote in back:
        gone = recollect.withdrawn([vote], votes)
        file.withdrawn, file.votes = file.withdrawn + len(gone), file.votes + len(gone)
        file.changed |= bool(gone)
        votes |= gone
        new_votes |= gone
    spared_votes = partial(buried.spared_votes, texts=texts)
    call.store.put("texts", list(new_texts.values()), newer="collected_at", allowed=buried.spared_texts)
    call.store.put("annotations", list(new_votes.values()), newer="annotated_at", allowed=spared_votes)
    _discount(pieces, [text for text in new_texts.values() if buried.tombs.hold(text)], stored)
    call.store.put("quarantine", _not_yet_refused(call, pieces))


def _discount(pieces: Sequence[tuple[File, Portion]], gone: Sequence[Text], stored: frozenset[str]) -> None:
    """Count texts that were forgotten meanwhile as such, and no longer as new."""
    for file in {file.arrival.digest: file for file, _ in pieces}.values():
        theirs = [text.text_id for text in gone if text.file == file.arrival.digest]
        file.forgotten += len(theirs)
        file.texts -= len(set(theirs) - stored)


def _differs(text: Text, stored: Text | None) -> bool:
    return stored is not None and stored.digest != text.digest


def _not_yet_refused(call: Call, pieces: Sequence[tuple[File, Portion]]) -> list[QuarantinedRow]:
    """Refused rows that the quarantine lacks, or has for other reasons; one that was mended stays mended.

    Its answer to a question that is asked of the file for the first time is refused, though, as it stands there.
    """
    again = {file.arrival.digest: file for file, _ in pieces if file.known}
    anew = {digest for digest, file in again.items() if _asks_more(call, file)}
    found = rows(call.store, "quarantine", {"file": sorted(again)}) if again else []
    known = {(row.file, row.item): row for row in found}

    def there(row: QuarantinedRow) -> bool:
        before = known.get((row.file, row.item))
        if before is None or before.row != row.row:  # numbers were given otherwise once
            return False
        return before.reasons == row.reasons or (before.rescued_at is not None and row.file not in anew)

    return [row for _, piece in pieces for row in piece.quarantine if not there(row)]


def _asks_more(call: Call, file: File) -> bool:
    """True when a question is answered that no classifier had asked of the file before."""
    before, now = takers(file.known), set(file.found.classifiers) if file.found else set()
    asked = {one.question for one in call.classifiers if one.name in before}
    return any(one.question not in asked for one in call.classifiers if one.name in now)


def _rescue(store: Store, judged: Sequence[Intake], now: datetime) -> None:
    """Mark rows of the quarantine that these files, judged again, no longer hold as refused."""
    refused = {one.source.digest: set(map(row_of, one.verdict.reasons)) for one in judged}
    found = rows(store, "quarantine", {"file": sorted(refused)}) if refused else []
    passed = [row for row in found if row.rescued_at is None and row.item not in refused[row.file]]
    store.change("quarantine", [replace(row, rescued_at=now) for row in passed])


def _for_all(call: Call, file: File) -> bool:
    """True when every classifier that took votes from a file has now judged it again."""
    return takers(file.known) <= {one.name for one in call.classifiers}


def parties(store: Store) -> dict[str, str]:
    """Author (case-folded) -> party, from texts that name one and, above them, from the table of authors."""
    named = store.distinct("texts", ["author", "party"]).dropna()
    known = {str(author).casefold(): str(party) for author, party in named.itertuples(index=False)}
    return known | _listed(store)


def _listed(store: Store) -> dict[str, str]:
    listed = store.read("authors")
    return dict(zip(listed["author"], listed["party"], strict=True))


def takers(known: IngestedFile | None) -> set[str]:
    return set(known.classifiers.split()) if known else set()


def rows(store: Store, table: str, where: Mapping[str, Any]) -> list[Any]:
    """Rows of a table as the nouns of ``schemas``, with None for what is not there."""
    noun = TABLES[table]
    return [
        noun(**{str(name): None if value is pd.NaT or value != value else value for name, value in row.items()})
        for row in store.read(table, where).to_dict("records")
    ]
