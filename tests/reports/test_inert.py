import math

import pytest

from aufruf.reports.inert import counted, exactly, inert, number, page_address, percent, points, signed, web_address

SCOTLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x00b\x1bc\x7f", "a‹U+0000›b‹U+001B›c‹U+007F›"),
        ("a\r\nb\rc\td", "a\nb‹U+000D›c\td"),
        ("x\u202eevil\u202c \u2066y\u2069 \u200f", "x‹U+202E›evil‹U+202C› ‹U+2066›y‹U+2069› ‹U+200F›"),
        ("a\u2028b\u2029c", "a‹U+2028›b‹U+2029›c"),
        ("\ud83d allein", "\ufffd allein"),
        ("👩‍🚀 Tu\u0308r ❤️", "👩‍🚀 Tu\u0308r ❤️"),
        ("a\u00adb\u034f\u115f\u1160", "a‹U+00AD›b‹U+034F›‹U+115F›‹U+1160›"),
        ("\u180e\u2061\u2064\u206a\u206f", "‹U+180E›‹U+2061›‹U+2064›‹U+206A›‹U+206F›"),
        ("\u3164\uffa0\ufff9\ufffb", "‹U+3164›‹U+FFA0›‹U+FFF9›‹U+FFFB›"),
        ("\U000e0001\U000e0041 \U000e0100\ufe00", "‹U+E0001›‹U+E0041› ‹U+E0100›‹U+FE00›"),
        (f"{SCOTLAND} \u06cc\u200c\u0645 ❤\ufe0e", f"{SCOTLAND} \u06cc\u200c\u0645 ❤\ufe0e"),
        ("\U0001f3f4\U000e0041", "\U0001f3f4‹U+E0041›"),
    ],
)
def test_invisible_signs_become_visible(text: str, expected: str) -> None:
    """Control, direction and invisible signs are shown, half characters replaced; emoji, flags and all else stay."""
    assert inert(text) == expected


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt://example.org/%0aalert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "//example.org",
        "http://",
        "http://[kaputt",
        "https://anna:geheim@example.org/",
        "https://example.org/\n",
        "https://exämple.org/",
        " https://example.org",
        "",
        None,
    ],
)
def test_only_plain_web_addresses_become_links(url: str | None) -> None:
    """No other scheme, no credentials, no odd characters."""
    assert web_address(url) is None


def test_a_run_of_the_tracking_server_becomes_a_link() -> None:
    """An http address with a fragment is taken as it is."""
    url = "http://127.0.0.1:5000/#/experiments/1/runs/4f1d"
    assert web_address(url) == url


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("2025-02-17/index.html", "2025-02-17/index.html"),
        ("javascript:alert(1)", "javascript%3Aalert%281%29"),
        ("//example.org/", None),
        ("\\\\example.org", None),
        ("a/../../b", None),
    ],
)
def test_a_page_address_stays_inside_its_folder(path: str, expected: str | None) -> None:
    """A path can neither name a scheme nor climb."""
    assert page_address(path) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0.125, "0.13"), (-0.125, "−0.13"), (None, "–"), (float("nan"), "–"), (float("inf"), "–")]
)
def test_a_number_that_is_none_is_a_dash(value: float | None, expected: str) -> None:
    """NaN never reaches a reader."""
    assert number(value) == expected


@pytest.mark.parametrize(
    ("weight", "shown"),
    [(0.36, "+0.36"), (-0.005, "−0.01"), (-0.0031, "−0.0031"), (0.00004, "+0.0000"), (0.0, "+0.00"), (math.nan, "–")],
)
def test_small_weights_keep_digits(weight: float, shown: str) -> None:
    """Two decimals, and four where two would say nothing; a minus that is one."""
    assert signed(weight) == shown


def test_a_half_goes_up_however_it_was_computed() -> None:
    """29 of 40, as a number of hundred, as a percentage, and with the last bits of a float on either side."""
    assert [number(100 * share, 0) for share in (0.725, 0.7250000000000001, 0.7249999999999999)] == ["73"] * 3
    assert {percent(share) for share in (0.725, 0.7250000000000001)} == {"73\u202f%"}
    assert number(0.285) == "0.29", "as a float it is 0.28499..."
    assert number(72.49, 0) == "72"


def test_one_is_one() -> None:
    """And a thousand has its comma."""
    assert [counted(n, "text") for n in (0, 1, 1200)] == ["0 texts", "1 text", "1,200 texts"]


def test_there_is_no_negative_nought() -> None:
    """And what is below it has a true minus."""
    assert [number(-0.3, 0), number(-0.0004), number(-99.6, 0)] == ["0", "0.00", "−100"]


@pytest.mark.parametrize(
    ("share", "shown"),
    [
        (0.003, "0.3"),
        (0.0, "0"),
        (0.0449, "4.5"),
        (0.0994, "9.9"),
        (0.0996, "10"),
        (0.725, "73"),
        (-0.034, "−3.4"),
        (0.996, "99.6"),
        (0.9997, "99.97"),
        (1.0, "100"),
        (0.99, "99"),
        (0.0004, "0.04"),
        (1e-9, "0.0000"),
    ],
)
def test_few_of_many_are_not_none_and_most_are_not_all(share: float, shown: str) -> None:
    """Below ten and above 99 of a hundred a share has a decimal, or more; all and nought have none."""
    assert points(share) == shown
    assert percent(share) == f"{shown}\u202f%"


@pytest.mark.parametrize(("share", "shown"), [(0.95, "95"), (0.975, "97.5"), (0.999, "99.9"), (1 - 0.95, "5")])
def test_a_confidence_is_named_as_it_was_set(share: float, shown: str) -> None:
    """97.5 is not 98, and 99.9 not 100."""
    assert exactly(share) == f"{shown}\u202f%"
