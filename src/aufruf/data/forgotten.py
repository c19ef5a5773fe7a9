"""Tombstones: salted hashes of what was forgotten, so that it is known again when it is collected once more."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pandas as pd

from aufruf.data.intake import Portion
from aufruf.schemas import Text, Tombstone

Post = tuple[str | None, str]  # platform and post id


class Tombs:
    """The tombstones of a lake, ready to be asked."""

    def __init__(self, rows: pd.DataFrame) -> None:
        """``rows``: of the table ``tombstones``."""
        self._tombs, self._salts = frozenset(rows["tomb"]), sorted(set(rows["salt"]))

    def __len__(self) -> int:
        return len(self._tombs)

    def hold(self, text: Text) -> bool:
        """True when the text, or its post, was forgotten; one without a platform is of every post of its number."""
        return self.hold_id(text.text_id) or (
            text.post_id is not None and self._known("post", _post((text.platform, text.post_id)))
        )

    def hold_id(self, text_id: str) -> bool:
        return self._known("text", text_id)

    def spare(self, portion: Portion) -> tuple[Portion, int]:
        """The portion without what was forgotten, and how many texts that leaves out."""
        if not self._tombs:
            return portion, 0
        gone = {text.text_id for text in portion.texts if self.hold(text)}
        texts = [text for text in portion.texts if text.text_id not in gone]
        votes = [vote for vote in portion.votes if vote.text_id not in gone and not self.hold_id(vote.text_id)]
        return replace(portion, texts=texts, votes=votes), len(gone)

    def made_for(self, text_ids: Iterable[str], posts: Iterable[Post], now: datetime) -> list[Tombstone]:
        """New tombstones, with the salt that is there already, so that what arrives is hashed once."""
        salt = self._salts[0] if self._salts else secrets.token_hex(16)
        both = [one for post in posts for one in (post, (None, post[1]))]  # its number alone, too
        wanted = [*(("text", one) for one in text_ids), *(("post", _post(one)) for one in both)]
        return [Tombstone(tomb, salt, now, None) for tomb in dict.fromkeys(_tomb(salt, *one) for one in wanted)]

    def _known(self, kind: str, name: str) -> bool:
        return any(_tomb(salt, kind, name) in self._tombs for salt in self._salts)


def _post(post: Post) -> str:
    return f"{post[0] or ''}\0{post[1]}"


def _tomb(salt: str, kind: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\0{kind}\0{name}".encode("utf-8", "surrogatepass")).hexdigest()
