import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aufruf.reports.highlight import spans
from aufruf.reports.privacy import masked, masked_name, pieces, regions, shown_word, shown_words

LINKS = "https://www.example.org/u/anna?x=1 HTTP://Example.org www.example.org/anna t.me/anna linktr.ee/anna?a=b"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Danke @anna_b.", "Danke @•••."),
        ("Danke@anna", "Danke@•••"),
        ("@mu\u0308ller und @an\u200bna und ＠anna", "@••• und @••• und @•••"),
        ("@anna@nord.example und @anna-b.example.org", "@••• und @•••"),
        ("anna.b+x@mail.example.org!", "‹e-mail›!"),
        ("mailto:jürgen@exämple.de", "mailto:‹e-mail›"),
        ("https://anna:geheim@example.org/x", "‹link: example.org›"),
        ("https://[kaputt/x", "‹link›"),
        ("(siehe https://example.org/a_(b)).", "(siehe ‹link: example.org›))."),
        ("Ruf an: +49 (0)89 / 12 34 56", "Ruf an: ‹phone›"),
        ("0170/1234567 oder (030) 5550-1234", "‹phone› oder ‹phone›"),
        ("Seit 2021 0170 1234567 und 0170 1234567Uhr", "Seit 2021 ‹phone› und ‹phone›Uhr"),
        ("0049 170 1234567", "‹phone›"),
        ("Spendenkonto: IBAN DE89 3704 0044 0532 0130 00, BIC", "Spendenkonto: IBAN ‹iban›, BIC"),
        ("de89370400440532013000 AT61 1904 3002 3457 3201 DE 89-3704-0044-0532-0130-00", "‹iban› ‹iban› ‹iban›"),
        ("GB29 NWBK 6016 1331 9268 19, NL91ABNA0417164300", "‹iban›, ‹iban›"),
        ("B117 und CO2 10 20 30; DE12 und 0170 1234567", "B117 und CO2 10 20 30; DE12 und ‹phone›"),
        ("030\u00a01234567, 030\u20091234567", "‹phone›, ‹phone›"),
        ("030\u20111234567, 030 — 1234567, 030 \u2212 1234567", "‹phone›, ‹phone›, ‹phone›"),
        ("(0 30) 12 34 56 und 0 171 1234567", "‹phone› und ‹phone›"),
        ("Handy 0171:1234567, ＋49 171 1234567", "Handy ‹phone›, ‹phone›"),
        ("Ruf 0️⃣1️⃣7️⃣0️⃣ 1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣! 0⃣170 123456⃣", "Ruf ‹phone›! ‹phone›"),
        ("０１７０ １２３４５６７ und ٠١٧٠١٢٣٤٥٦٧", "‹phone› und ‹phone›"),
        ("@हिन्दी_खबर folgt @مُحَمَّد_علي", "@••• folgt @•••"),
        ("मोदी.जी@उदाहरण.भारत und max﹫host.de", "‹e-mail› und ‹e-mail›"),
        ("o'brien@host.de, o’brien@host.de, max&moritz@web.de", "‹e-mail›, ‹e-mail›, ‹e-mail›"),
        ("'anna@host.de' & bert@host.de", "'‹e-mail›' & ‹e-mail›"),
        ("@amt1️⃣ und www.example.org/anna1️⃣", "@••• und ‹link: www.example.org›"),
        ("0171 1234567\n18:30 Uhr", "‹phone›\n18:30 Uhr"),
        ("tg://resolve?domain=max und instagram://max", "‹link: tg:› und ‹link: instagram:›"),
        ("Mehr....https://example.org/max", "Mehr....‹link: example.org›"),
        ("example.рф/max, example.xn--p1ai/max", "‹link: example.рф›, ‹link: example.xn--p1ai›"),
        ("example.in/max, web2.de/max, 1822.de/max", "‹link: example.in›, ‹link: web2.de›, ‹link: 1822.de›"),
    ],
)
def test_what_identifies_persons_is_replaced(text: str, expected: str) -> None:
    """Mentions, addresses and numbers go, and of a link only its host stays."""
    assert masked(text) == expected


@pytest.mark.parametrize("link", LINKS.split())
def test_of_a_link_only_the_host_is_left(link: str) -> None:
    """With a scheme or without, neither path nor query is shown."""
    assert "anna" not in masked(link)
    assert masked(link).startswith("‹link: ")


@pytest.mark.parametrize(
    "text",
    [
        "Am 23.02.2025 um 18:00 Uhr",
        "Am 08. 02. 2025 und 08.02. – 12.02.2025",
        "02/23/2025",
        "1.388.000 Euro, 100 000 000 Stimmen",
        "01067 Dresden",
        "2017, 2021, 2025",
        "SPD/CDU und/oder z.B. morgen",
        "Bürger.innen/Bürger, Bürger.in/Bürgerin, 2.Advent/Weihnachten",
        "Mo 09:00 – 18:30, Di 08:15—12:00, 08:30 09:30 10:30",
        "09.00-12.00 Uhr, 08.00 – 12.00 Uhr",
        "01.–05.03.2025, 07/2024–06/2025, 02.2024 - 03.2025",
        "5:0 3:1 2:2 0:1 0:3, 0 % 2021 2022",
        "5 @ 7",
        "Punkt 1️⃣ 2️⃣ 3️⃣, am ０８.０２.２０２５, 2️⃣3️⃣.0️⃣2️⃣.2️⃣0️⃣2️⃣5️⃣",
        "Q&A, geht's & los",
        "#Wahl @ Rathaus",
    ],
)
def test_dates_sums_and_words_stay(text: str) -> None:
    """What only looks a little like a number, a link or a mention is not touched."""
    assert masked(text) == text


