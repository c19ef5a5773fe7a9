"""Making strings harmless to look at: nothing invisible, nothing that reorders the page, no link to code."""

import math
import re
from urllib.parse import quote, urlsplit

# control signs that are no white space, Default_Ignorable_Code_Point (Unicode, DerivedCoreProperties.txt), annotations
UNSEEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f"
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_JOINERS = "\u200c\u200d\ufe0e\ufe0f"  # emoji and some scripts are written with them
_FLAG = re.compile("(\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f)")  # of England, Wales ...
_INVISIBLE = re.compile(f"(?![{_JOINERS}])[{UNSEEN}\x0b-\x0d\x85\u2028\u2029]")  # a font has no sign for them
_HALF = re.compile("[\ud800-\udfff]")  # of a character: UTF-8 cannot write it
_ASCII = frozenset(map(chr, range(0x21, 0x7F)))
_MOST_DIGITS = 4  # of a share in hundredths: one in a million is told


def inert(text: str) -> str:
    """The text with control, direction, invisible and unwritable characters replaced by what can be seen.

    Line feeds, tabs and what emoji are joined with stay; a carriage return before a line feed is dropped, as a browser
    would.
    """
    parts = _FLAG.split(text.replace("\r\n", "\n"))  # every other one is a flag
    parts[::2] = [_HALF.sub("\ufffd", _INVISIBLE.sub(_code, part)) for part in parts[::2]]
    return "".join(parts)


def _code(found: re.Match[str]) -> str:
    return f"‹U+{ord(found.group()):04X}›"


def hidden(text: str) -> bool:
    """True when ``inert`` has something to replace."""
    return inert(text) != text.replace("\r\n", "\n")


def web_address(url: str | None) -> str | None:
    """The address when it is a plain http or https one without credentials in it, else None."""
    if url is None or not set(url) <= _ASCII:
        return None
    try:
        parts = urlsplit(url)
        wanted = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc
    except ValueError:  # brackets that are not an IPv6 address
        return None
    return url if wanted else None


def page_address(path: str) -> str | None:
    """A relative path as a link: quoted, so that no scheme survives; None when it is not relative."""
    if path.startswith(("/", "\\")) or ".." in path.split("/"):
        return None
    return quote(inert(path))


def rounded(size: float, digits: int) -> float:
    """A size (0 or more) to so many decimals, a half up; also what is a half but for the last bits of a float."""
    return math.floor(size * 10**digits + 0.5 + 1e-9) / 10**digits


def number(value: float | None, digits: int = 2) -> str:
    """A number with so many decimals and a true minus; a dash when there is none or it is not finite."""
    if value is None or not math.isfinite(value):
        return "–"
    size = rounded(abs(value), digits)
    return f"{'−' if value < 0 and size else ''}{size:.{digits}f}"


def counted(n: int, noun: str) -> str:
    """``1 text``, ``1,200 texts``."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def points(share: float | None) -> str:
    """A share (0..1) in hundredths; below ten and above ninety-nine with a decimal, and with more where it takes them:
    few of many are not none, and nearly all are not all."""
    if share is None or not math.isfinite(share) or abs(share) in (0, 1):
        return number(None if share is None else 100 * share, 0)
    size = abs(share)
    digits = 1 if size < 0.0995 or 0.99 < size < 1 else 0
    while digits < _MOST_DIGITS and rounded(100 * size, digits) in (0, 100):
        digits += 1
    return number(100 * share, digits)


def percent(share: float | None) -> str:
    """A share (0..1) as ``points``, with its sign."""
    return f"{points(share)}\u202f%"


def exactly(share: float) -> str:
    """A share (0..1) that somebody has set: 95 %, 97.5 %."""
    return f"{100 * share:g}\u202f%"


def signed(value: float) -> str:
    """A weight with its sign, a true minus, and two decimals, four where two would be nought; a dash if not finite."""
    decimals = 4 if abs(value) < 0.005 and value else 2
    if not math.isfinite(value):
        return "–"
    return f"{'−' if value < 0 else '+'}{rounded(abs(value), decimals):.{decimals}f}"
