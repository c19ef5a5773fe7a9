"""No post's text is in a line of a log of what speaks of posts."""

import json
from functools import partialmethod

import pytest
from tqdm import std
from transformers.utils import logging as transformers

from aufruf.cli import main


@pytest.fixture
def logged(after, capfd, monkeypatch):
    """``logged(word, ...)``: the lines that a command on the home writes."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    monkeypatch.setenv("AUFRUF_LOG", "json")
    transformers.disable_progress_bar()  # as the command does, and the next, where these are not there before it
    monkeypatch.setattr(std.tqdm, "__init__", partialmethod(std.tqdm.__init__, disable=True))

    def run(*words: str) -> list[str]:
        capfd.readouterr()
        assert main([*words, "--home", str(after.settings.home), "--json"]) == 0
        return capfd.readouterr().err.splitlines()

    return run


def test_no_text_is_in_a_line_of_what_speaks_of_posts(after, spoilt, logged, quoted):
    """Scoring and explaining, also by a model that makes no number of any text; monitoring, and the queue."""
    after.posts("Kommt am Sonntag alle zum Infostand auf dem Markt!", "Geht wählen, es ist eure Stimme.")
    broken = after.register_again(spoilt).version
    commands = (
        ["score"],
        ["score", "--model", broken],
        ["explain"],
        ["explain", "--where", "author=Ada"],
        ["monitor"],
        ["queue"],
        ["report"],
    )
    lines = [line for command in commands for line in logged(*command)]
    assert {json.loads(line)["command"] for line in lines} >= {"score"}
    assert quoted(after.store, [json.dumps({"event": "Kommt am Sonntag alle"})])
    assert quoted(after.store, lines) == []
