"""What every page shares: the template engine, the style sheet with its hash, and writing a file whole."""

import base64
import hashlib
import math
import secrets
from contextlib import suppress
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from aufruf.errors import AufrufError
from aufruf.reports import chart
from aufruf.reports.inert import counted, exactly, inert, number, percent, points, signed, web_address

_TRIES = 3
_HERE = Path(__file__).parent
_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]


def fill(template: str, *, rules: str = "", script: str = "", images: bool = False, **values: Any) -> str:
    """A template of this folder as a page with its one style sheet and a policy that admits nothing else.

    ``rules``: more style of our own making, as its own element. ``script``: a file of this folder that the page may
    run. Both are admitted by their hash; neither may hold anything from outside. ``images``: the page carries pictures.
    """
    style, code = _file("page.css"), _file(script) if script else ""
    styles = " ".join(f"'sha256-{_digest(one)}'" for one in (style, rules) if one)
    admitted = f"style-src {styles}; " + (f"script-src 'sha256-{_digest(code)}'; " if code else "")
    admitted += "img-src data:; " if images else ""
    return (
        _engine()
        .get_template(template)
        .render(
            style=Markup(style),  # noqa: S704 - our own file
            rules=Markup(rules),  # noqa: S704 - made of numbers
            script=Markup(code),  # noqa: S704 - our own file
            policy=Markup(f"default-src 'none'; {admitted}base-uri 'none'; form-action 'none'"),  # noqa: S704 - as above
            **values,
        )
    )


def style_of(name: str) -> str:
    """A style sheet of this folder that only some pages need: ``rules`` for ``fill``."""
    return _file(name)


def header_policy(*scripts: str) -> str:
    """What a server says beside a page's own policy: who may frame it, and that only these scripts of ours may run."""
    hashes = " ".join(f"'sha256-{_digest(_file(name))}'" for name in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
    )


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def write_whole(path: Path, page: str) -> Path:
    """Write a page so that a reader sees the old one or the new one, never a half; who else may read it the umask says.

    A draft that ``forget`` deletes for one that somebody has left is written again. Raises AufrufError naming the file
    when the disk does not take it.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(_TRIES - 1):
            with suppress(FileNotFoundError):
                return _written(path, page)
        return _written(path, page)
    except OSError as error:
        raise AufrufError(
            f"the page could not be written: {error.strerror or error}",
            where=str(path),
            next="Free space or make the folder writable, then run aufruf report again.",
        ) from error


def _written(path: Path, page: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with draft.open("xb") as file:
            file.write(page.encode("utf-8"))
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def long_date(day: date | None) -> str:
    """``Monday, 3 March 2025``, in English whatever the locale; "" for none."""
    if day is None or day != day:  # pandas spells a missing time NaT, which is not equal to itself
        return ""
    return f"{_DAYS[day.weekday()]}, {short_date(day)}"


def short_date(day: date | None) -> str:
    """``3 March 2025``; "" for none."""
    if day is None or day != day:
        return ""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def moment(at: datetime | None) -> str:
    """``3 March 2025, 05:12 CET``; "" for none, no zone for a time without one."""
    if at is None or at != at:
        return ""
    return f"{short_date(at)}, {at:%H:%M} {at.tzname() or ''}".rstrip()


@cache
def _engine() -> Environment:
    engine = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    engine.filters.update(
        number=number,
        count=lambda n: f"{n:,}",
        counted=counted,
        percent=percent,
        points=points,
        exactly=exactly,
        signed=signed,
        finite=lambda value: value is not None and math.isfinite(value),
        long_date=long_date,
        short_date=short_date,
        moment=moment,
        address=web_address,
        axis=chart.percent,
    )
    return engine


def _harmless(value: Any) -> Any:
    """Every string a template prints passes here, so that no view can forget it."""
    return inert(value) if isinstance(value, str) and not isinstance(value, Markup) else value
