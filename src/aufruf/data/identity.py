"""What makes a text the same text: its id, its digest, and how it reads once decoration is folded away."""

import hashlib
import re
import unicodedata

from aufruf.schemas import TEXT_TYPES

WORDED = rf":(?:{'|'.join(TEXT_TYPES)})-[0-9a-f]{{16}}$"  # the end of an id that ``worded_id`` has made
_INVISIBLE = re.compile(  # what Unicode calls Default_Ignorable_Code_Point: soft hyphens, joiners, marks of direction
    "[\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SPACE = re.compile(r"\s+")
_LINK = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_MENTION = re.compile(r"@[\w.]+")
_NOT_WORD = re.compile(r"[^\w]+")


def digest(text: str) -> str:
    """SHA-256 (hex) of the text after Unicode NFC and white-space folding."""
    folded = _SPACE.sub(" ", unicodedata.normalize("NFC", text)).strip()
    return hashlib.sha256(folded.encode("utf-8")).hexdigest()


def fold(text: str) -> str:
    """How the text reads: NFKC, case folded; links, mentions, emoji, punctuation, white space become one space.

    Signs that nobody sees are left out first: a soft hyphen does not make another word. A text of nothing but
    decoration folds to itself after NFKC and white-space folding, so that two different emoji do not become one text.
    """
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).casefold()
    words = _NOT_WORD.sub(" ", _MENTION.sub(" ", _LINK.sub(" ", plain))).replace("_", " ")
    return _SPACE.sub(" ", words).strip() or _SPACE.sub(" ", plain).strip()


def group_id(text: str) -> str:
    """Short name (16 hex digits) of all texts that fold to the same string."""
    return name_of(fold(text))


def name_of(folded: str) -> str:
    """The name of what a text reads as once it is folded."""
    return hashlib.sha256(folded.encode("utf-8")).hexdigest()[:16]


def text_id(platform: str | None, post_id: str, text_type: str) -> str:
    """The id that stays when a post is collected again: ``platform:post_id:text_type``."""
    return f"{platform or 'unknown'}:{post_id}:{text_type}"


def worded_id(platform: str | None, post_id: str, text_type: str, digest: str) -> str:
    """The id of a text that its type does not tell from others of its post: with 16 hex digits of its words."""
    return text_id(platform, post_id, f"{text_type}-{digest[:16]}")
