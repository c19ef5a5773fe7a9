"""Cells that a spreadsheet shows and does not run."""

import re

_SKIPPED = r"[\"' \u00a0\ufeff]*"
_WITHIN = re.compile(
    rf"([;|\t\r\n]{_SKIPPED})(?=[=＝])|([;|\t]{_SKIPPED})(?=[+\-@＋－＠](?!\)))"
)  # but for a wink: ;-)
_START = re.compile(r"[\t\r]|[\s\ufeff\u200b]*[=+\-@＝＋－＠]")  # ASCII and full-width; some programs trim the cell


def safe(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula (OWASP, CSV injection).

    White space before it counts for nothing: some programs leave it out. Also behind what a spreadsheet of another
    country takes for the end of a cell; behind the end of a row only before an equals sign, since the others begin
    lines of ordinary posts. A comma ends no cell: ``csv`` quotes it.
    """
    guarded = _WITHIN.sub(r"\g<0>'", cell)
    return f"'{guarded}" if _START.match(guarded) else guarded
