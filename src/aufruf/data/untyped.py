"""Texts that their type does not tell from others of their post: which of the post's stored texts each of them is.

A post may have several texts. Many exports of annotations name the post alone, and a table has a row for each slide
of a carousel. Such a text is told from the others by its words, and is the stored text of its post that says the same.
"""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from aufruf.data import identity
from aufruf.data.intake import Portion
from aufruf.data.recollect import later
from aufruf.schemas import TEXT_TYPES, UNTYPED, Text

_Post = tuple[str | None, str | None]  # platform and post id
_WORDED = re.compile(identity.WORDED)
_UNTYPED = f":{UNTYPED}-"


class Fact(NamedTuple):
    """What is known of a stored text, in the order of these columns of ``texts``."""

    text_id: str
    platform: str | None
    post_id: str | None
    text_type: str
    digest: str
    collected_at: datetime | None


class Posts:
    """The stored texts of posts, as far as one has to know them to place others."""

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        """``numbers``: the ids of posts that have a text which is told from others by its words."""
        self._numbers = set(numbers)
        self._of: dict[_Post, dict[str, Fact]] = {}

    def asked(self, portions: Iterable[Portion]) -> list[str]:
        """The ids of the posts whose stored texts have to be learnt, anew, before these portions can be placed."""
        self._of = {
            (text.platform, text.post_id): {}
            for portion in portions
            for text in (*portion.texts, *(text for text, _ in portion.taken_back))
            if text.post_id in self._numbers or (text.post_id is not None and text.text_id == _worded(text))
        }
        return sorted({str(number) for _, number in self._of})

    def learn(self, facts: Iterable[Fact]) -> None:
        """Note texts of the posts that were asked for; all others, which may be millions, are left out."""
        for one in facts:
            if (one.platform, one.post_id) in self._of:
                self._of[one.platform, one.post_id][one.text_id] = one

    def placed(self, portion: Portion) -> Portion:
        """The portion with each text, and the votes on it, under the id of the stored text that it is."""
        ids: dict[tuple[str, str | None], str] = {}  # by the id that it came with, and how it reads
        texts = []
        for text in portion.texts:
            text_id = self._place(text)
            ids[text.text_id, text.group_id] = text_id
            texts.append(text if text_id == text.text_id else replace(text, text_id=text_id))
            self._arrive(texts[-1])
        votes = [replace(vote, text_id=ids.get((vote.text_id, vote.group_id), vote.text_id)) for vote in portion.votes]
        back = [(text, self._place(text), some) for text, some in portion.taken_back]
        there = [(text, [replace(vote, text_id=place) for vote in some]) for text, place, some in back]
        return replace(portion, texts=texts, votes=votes, taken_back=there)

    def _arrive(self, text: Text) -> None:
        stored = self._of.get((text.platform, text.post_id))
        if stored is None:
            return
        new = Fact(text.text_id, text.platform, text.post_id, text.text_type, text.digest, text.collected_at)
        before = stored.get(text.text_id, new)
        stays, other = (before, new) if later(before.collected_at, new.collected_at) else (new, before)
        stored[text.text_id] = stays._replace(
            text_type=other.text_type if stays.text_type == UNTYPED else stays.text_type
        )
        if _WORDED.search(text.text_id):
            self._numbers.add(str(text.post_id))

    def _place(self, text: Text) -> str:
        """The text of its post that says the same; else, of a type that is there once, the one of this type."""
        stored = self._of.get((text.platform, text.post_id))
        if not stored or text.post_id is None:
            return text.text_id
        worded, plain = _worded(text), identity.text_id(text.platform, text.post_id, text.text_type)
        if text.text_id not in (worded, plain) or (text.text_id == worded and worded in stored):
            return text.text_id  # the file has given it, or it is there
        ours = [one for one in stored.values() if text.text_type == UNTYPED or _made(one)]
        alike = [one for one in ours if one.digest == text.digest and _may_be(one, text)]
        if alike:
            return min((TEXT_TYPES.index(one.text_type), one.text_id) for one in alike)[1]
        same = [one.text_id for one in ours if one.text_type == text.text_type]
        if text.text_id == worded or not same:
            return text.text_id
        # of several nobody knows which one has been edited
        one_of_several = len(same) > 1 or (_WORDED.search(same[0]) and _UNTYPED not in same[0])
        return worded if one_of_several else same[0]


def _worded(text: Text) -> str:
    return identity.worded_id(text.platform, str(text.post_id), text.text_type, text.digest)


def _made(one: Fact) -> bool:
    """True where the id was made by us, not given by a file."""
    return bool(_WORDED.search(one.text_id)) or one.text_id == identity.text_id(
        one.platform, str(one.post_id), one.text_type
    )


def _may_be(one: Fact, text: Text) -> bool:
    return UNTYPED in (one.text_type, text.text_type) or one.text_type == text.text_type
