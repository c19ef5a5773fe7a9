"""Cells that a spreadsheet shows and does not run."""

import re

_WITHIN = re.compile(r"([;|\t\r\n][\"' ]*)(?=[=＝])|([;|\t][\"' ]*)(?=[+\-@＋－＠](?!\)))")  # but for a wink: ;-)
_STARTS = tuple("=+-@\t\r＝＋－＠")  # ASCII and full-width: each starts a formula in some program


def safe(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula (OWASP, CSV injection).

    Also behind what a spreadsheet of another country takes for the end of a cell; behind the end of a row only before
    an equals sign, since the others begin lines of ordinary posts. A comma ends no cell: ``csv`` quotes it.
    """
    guarded = _WITHIN.sub(r"\g<0>'", cell)
    return f"'{guarded}" if guarded.startswith(_STARTS) else guarded
