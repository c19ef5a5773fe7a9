"""The docs name everything there is, and every link in them leads somewhere."""

import argparse
import re
from pathlib import Path

import pytest

from aufruf.arguments import parser

CHECKOUT = Path(__file__).resolve().parents[2]
PAGES = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
WORDS = (
    "post text annotation label split ledger run trial version challenger champion "
    "prediction explanation report decision"
)
LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")


def commands() -> list[str]:
    [choices] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return list(choices.choices)


@pytest.fixture(scope="module")
def docs() -> str:
    missing = [page.name for page in PAGES if not page.is_file()]
    assert missing == []
    return "\n".join(page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(docs, command):
    """Each command is written out as ``aufruf COMMAND`` in the README or under docs/."""
    assert re.search(rf"\baufruf {command}\b", docs), f"write about `aufruf {command}` in README.md or docs/"


def test_every_option_is_documented():
    """Each option of each command stands on the page about the commands."""
    [choices] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    every = {option for one in (parser(), *choices.choices.values()) for option in one._option_string_actions}
    page = (CHECKOUT / "docs" / "commands.md").read_text("utf-8")
    assert [one for one in sorted(every - {"-h", "--help"}) if not re.search(rf"{one}\b", page)] == []


def test_every_setting_is_documented(docs):
    """Each AUFRUF_ variable that anything reads or sets stands in the README or under docs/."""
    folders = ("src", "plugins", "dags", "docker")
    files = [path for name in folders for path in (CHECKOUT / name).rglob("*") if path.is_file()]
    read = [path.read_text("utf-8") for path in (*files, CHECKOUT / "Makefile") if path.suffix != ".pyc"]
    variables = {name for text in read for name in re.findall(r"\bAUFRUF_[A-Z_]*[A-Z]\b", text)}
    assert len(variables) > 30
    assert [name for name in sorted(variables) if not re.search(rf"\b{name}\b", docs)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(CHECKOUT)))
def test_every_relative_link_exists(page):
    """A link to a file of this project leads to a file of this project."""
    targets = [found.split("#")[0] for found in LINK.findall(page.read_text("utf-8"))]
    local = [target for target in targets if target and not re.match(r"[a-z]+:", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("word", WORDS.split())
def test_the_glossary_defines(word):
    """Each of our words has an entry of its own in the glossary: a heading, a bold word or a table row."""
    glossary = (CHECKOUT / "docs" / "glossary.md").read_text("utf-8")
    entry = rf"^(?:#+ +|[-*] +|\| *)?[*`]*{word}s?[*`]*(?: *[|:*—–-]| *$)"
    assert re.search(entry, glossary, re.IGNORECASE | re.MULTILINE), f"define {word!r} in docs/glossary.md"
