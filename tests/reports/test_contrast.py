"""What is written can be read: every colour of words and signs has a contrast of at least 4.5 to 1."""

import re

import pytest

from aufruf.reports.page import style_of

LIGHT, DARK = (
    dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6})\b", part)) for part in style_of("page.css").split("@media")[:2]
)


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2) of ``#rrggbb``."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return sum(weight * one for weight, one in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_colour_of_words_can_be_read_on_the_paper(scheme: dict[str, str]) -> None:
    """In the style sheet of all pages and in that of the morning's page, by day and by night."""
    used = set(re.findall(r"(?<![\w-])color: var\((--[\w-]+)\)", style_of("page.css") + style_of("desk.css")))
    assert {"--ink", "--quiet", "--link"} < used
    paper = luminance(scheme["--paper"])
    contrast = {}
    for name in used - {"--paper"}:
        lighter, darker = sorted([paper, luminance(scheme[name])], reverse=True)
        contrast[name] = round((lighter + 0.05) / (darker + 0.05), 2)
    assert {name: one for name, one in contrast.items() if one < 4.5} == {}
