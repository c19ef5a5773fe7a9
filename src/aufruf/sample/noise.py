"""What cameras, character recognition, keyboards and reposts do to a text."""

import re
import unicodedata
from random import Random

from aufruf.sample.wording import words

LOOKALIKES = {
    "o": "0",
    "O": "0",
    "l": "1",
    "i": "l",
    "I": "l",
    "S": "5",
    "B": "8",
    "ü": "u",
    "ä": "a",
    "ö": "o",
}
LOOKALIKES |= {"e": "c", "rn": "m", "ß": "B", "t": "f", "g": "9", "d": "cl", "n": "ri"}


def recognized(text: str, rng: Random, strength: float) -> str:
    """The text as character recognition might return it; strength is the share of characters at risk."""
    damaged = "".join(LOOKALIKES[char] if char in LOOKALIKES and rng.random() < strength else char for char in text)
    tokens = damaged.split(" ")
    broken = [_break(token, rng) if rng.random() < strength else token for token in tokens]
    return "".join(token + ("\n" if rng.random() < 0.22 else " ") for token in broken).strip()


def _break(token: str, rng: Random) -> str:
    if len(token) < 5:
        return token
    cut = rng.randrange(2, len(token) - 1)
    return token[:cut] + rng.choice([" ", "\n", "- "]) + token[cut:]


def debris(seeds: list[str], rng: Random) -> str:
    """Stray pieces of words, letters, digits and percent signs, as a blurred background leaves them."""
    pieces = []
    for _ in range(rng.randrange(3, 9)):
        word = rng.choice(seeds)
        start = rng.randrange(max(1, len(word) - 2))
        piece = word[start : start + rng.randrange(2, 5)]
        shape = rng.choice([str.upper, str.lower, str.capitalize])
        pieces.append(shape(piece) + rng.choice(["", "", "", "2", ".", "|", ")"]))
        if rng.random() < 0.25:
            pieces.append(rng.choice(["C", "e", "4", "%", "1O", "«", "—", "=", "il", "EE", "5,0%", "©", "P", "2du"]))
    return " ".join(pieces)


def spoken(sentence: str, rng: Random) -> str:
    """A sentence as a speech recognizer without punctuation would write it."""
    plain = re.sub(r"[^\w\s%,'-]|,(?!\d)", "", sentence.replace("&", "und"))
    plain = re.sub(r"\s+", " ", plain).strip().lower()
    if rng.random() < 0.25:
        first, _, rest = plain.partition(" ")
        plain = f"{first} {rng.choice(['ähm', 'ja', 'also', 'halt', 'sag ich mal'])} {rest}".strip()
    return plain


def decomposed(text: str) -> str:
    """The text with its umlauts as letter plus combining mark (Unicode NFD)."""
    return unicodedata.normalize("NFD", text)


def emoji(rng: Random) -> str:
    """One to three plain emoji."""
    return "".join(rng.sample(words("emoji"), rng.choice([1, 1, 1, 2, 3])))


def slightly_changed(text: str, rng: Random) -> str:
    """The text as someone reposts it: one emoji or word more, one less, or another ending."""
    change = rng.randrange(4)
    if change == 0:
        return f"{text} {emoji(rng)}"
    if change == 1:
        return f"{emoji(rng)} {text}"
    if change == 2:
        return text.rstrip(".!") + ("!" if text.endswith(".") else " 🙂")
    return rng.choice(["Repost: ", "Nochmal: ", "Update: ", "Reminder: "]) + text
