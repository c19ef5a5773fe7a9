"""With AUFRUF_LOG=json a program can read what a command says on the way."""

import json
import os
import subprocess
import sys

import pytest
from transformers.utils import logging as transformers

from aufruf.cli import main
from aufruf.store import Store


def test_each_line_names_its_command_classifier_and_run(settings, fill_inbox, capfd, monkeypatch, quoted):
    """One object a line and nothing else, one id for all of them; no post's text is in any."""
    fill_inbox(settings.home, 20)
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(settings.classifiers))
    monkeypatch.setenv("AUFRUF_LOG", "json")
    home = ["--home", str(settings.home), "--json"]
    transformers.disable_progress_bar()  # as the command does, where the library is not there before it
    assert main(["ingest", *home]) == 0
    taken = capfd.readouterr().err.splitlines()
    for command in ("label", "split", "sweep"):
        assert main([command, *home, *(["--trials", "1"] if command == "sweep" else [])]) == 0
    written = capfd.readouterr().err.splitlines()
    lines = [json.loads(line) for line in written]
    assert {line["classifier"] for line in lines} == {"call_to_action"}
    assert {line["command"] for line in lines} >= {"sweep"}
    assert len({line["run"] for line in lines}) == len({line["command"] for line in lines})
    assert {"timestamp", "level", "logger", "event"} <= set(lines[0])
    assert quoted(Store(settings.lake), [*taken, *written]) == []


@pytest.mark.parametrize(("word", "shown"), [("json", False), ("", True)])
def test_a_bar_is_no_line(word, shown):
    """Where a program reads the lines there is no bar of progress among them."""
    script = "from aufruf import lines; lines.begin(); from tqdm import tqdm; list(tqdm(range(3)))"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TQDM_")}
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"AUFRUF_LOG": word},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("3/3" in ran.stderr) == shown


def test_a_failure_is_a_line_as_well(settings, capfd, monkeypatch):
    """It says what stands in the answer, and whose it is as far as that is known; else it is a sentence."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(settings.classifiers))
    for word, log in (("json", True), ("", False)):
        monkeypatch.setenv("AUFRUF_LOG", word)
        for command, name in ((["label", "--classifier", "nobody"], "nobody"), (["no-such-command"], "")):
            assert main([*command, "--home", str(settings.home), "--json"]) == 2
            said = capfd.readouterr()
            [*usage, line] = said.err.splitlines()
            assert usage == [] if log else len(usage) < 2
            what = json.loads(said.out)["error"]["what"]
            if not log:
                assert line.startswith("aufruf: ")
                assert what in line
                continue
            found = json.loads(line)
            assert (found["level"], found["classifier"]) == ("error", name)
            assert what in found["event"]
            assert found["run"]
