import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aufruf.reports.highlight import spans

GRUMBLING = "Ü🔥👍🏽👩‍🚀❤️🇩🇪1️⃣u\u0308#@ &<>\"'-.\n\u200b\u202e\x00\ud800 abAB"
PIECES = [
    "Geht",
    "geht",
    "#Wahl",
    "Wahl",
    "@amt",
    "@amt.nord",
    "https://a.example/b?c=1&d",
    "👍",
    "👍🏽",
    "👩",
    "👩‍🚀",
]
PIECES += ["❤️", "🇩🇪", "🇩🇰", "1️⃣", "Tu\u0308r", "Tür", "&", "<", "Straße", "😉", "_", "2025"]


def marked(text: str, *words: str) -> list[str]:
    return [piece for piece, weight in spans(text, [(word, 1.0) for word in words]) if weight is not None]


@given(
    st.text(st.sampled_from(GRUMBLING) | st.characters(codec=None), max_size=60),
    st.lists(st.tuples(st.text(st.sampled_from(GRUMBLING), max_size=4), st.floats(-1, 1)), max_size=6),
)
def test_the_pieces_are_the_text(text: str, words: list[tuple[str, float]]) -> None:
    """Joined, the pieces give back exactly the text, and each marked piece is one of the words."""
    pieces = spans(text, words)
    assert "".join(piece for piece, _ in pieces) == text
    assert {piece for piece, weight in pieces if weight is not None} <= {word for word, _ in words}
    assert all(piece for piece, _ in pieces)


@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sets(st.sampled_from(PIECES), max_size=6))
def test_exactly_the_tokens_among_the_words_are_marked(tokens: list[str], words: set[str]) -> None:
    """In a text of tokens between spaces, those that are words are marked, in order, and no others."""
    assert marked(" ".join(tokens), *words) == [token for token in tokens if token in words]


@pytest.mark.parametrize(
    ("text", "words", "expected"),
    [
        ("Wahlkampf Wahl", ["Wahl"], ["Wahl"]),
        ("wahl Wahl WAHL", ["Wahl"], ["Wahl"]),
        ("#Wahl25 Wahl25", ["Wahl25"], ["Wahl25"]),
        ("@wahl wahl", ["wahl"], ["wahl"]),
        ("https://wahl.example/wahl wahl", ["wahl", "https"], ["wahl"]),
        ("(https://wahl.example/x).", ["https://wahl.example/x"], ["https://wahl.example/x"]),
        ("👍🏽👍", ["👍"], ["👍"]),
        ("👩‍🚀 👩", ["👩", "🚀"], ["👩"]),
        ("🔥🔥wow", ["🔥", "wow"], ["🔥", "🔥", "wow"]),
        ("🇩🇪🇪🇸", ["🇪🇪"], []),
        ("🇩🇪🇪🇸", ["🇪🇸"], ["🇪🇸"]),
        ("❤️ ❤", ["❤"], ["❤"]),
        ("1️⃣Stimme", ["1", "Stimme"], ["Stimme"]),
        ("u\u0308ber u", ["u"], ["u"]),
        ("wäh\u00adlen len", ["len"], ["len"]),
        ("wäh\u00adlen wäh\u00ad", ["wäh"], ["wäh"]),
        ("می\u200cروم روم", ["روم"], ["روم"]),
        ("@amt\u200b ja", ["@amt"], ["@amt"]),
        ("दिन दि", ["द", "दि"], ["दि"]),
        ("❤︎ ❤", ["❤", "❤︎"], ["❤︎", "❤"]),
        ("B&B", ["B&B", "B"], ["B&B"]),
        ("a<b>c", ["b", "<"], ["<", "b"]),
        ("Nach-Barn", ["Nach"], ["Nach"]),
        ("geht wählen", ["geht", "geht wählen"], ["geht wählen"]),
        ("", ["x"], []),
        ("  ", [" ", ""], []),
    ],
)
def test_a_word_is_found_only_as_a_whole_token(text: str, words: list[str], expected: list[str]) -> None:
    """Never inside a longer word, hashtag, mention, link, flag or emoji sequence; the longest wins."""
    assert marked(text, *words) == expected


def test_the_first_weight_counts() -> None:
    """A word listed twice carries the weight it was listed with first."""
    assert spans("ja", [("ja", 0.5), ("ja", -0.1)]) == [("ja", 0.5)]


def test_long_texts_of_one_kind_stay_quick() -> None:
    """100,000 marks, letters, dots or joiners in a row take a second or so, not minutes."""
    start = time.perf_counter()
    for unit in ("\u0301", "a", "a.", "👩‍", "@", "#", "🇩", "https://"):
        text = unit * (100_000 // len(unit))
        assert "".join(piece for piece, _ in spans(text, [("a", 1.0), ("👩", 1.0)])) == text
    assert time.perf_counter() - start < 30


def test_with_folded_case_a_word_is_marked_in_each_spelling() -> None:
    """A sharp s, too, which grows when it is folded; still as whole tokens only."""
    pieces = spans("Straße, STRASSE! Straßen strasse", [("Straße", 0.3)], fold_case=True)
    assert [piece for piece, weight in pieces if weight] == ["Straße", "STRASSE", "strasse"]


def test_each_listed_spelling_keeps_its_own_weight() -> None:
    """Of an explanation from before case was folded; spellings that are not listed have the first one's."""
    runs = spans("Wählen, wählen! WÄHLEN", [("Wählen", 0.3), ("wählen", -0.2)], fold_case=True)
    assert [run for run in runs if run[1]] == [("Wählen", 0.3), ("wählen", -0.2), ("WÄHLEN", 0.3)]


def test_a_text_full_of_beginnings_of_a_long_word_stays_quick() -> None:
    """A hashtag or link of 10,000 signs that an explanation names is not looked for sign by sign at each word."""
    long = f"#{'b' * 10_000}"
    start = time.perf_counter()
    for fold_case in (False, True):
        runs = spans("#b " * 3_000 + long, [(long, 0.2), ("#b", 0.1)], fold_case)
        assert [weight for _, weight in runs if weight] == [0.1] * 3_000 + [0.2]
    assert time.perf_counter() - start < 10
