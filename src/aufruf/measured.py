"""What the gate can ask for, because it is measured: slices of the test texts, capabilities of the behaviour tests."""

import re
import tomllib
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from aufruf.schemas import TEXT_TYPES

LENGTHS = ((10, "1-10 words"), (25, "11-25 words"), (50, "26-50 words"), (100, "51-100 words"))
LONGER = "over 100 words"
DIMENSIONS = ("party", "text_type", "post_type", "length", "month")  # by which the test texts are cut into slices
_VALUES = {"text_type": TEXT_TYPES, "length": (*(name for _, name in LENGTHS), LONGER)}
_MONTH = re.compile(r"\d{4}-\d\d|unknown")


def check_slices(names: Iterable[str]) -> None:
    """Raises ValueError, which says what slices there are, for a name that no slice can have."""
    for name in names:
        dimension, _, value = name.partition("=")
        if not (dimension and value):
            raise ValueError(f'floors: {name!r} is no slice; write "DIMENSION=VALUE", as in "text_type=ocr", "party=*"')
        if dimension not in DIMENSIONS:
            raise ValueError(f"floors: {name!r} is no slice; there are slices by {', '.join(DIMENSIONS)}")
        some = _VALUES.get(dimension, (value,))
        if value not in ("*", *some):
            raise ValueError(f"floors: {name!r} is no slice; of {dimension} there are {', '.join(some)}")
        if dimension == "month" and value != "*" and not _MONTH.fullmatch(value):
            raise ValueError(f'floors: {name!r} is no slice; write a month like "month=2021-09"')


def suite(name: str) -> list[dict[str, Any]]:
    """The capabilities of a suite of behaviour tests as its file has them; none of the suite ``none``."""
    if name == "none":
        return []
    text = (files("aufruf") / "model" / f"behaviour_{name}.toml").read_text("utf-8")
    return list(tomllib.loads(text)["capability"])


def check_capabilities(names: Iterable[str], of: str) -> None:
    """Raises ValueError, which says what capabilities there are, for a name that the suite ``of`` does not have."""
    asked = list(names)
    known = [one["name"] for one in suite(of)] if asked else []
    for name in asked:
        if not known:
            why = f"is not measured while [evaluation] behaviour is {of!r}; name its suite there"
            raise ValueError(f"gate.behaviour: {name!r} {why}")
        if name not in known:
            raise ValueError(f"gate.behaviour: the suite {of!r} has no {name!r}; it has {', '.join(map(repr, known))}")
