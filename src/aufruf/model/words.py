"""What an explanation can name: words, hashtags, mentions, links and emoji - each whole."""

import re

from aufruf.letters import MARKS, NO_SIGN, WITHIN

_IN_WORD = rf"{NO_SIGN}[\w{MARKS}]|{WITHIN}"
_WORD = rf"{NO_SIGN}[^\W_](?:(?:{_IN_WORD})*{NO_SIGN}(?:[^\W_]|[{MARKS}]))?"  # no _ at its edges
_EMOJI_BASE = (
    r"(?:[\u203c\u2049\u2190-\u21ff\u2300-\u23ff\u2460-\u24ff\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    r"\u3030\u303d\U0001f000-\U0001faff]"
    r"|[\u00a9\u00ae\u2122\u2139\u3297\u3299](?=\ufe0f))"  # mostly signs of a text: an emoji where one says so
)
_EMOJI_TAIL = r"[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\u20e3]*"
_FLAG = r"[\U0001f1e6-\U0001f1ff]{2}"
_KEYCAP = r"[0-9#*]\ufe0f?\u20e3"
_EMOJI = rf"{_EMOJI_BASE}{_EMOJI_TAIL}(?:\u200d{_EMOJI_BASE}{_EMOJI_TAIL})*"
_LINK = r"(?:https?://|www\.)[^\s<>]*[^\s<>.,;:!?)\]\"'»“”’…]"
AT = "@＠﹫"  # begins the name of an account
_MENTION = rf"[{AT}]{NO_SIGN}\w(?:(?:{_IN_WORD}|[.@-])*{NO_SIGN}[\w{MARKS}])?"
HASH = "#＃"  # begins a hashtag
_SIGN = re.compile("|".join([_KEYCAP, _FLAG, _EMOJI]))
_TOKEN = re.compile("|".join([_LINK, _MENTION, _KEYCAP, rf"[{HASH}]{_WORD}", _WORD, _FLAG, _EMOJI]), re.IGNORECASE)


def tokens(text: str) -> list[str]:
    """The tokens of a text in order; what stands between them (spaces, punctuation) is never removed or named."""
    return _TOKEN.findall(text)


def is_emoji(token: str) -> bool:
    """Whether a token is an emoji, a flag or a keycap."""
    return _SIGN.fullmatch(token) is not None


def is_link(token: str) -> bool:
    """Whether a token is an address on the web."""
    return token.lower().startswith(("http://", "https://", "www."))


def is_mention(token: str) -> bool:
    """Whether a token names an account."""
    return token.startswith(tuple(AT))
