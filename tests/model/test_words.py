"""What counts as a word, and that the page finds again what the explanation names."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aufruf.model.words import tokens
from aufruf.reports.highlight import spans

TEXTS = {
    "Geht am Sonntag wählen! 🗳️ #Wahl2025 @gruene": ["Geht", "am", "Sonntag", "wählen", "🗳️", "#Wahl2025", "@gruene"],
    "Mehr auf https://example.org/a?b=c&d, bitte.": ["Mehr", "auf", "https://example.org/a?b=c&d", "bitte"],
    "www.example.org!": ["www.example.org"],
    "@a.b-c und @cdu.": ["@a.b-c", "und", "@cdu"],
    "@anna-lena- kommt, @_max_ auch": ["@anna-lena", "kommt", "@_max_", "auch"],
    "@eva@social.example und eva@spd-nord.example": ["@eva@social.example", "und", "eva", "@spd-nord.example"],
    "_wählen_ __#Wahl_2025__ _": ["wählen", "#Wahl_2025"],
    "Wow‼ Echt⁉️ ‼️": ["Wow", "‼", "Echt", "⁉️", "‼️"],
    "Infoℹ️ ℹ️Info @amtℹ️ ℹ": ["Info", "ℹ️", "ℹ️", "Info", "@amt", "ℹ️", "ℹ"],
    "©️®️™️ ㊗️㊙️ © 2025 Marke® Name™ ㊗㊙": ["©️", "®️", "™️", "㊗️", "㊙️", "2025", "Marke", "Name"],
    "Punkt1️⃣ und 12️⃣": ["Punkt", "1️⃣", "und", "1", "2️⃣"],
    "＃Wahl ＃ #www.x": ["＃Wahl", "#www", "x"],
    "Mit ＠max und ﹫eva!": ["Mit", "＠max", "und", "﹫eva"],
    "👩‍👩‍👧 🇩🇪🇫🇷 👍🏽 1️⃣": ["👩‍👩‍👧", "🇩🇪", "🇫🇷", "👍🏽", "1️⃣"],
    "Bürger:innen, CO2-Preis": ["Bürger", "innen", "CO2", "Preis"],
    "u\u0308ber": ["u\u0308ber"],
    "#Ärmel_hoch jetzt": ["#Ärmel_hoch", "jetzt"],
    "Für ❤️!": ["Für", "❤️"],
    "❤︎ ✔︎ wählen ☎︎": ["❤︎", "✔︎", "wählen", "☎︎"],
    "हिन्दी में #मतदान @हिन्दी_खबर": ["हिन्दी", "में", "#मतदान", "@हिन्दी_खबर"],
    "نُصَوِّتْ اليوم": ["نُصَوِّتْ", "اليوم"],
    "สวัสดีครับ": ["สวัสดีครับ"],
    "می\u200cروم क्\u200dष\u200d !": ["می\u200cروم", "क्\u200dष"],
    "wäh\u00adlen\u00ad len @an\u00adna": ["wäh\u00adlen", "len", "@an\u00adna"],
    "@amt\u200b ja": ["@amt", "ja"],
    "... !!! ---": [],
    "": [],
}
PIECES = [*"aZäß1²①½ℹ_-.@#＃＠﹫!,:*'()/™‼× \n", "u\u0308", "__", "www.", "https://", "x.de", "ℹ️", "⁉️", "™️", "㊗️", "©️"]
PIECES += ["👍🏽", "👩‍🚀", "1️⃣", "🇩🇪", "❤️", "❤︎", "कि", "न्", "بَ", "กั", "w\u00ada", "م\u200cر"]


@pytest.mark.parametrize("text", TEXTS)
def test_words_are_whole(text):
    """Words, hashtags, mentions, links and emoji are each one token; punctuation is none."""
    assert tokens(text) == TEXTS[text]


@settings(max_examples=300)
@given(st.text())
def test_tokens_never_alter_the_text(text):
    """Each token is a piece of the text, in order, none overlapping another."""
    at = 0
    for token in tokens(text):
        assert token
        at = text.index(token, at) + len(token)


@settings(max_examples=200)
@given(st.text(alphabet="aäß1 \n.,!?-", max_size=60))
def test_every_letter_belongs_to_a_word(text):
    """No letter and no digit is left out."""
    assert "".join(tokens(text)) == re.sub(r"[\W_]", "", text)


def found_again(text: str) -> list[tuple[str, bool]]:
    """Of each distinct token: does the page show it, as a whole piece with its weight?"""
    named = list(dict.fromkeys(tokens(text)))
    pieces = spans(text, [(token, 1.0) for token in named])
    shown = {piece for piece, weight in pieces if weight is not None}
    return [(token, token in shown) for token in named]


@pytest.mark.parametrize("text", TEXTS)
def test_the_page_finds_what_is_named(text):
    """Every token of these texts is found in the text as a whole piece."""
    assert [token for token, found in found_again(text) if not found] == []


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_the_page_finds_whatever_is_named(text):
    """However words, signs of handles and hashtags, links, emoji and underscores meet."""
    assert [token for token, found in found_again(text) if not found] == []


def test_the_page_finds_what_is_named_in_real_posts(shared_data):
    """Of all tokens of real tweets at least 99 in 100 are found as whole pieces."""
    texts = pd.read_csv(shared_data / "politician_tweets_2021" / "tw_data.csv", dtype=str)["full_text"].dropna()
    outcomes = [one for text in texts.iloc[::10].head(500) for one in found_again(text)]
    missed = [token for token, found in outcomes if not found]
    assert len(outcomes) > 5000
    assert len(missed) <= len(outcomes) / 100, missed[:20]
