"""What is part of a letter, or stands unseen between the letters of a word: for words as for the masks of pages."""

import unicodedata
from itertools import groupby


def _is_mark(code: int) -> bool:
    """Whether a sign is read with the one before it, those aside that ask for an emoji or a keycap."""
    return unicodedata.category(chr(code))[0] == "M" and not 0xFE00 <= code <= 0xFE0F and code != 0x20E3


def _ranges() -> str:
    found = (list(codes) for mark, codes in groupby(range(0x300, 0x1F000), _is_mark) if mark)
    return "".join(f"{chr(codes[0])}-{chr(codes[-1])}" for codes in found)


MARKS = _ranges()  # inside of [ ]: an NFD umlaut, a vowel sign of Hindi, Arabic or Thai is part of its word
NO_SIGN = r"(?!\u2139\ufe0f|[0-9]\ufe0f?\u20e3)"  # ℹ️ and 1️⃣ begin with a letter and a digit
WITHIN = rf"(?<=[\w{MARKS}])(?<!_)[\u00ad\u200c\u200d]+(?={NO_SIGN}[^\W_])"  # soft hyphens and joiners between letters
