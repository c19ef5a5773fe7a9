import math

import pytest

from aufruf.reports.inert import inert, number, page_address, signed, web_address

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
    ("value", "expected"), [(0.125, "0.12"), (None, "–"), (float("nan"), "–"), (float("inf"), "–")]
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
