"""Cells that a spreadsheet shows and does not run."""

_STARTS = tuple("=+-@\t\r＝＋－＠")  # ASCII and full-width: each starts a formula in some program


def safe(cell: str) -> str:
    """The cell, with an apostrophe before what a spreadsheet would take for a formula (OWASP, CSV injection)."""
    return f"'{cell}" if cell.startswith(_STARTS) else cell
