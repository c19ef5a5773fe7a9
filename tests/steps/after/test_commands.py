"""The same steps from the shell, on a home where two nights have passed."""

import json
import logging

import pytest

from aufruf.cli import main

CONTRACT = {
    ("ingest",): {"files"},
    ("label",): {"labels", "ties", "too_few_votes", "alpha"},
    ("split",): {"ledger_version", "train", "validation", "test", "groups", "added"},
    ("sweep",): {"study", "trials", "pruned", "best", "best_value", "status"},
    ("train",): {"run_id", "model_version", "status"},
    ("evaluate",): {"model_version", "split", "n", "metrics"},
    ("evaluate", "--model", "champion"): {"model_version", "split", "n", "metrics"},
    ("promote",): {"verdict", "champion", "challenger", "difference", "reasons"},
    ("score",): {"model_version", "scored", "already_scored", "refused"},
    ("explain",): {"model_version", "explained", "seconds"},
    ("explain", "Geht wählen!"): {"label", "probabilities", "words", "fit", "stability"},
    ("explain", "--where", "party=none,label=call", "--dry-run"): {"model_version", "explained", "seconds", "status"},
    ("report",): {"path"},
    ("status",): {"champion", "challenger", "next"},
    ("monitor",): {"model_version", "texts", "moved"},
    ("queue", "--texts", "5"): {"model_version", "queued", "queue"},
}


@pytest.fixture
def shell(after, capfd, monkeypatch):
    """Run a command on the home; returns its exit code and standard output."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = main([*arguments, "--home", str(after.settings.home)])
        return code, capfd.readouterr().out

    yield run
    root.handlers[:] = handlers
    root.setLevel(level)


def test_every_object_has_its_keys(shell):
    """Each command exits 0 and prints one JSON object with at least the keys that other programs rely on."""
    for command, keys in CONTRACT.items():
        code, out = shell(*command, "--json")
        assert (code, command, keys - set(json.loads(out))) == (0, command, set())
        assert out.count("\n") == 1


def test_people_are_told_in_sentences(shell):
    """Without --json each command prints lines for people, and no braces."""
    for command in CONTRACT:
        code, out = shell(*command)
        assert (code, command) == (0, command)
        assert out.strip()
        assert "{" not in out


def test_the_objects_hold_no_post(shell, after):
    """No command prints the text of a stored post."""
    texts = [text for text in after.store.read("texts", columns=["text"])["text"] if len(text) > 40]
    assert len(texts) > 100
    for command in CONTRACT:
        _, out = shell(*command, "--json")
        assert [text for text in texts if text in out] == []


def test_refusals_have_their_exit_codes(shell):
    """A version that is not there is wrong usage (2)."""
    code, out = shell("score", "--model", "99", "--json")
    assert (code, json.loads(out)["error"]["type"]) == (2, "UsageError")
