"""Tickets: a file in a work folder that names the run of the work, which goes on as long as the file is there."""

import os
import re
from pathlib import Path

_RUN = re.compile(r"[0-9a-f]{32}")


def read(ticket: Path) -> str | None:
    """The run that a ticket names; None where there is none, or a full or broken disk has spoilt it."""
    try:
        found = ticket.read_text("ascii", "replace").strip()
    except OSError:
        return None
    return found if _RUN.fullmatch(found) else None


def write(ticket: Path, run_id: str) -> None:
    """Write it whole or not at all. Raises OSError."""
    ticket.parent.mkdir(parents=True, exist_ok=True)
    draft = ticket.with_name(f".{ticket.name}")
    with draft.open("w", encoding="ascii") as file:
        file.write(run_id)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(ticket)