def test_ids_keep_their_digits() -> None:
    """A post number is no telephone number."""
    assert masked("instagram:0349818723889:caption", numbers=False) == "instagram:0349818723889:caption"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("export.zip/part.json", "export.zip/part.json"),
        ("export.zip/mia@uni.example.csv", "export.zip/‹e-mail›"),
        ("@mia_2026.csv", "@•••"),
        ("2025-02-17 0170 1234567.csv", "2025-02-17 0170 1234567.csv"),
    ],
)
def test_the_name_of_a_file_names_nobody_by_address(name: str, shown: str) -> None:
    """A member of an archive keeps its path, which is no link; addresses and handles go."""
    assert masked_name(name) == shown


def test_a_hidden_region_carries_the_weight_of_its_words() -> None:
    """A link that mattered is still marked once only its host is shown; a part of an address is, too."""
    text = "Hier: https://example.org/anna, anna@example.org"
    runs = spans(text, [("https://example.org/anna", 0.4), ("anna", -0.2)])
    shown = [(piece.shown, piece.weight) for piece in pieces(runs, regions(text))]
    assert shown == [("Hier: ", None), ("‹link: example.org›", 0.4), (", ", None), ("‹e-mail›", -0.2)]


@pytest.mark.parametrize(
    ("text", "word", "expected"),
    [
        ("Ja @anna", "@anna", "@•••"),
        ("Ja @anna", "anna", "@•••"),
        ("Ja @anna", "Ja", "Ja"),
        ("Ruf 0170 1234567", "1234567", "‹phone›"),
        ("anna@example.org", "anna", "‹e-mail›"),
        ("anna@example.org kennt anna", "anna", "anna"),
        ("Ja", "@fremd", "@•••"),
    ],
)
def test_words_of_an_explanation_are_hidden_as_in_the_text(text: str, word: str, expected: str) -> None:
    """The table beside a text shows of a hidden part no more than the text does."""
    assert shown_word(word, spans(text, [(word, 1.0)]), regions(text)) == expected


@given(
    st.text(st.sampled_from("ab @.:/#-+0179 \n😉\u0308https"), max_size=60),
    st.lists(st.tuples(st.text(st.sampled_from("ab@01"), max_size=3), st.floats(-1, 1)), max_size=4),
)
def test_marking_and_hiding_do_not_disturb_each_other(text: str, words: list[tuple[str, float]]) -> None:
    """Whatever is marked, the shown text is the masked text."""
    assert "".join(piece.shown for piece in pieces(spans(text, words), regions(text))) == masked(text)


def test_long_texts_of_one_kind_stay_quick() -> None:
    """No pattern takes time that grows with the square of a text."""
    start = time.perf_counter()
    units = ["a", "a.", "0 ", "0 1\u2009- ", "012:", "ab-", "a@", "0 1", "@a.", "www.", "+491", "a/", "-", "a'", "0️⃣"]
    for unit in units:
        masked(unit * (60_000 // len(unit)))
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("handle", ["@\u200balice", "@\u2060\ufeffbob", "﹫carla"])
def test_signs_that_nobody_sees_do_not_unmask_a_handle(handle: str) -> None:
    """Zero-width signs behind the @, and its small form, are part of a mention."""
    assert masked(f"Danke {handle} und alle") == "Danke @••• und alle"


def test_a_hostile_text_is_masked_in_time_that_grows_with_its_length() -> None:
    """A hundred thousand zero-width signs: a pattern that looks again from each of them needs a minute."""
    began = time.process_time()
    assert masked("\u200b" * 100_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "sign", [*"\u00ad\u034f\u115f\u180e\u2061\u2063\u206a\u3164\ufe0f\uffa0\ufff9\U000e0041\x07\u202e"]
)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Danke @some|account!", "Danke @•••!"),
        ("Danke @|account!", "Danke @•••!"),
        ("na|me@example.org", "‹e-mail›"),
        ("name@exa|mple.org", "‹e-mail›"),
        ("0171|1234567", "‹phone›"),
        ("www|.example.org/an|na", "‹link: www.example.org›"),
        ("t.m|e/anna", "‹link: t.me›"),
    ],
)
def test_an_invisible_sign_hides_nobody_from_the_mask(sign: str, text: str, expected: str) -> None:
    """What a reader sees as one handle, address, number or link is masked as one, whatever lies between its letters."""
    assert masked(text.replace("|", sign)) == expected


def test_invisible_signs_elsewhere_stay_where_they_are() -> None:
    """Only what is hidden goes; emoji beside it keep their joiners."""
    assert masked("So\u00adzial 👩‍🚀 @an\u00adna ❤️") == "So\u00adzial 👩‍🚀 @••• ❤️"


def test_with_folded_case_a_word_is_shown_where_any_spelling_stands_openly() -> None:
    """And hidden where each of them is part of an address."""
    words = [("Maria", 0.1)]
    assert shown_words("Schreibt an maria@spd.de", words, fold_case=True) == ["‹e-mail›"]
    assert shown_words("maria kommt: maria@spd.de", words, fold_case=True) == ["Maria"]


def test_a_text_full_of_handles_and_named_words_stays_quick() -> None:
    """Each piece looks at the regions that it touches, not at all of them: 100,000 signs took a minute and a half."""
    text = "@ab geht " * 11_000
    start = time.perf_counter()
    runs, hidden = spans(text, [("geht", 0.3), ("@ab", -0.1)]), regions(text)
    shown = pieces(runs, hidden)
    assert "".join(piece.shown for piece in shown) == "@••• geht " * 11_000
    assert [shown_word(word, runs, hidden) for word in ("geht", "@ab")] == ["geht", "@•••"]
    assert time.perf_counter() - start < 15
