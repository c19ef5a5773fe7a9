"""Annotated texts of a post whose type nobody has told: which of the post's stored texts each of them is.

A post may have several texts, and many exports of annotations name the post alone. Such a text is told from the
others by its words, and is the stored text of its post that says the same.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from aufruf.data import identity
from aufruf.data.intake import Portion
from aufruf.schemas import TEXT_TYPES, UNTYPED, Text

MARK = f":{UNTYPED}-"  # in the id of every text that was of no known type when it came
_POST = tuple[str | None, str | None]  # platform and post id


class Fact(NamedTuple):
    """What is known of a stored text, in the order of these columns of ``texts``."""

    text_id: str
    platform: str | None
    post_id: str | None
    text_type: str
    digest: str


class Posts:
    """The stored texts of posts, as far as one has to know them to place others."""

    def __init__(self) -> None:
        self._of: dict[_POST, dict[str, Fact]] = defaultdict(dict)

    def asked(self, portions: Iterable[Portion]) -> list[str]:
        """The ids of the posts whose stored texts have to be learnt before these portions can be placed."""
        posts = {
            (text.platform, text.post_id)
            for portion in portions
            for text in portion.texts
            if text.text_type == UNTYPED and text.post_id is not None
        }
        self._of.update((post, self._of[post]) for post in posts)
        return sorted({str(number) for _, number in posts})

    def learn(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            self._of[fact.platform, fact.post_id][fact.text_id] = fact

    def note(self, facts: Iterable[Fact]) -> None:
        """Learn what bears on texts of no known type; all other posts, which may be millions, are left out."""
        self.learn(one for one in facts if MARK in one.text_id or (one.platform, one.post_id) in self._of)

    def placed(self, portion: Portion) -> Portion:
        """The portion with each text, and the votes on it, under the id of the stored text that it is."""
        ids: dict[str, str] = {}
        texts = []
        for text in portion.texts:
            text_id = ids.setdefault(text.text_id, self._place(text))
            texts.append(text if text_id == text.text_id else replace(text, text_id=text_id))
            before = self._of.get((text.platform, text.post_id), {}).get(text_id, fact(texts[-1]))
            known = text.text_type if before.text_type == UNTYPED else before.text_type
            self.note([before._replace(text_type=known)])
        votes = [replace(vote, text_id=ids.get(vote.text_id, vote.text_id)) for vote in portion.votes]
        return replace(portion, texts=texts, votes=votes)

    def _place(self, text: Text) -> str:
        """Untyped: the text of its post that says the same. Of a type: the one that turned out to be of this type."""
        stored = self._of.get((text.platform, text.post_id), {})
        if text.text_id in stored or text.post_id is None:
            return text.text_id
        if text.text_id == identity.untyped_id(text.platform, text.post_id, text.digest):
            alike = [(TEXT_TYPES.index(one.text_type), one.text_id) for one in _saying(stored, text.digest)]
            return min(alike)[1] if alike else text.text_id
        if text.text_id != identity.text_id(text.platform, text.post_id, text.text_type):
            return text.text_id  # the file has given it
        marked = {text_id: one for text_id, one in stored.items() if MARK in text_id}
        same = [one for one in marked.values() if one.text_type == text.text_type]
        same = same or [one for one in _saying(marked, text.digest) if one.text_type == UNTYPED]
        return min(one.text_id for one in same) if same else text.text_id


def fact(text: Text) -> Fact:
    return Fact(text.text_id, text.platform, text.post_id, text.text_type, text.digest)


def _saying(stored: dict[str, Fact], digest: str) -> list[Fact]:
    return [one for one in stored.values() if one.digest == digest]
