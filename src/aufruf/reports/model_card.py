"""The model card of a version, in Markdown: one text after training, and one section more once it is measured."""

import math
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from aufruf.reports.inert import counted, inert, web_address

LONGEST = 5000  # characters of a description: MLflow's column on PostgreSQL
_ROOM = 2200  # ... of which so many are left for what is measured
_SIGNS = re.compile(r"([\\|*\[\]`#~])")
_BREAKS = re.compile(r"[\n\t]+")
_MEASURED = re.compile(r"^## Measured on the test split\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def trained(**facts: Any) -> str:
    """The card as of training: data, votes, agreement, recipe, time, use and limits."""
    return _engine().get_template("model_card.md").render(**facts)


def description(card: str) -> str:
    """As many whole sections of a card, from its top, as leave room for what will be measured."""
    kept, *rest = re.split(r"^(?=## )", card, flags=re.MULTILINE)
    for section in rest:
        if len(kept) + len(section) > LONGEST - _ROOM:
            break
        kept += section
    return kept


def with_measured(card: str, longest: int | None = None, **facts: Any) -> str:
    """The card, or what a person has made of it, with its section on the test split written anew.

    ``longest``: characters that it may have; the largest slices come first, and as many as fit are kept. A text without
    that section, or without room for it, stays as it is. ``pages``: name to address of what a reader may want to see;
    what is no plain web address is left out.
    """
    slices = sorted(_slices(facts.pop("slices", {})), key=lambda one: (-one["n"], one["name"]))
    section = _engine().get_template("measured.md")
    facts["pages"] = {name: url for name, url in facts["pages"].items() if web_address(url)}  # tags: anybody's to set

    def told(count: int) -> str:
        written = section.render(slices=slices[:count], more=len(slices) - count, **facts)
        return _MEASURED.sub(lambda _: written, card, count=1)

    fit, too_many = 0, len(slices) + 1
    while longest is not None and too_many - fit > 1:
        middle = (fit + too_many) // 2
        fit, too_many = (middle, too_many) if len(told(middle)) <= longest else (fit, middle)
    found = told(len(slices) if longest is None else fit)
    return card if longest is not None and len(found) > longest else found


def _slices(found: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"name": f"{dimension}={value}", **one} for dimension, values in found.items() for value, one in values.items()
    ]


@cache
def _engine() -> Environment:
    engine = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # Markdown may hold HTML
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        lstrip_blocks=True,
        finalize=_plain,
    )
    engine.filters.update(count=lambda n: f"{n:,}", counted=counted, share=_share, address=_address)
    return engine


def _plain(value: Any) -> Any:
    """What a template prints is text: no table cell, link, picture or heading comes out of a party's name."""
    return _SIGNS.sub(r"\\\1", _BREAKS.sub(" ", inert(value))) if isinstance(value, str) else value


def _address(url: str) -> str:
    """An address as the target of a link, with nothing in it that could end the link."""
    return quote(url, safe="/:?=&%+,")


def _share(value: float | None) -> str:
    """From 0 to 1, as all pages show it; a dash where nothing could be measured."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.3f}"
