"""How exports write dates, kinds of text, kinds of post, platforms and compound identifiers."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlparse

from aufruf.schemas import UNTYPED

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?\d{1,17}(\.\d+)?")
_DAY = re.compile(r"(19|20)\d{6}")  # 20241030; as seconds all of these lie in 1970
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:,? (\d{1,2}):(\d\d)(?::(\d\d))?)?")  # 24.09.2021 18:05
_MILLISECONDS = 1e11  # as seconds this is the year 5138; unix times from here on are milliseconds

_CLOCK = re.compile(r"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?) ?([A-Za-z]{1,5}|[+-]\d\d:?\d\d)")
_ZONES = {  # hours ahead of UTC; of abbreviations with several meanings the one of Europe or the United States
    "UTC": 0,
    "GMT": 0,
    "Z": 0,
    "WET": 0,
    "WEST": 1,
    "BST": 1,
    "CET": 1,
    "CEST": 2,
    "MEZ": 1,
    "MESZ": 2,
    "EET": 2,
    "EEST": 3,
    "TRT": 3,
    "MSK": 3,
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
    "AKST": -9,
    "AKDT": -8,
    "HST": -10,
}
_SHORTCODE = re.compile(r"instagram\.com/(?:[\w.]{1,40}/)?(?:p|reels?|tv)/([A-Za-z0-9_-]+)")

_FEW_WORDS = re.compile(r"[\w.:,/+()-]+(?: [\w.:,/+()-]+){0,2}")

_TEXT_TYPES = {
    "caption": "caption",
    "ocr": "ocr",
    "transcript": "transcript",
    "transcription": "transcript",
}
_POST_TYPES = {
    **dict.fromkeys(
        ("post", "feed", "photo", "image", "video", "mixed", "sidecar", "album", "carousel", "igtv"), "post"
    ),
    "carousel_container": "post",
    **dict.fromkeys(("story", "stories"), "story"),
    **dict.fromkeys(("reel", "reels", "clips"), "reel"),
}


def moment(written: str | None) -> datetime | None:
    """A date in UTC: ISO 8601, ``YYYY-MM-DD HH:MM:SS`` or ``DD.MM.YYYY HH:MM`` (taken as UTC), or unix (milli)seconds.

    Raises ValueError with a sentence when it is none of these.
    """
    word = (written or "").strip()
    if not word:
        return None
    try:
        if _NUMBER.fullmatch(word) and not _DAY.fullmatch(word):
            seconds = float(word) / (1000 if abs(float(word)) >= _MILLISECONDS else 1)
            return _EPOCH + timedelta(seconds=seconds)
        if dotted := _DOTTED.fullmatch(word):  # with dots the day comes first, wherever dots are written
            day, month, year, hour, minute, second = (int(part or 0) for part in dotted.groups())
            return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        found = datetime.fromisoformat(word)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{shown(word, 'a value ')} is not a date (ISO 8601, 24.09.2021 18:05 or unix seconds)"
        ) from None


def zoned(written: str | None) -> str | None:
    """A date with the abbreviation of a time zone, ``2023-10-09 20:10:19 CEST``, with its offset instead.

    Anything else stays as it is. Raises ValueError with a sentence for a zone that is not known.
    """
    found = _CLOCK.fullmatch((written or "").strip())
    if found is None:
        return written
    clock, zone = found.groups()
    if zone[0] in "+-":
        return f"{clock}{zone}"
    if zone.upper() not in _ZONES:
        raise ValueError(f"the time zone {shown(zone)} is not known")
    return f"{clock}{_ZONES[zone.upper()]:+03d}:00"


def text_type(written: str | None, otherwise: str = "caption") -> str:
    """caption, ocr, transcript or unknown; ``otherwise`` where nothing is said. Raises ValueError with a sentence."""
    word = (written or otherwise).strip()
    if word.casefold() == UNTYPED:
        return UNTYPED
    if word.casefold() not in _TEXT_TYPES:
        raise ValueError(f"text type {shown(word)} is none of caption, ocr, transcript")
    return _TEXT_TYPES[word.casefold()]


def post_type(written: str | None) -> str | None:
    """post, story or reel; None where nothing is said. Raises ValueError with a sentence."""
    word = (written or "").strip()
    if not word:
        return None
    if word.casefold() not in _POST_TYPES:
        raise ValueError(f"post type {shown(word)} is none of post, story, reel")
    return _POST_TYPES[word.casefold()]


def platform(written: str | None) -> str | None:
    """A platform by its short name: ``www.instagram.com`` is ``instagram``."""
    word = (written or "").strip().casefold().removeprefix("www.").removesuffix(".com")
    return word or None


def host(url: str | None) -> str | None:
    """The host that a web address names; None when it names none."""
    try:
        return urlparse(url or "").hostname if "//" in (url or "") else None
    except ValueError:
        return None


def shortcode(url: str | None) -> str | None:
    """The shortcode in the address of an Instagram post: ``https://www.instagram.com/p/CyMAe_tufcR/``."""
    found = _SHORTCODE.search(url or "")
    return found[1] if found else None


def kind_in_url(url: str | None) -> str:
    """story, reel or post: what the address of an Instagram post says."""
    if "/stories/" in (url or ""):
        return "story"
    return "reel" if "/reel/" in (url or "") or "/reels/" in (url or "") else "post"


def split_identifier(identifier: str) -> tuple[str, str | None]:
    """``DBw-x1-Caption`` is post ``DBw-x1`` and type ``Caption``; a shortcode may itself hold dashes."""
    post, dash, suffix = identifier.rpartition("-")
    if dash and post and suffix.casefold() in _TEXT_TYPES:
        return post, suffix
    return identifier, None


def shown(value: str, kind: str = "") -> str:
    """A value as it may stand in a reason: three short words at most, or figures; else ``kind`` and its length.

    Reasons are logged and sent. What is longer, or has signs as sentences have, may be a post in the wrong column.
    """
    plain = _FEW_WORDS.fullmatch(value) or not any(sign.isalpha() for sign in value)
    return repr(value) if plain and len(value) <= 40 else f"{kind}of {len(value)} characters"
