"""Cells that a spreadsheet shows and does not run."""

import re

_WITHIN = re.compile(r"([;|\t\r\n][\"' ]*)(?=[=＝])")
_STARTS = tuple("=+-@\t\r＝＋－＠")  # ASCII and full-width: each starts a formula in some program


def safe(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula (OWASP, CSV injection).

    Also behind what a spreadsheet of another country takes for the end of a cell or a row, where a formula begins with
    an equals sign; other signs begin lines of ordinary posts.
    """
    guarded = _WITHIN.sub(r"\1'", cell)
    return f"'{guarded}" if guarded.startswith(_STARTS) else guarded
