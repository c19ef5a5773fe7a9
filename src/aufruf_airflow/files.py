"""Files below a folder, for a server: nothing above it, no link, nothing hidden, no kind that was not meant."""

from pathlib import Path

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}


def below(folder: Path, asked: str) -> Path | None:
    """The file ``asked`` for, a relative path with slashes; None for what must not, or cannot, be served."""
    parts = asked.split("/")
    if "\\" in asked or "\0" in asked or any(not part or part.startswith(".") for part in parts):
        return None
    root = folder.resolve()
    path = root.joinpath(*parts)
    try:
        if path.resolve() != path or not path.is_relative_to(root):  # a link somewhere below the folder
            return None
        return path if path.suffix in KINDS and path.is_file() else None
    except OSError:  # a name that no file can have
        return None
