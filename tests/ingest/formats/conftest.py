"""Tiny exports written by hand, with the columns and keys that each tool really writes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from aufruf.data import readers
from aufruf.data.readers import Item

FILES = Path(__file__).parent / "files"
ASKED = frozenset({"Call to Action"})


@pytest.fixture
def items() -> Callable[..., list[Item]]:
    """Read a file as the question "Call to Action" is asked, its format found from its content."""

    def read(path: Path, columns: Mapping[str, str] | None = None, questions: frozenset[str] = ASKED) -> list[Item]:
        content = readers.open_content(path, questions=questions)
        return list(readers.find(content, readers.asked_for(None, columns)).read(content))

    return read


@pytest.fixture
def sample(tmp_path: Path) -> Callable[[str], Path]:
    """The export of this name, under a name that says nothing."""

    def copied(name: str) -> Path:
        path = tmp_path / f"upload-{len(list(tmp_path.iterdir()))}"
        path.write_bytes((FILES / name).read_bytes())
        return path

    return copied


@pytest.fixture
def told(items: Callable[..., list[Item]], sample: Callable[[str], Path]) -> Callable[..., list[Any]]:
    """What an export gives: for each item its values that say something, or the problem that it has."""

    def tell(name: str, **options: Any) -> list[Any]:
        return [item.problem or said(item) for item in items(sample(name), **options)]

    return tell


def said(item: Item) -> dict[str, str]:
    """The values of an item that say something."""
    return {role: value for role, value in item.values.items() if value is not None}
