"""The commands of docs/runbook.md work as they stand there."""

import re
import shlex
from pathlib import Path

from aufruf.cli import main

RUNBOOK = Path(__file__).resolve().parents[3] / "docs" / "runbook.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_every_command_of_the_runbook_works(after, tmp_path, monkeypatch, capfd):
    """In the order in which they stand, with two versions and a post that nobody has read yet."""
    after.register_again()
    after.posts("Kommt am Samstag alle zum Infostand!")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUFRUF_HOME", str(after.settings.home))
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    assert main(["promote", "--version", "2"]) == 0  # so that there is a version to go back to
    commands = [
        shlex.split(line, comments=True)
        for block in BLOCK.findall(RUNBOOK.read_text("utf-8"))
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(commands) > 12
    for command in commands:
        assert command[0] == "aufruf"
        code = main(command[1:])
        said = capfd.readouterr()
        assert code == 0, (command, said.err)
        assert said.out.strip(), command
