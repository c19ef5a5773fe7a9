"""The step ``sample``: exports of an invented campaign, to try everything on."""

from pathlib import Path
from typing import Any

from aufruf.errors import UsageError
from aufruf.sample import write_sample


def sample(folder: Path) -> dict[str, Any]:
    """Write the sample exports into ``folder``; the same bytes every time. Raises UsageError when it is a file."""
    if folder.exists() and not folder.is_dir():
        raise UsageError("there is a file of that name", where=str(folder), next="Name a folder.")
    return {"files": [str(path) for path in write_sample(folder)]}
