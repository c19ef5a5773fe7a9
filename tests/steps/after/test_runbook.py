"""The commands of docs/runbook.md work as they stand there, and what it quotes is what the program says."""

import json
import re
import shlex
from pathlib import Path

import pytest

from aufruf.cli import main

CHECKOUT = Path(__file__).resolve().parents[3]
RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text("utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r'\*\*"([^"]+)"\*\*', RUNBOOK)
HERE = {
    "instagram:CyMAe_tufcR:caption": "new:0:caption",
    "some_account": "ada",
    "7": "2",
}  # what the examples stand for


def test_every_command_of_the_runbook_works(after, tmp_path, monkeypatch, capfd):
    """In the order in which they stand, with two versions, a post that nobody has read yet and a refused vote."""
    after.register_again()
    after.posts("Kommt am Samstag alle zum Infostand!")
    (tmp_path / "votes.csv").write_text("words,answer\nKommt zum Infostand,vielleicht\nEin Tag im Mai,False\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUFRUF_HOME", str(after.settings.home))
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    assert main(["ingest", "votes.csv", "--columns", "text=words,label=answer"]) == 0
    assert main(["promote", "--version", "2"]) == 0  # so that there is a version to go back to
    commands = [
        [HERE.get(word, word) for word in shlex.split(line, comments=True)]
        for block in BLOCK.findall(RUNBOOK)
        for line in block.splitlines()
        if line.strip()
    ]
    assert len(commands) > 16
    capfd.readouterr()
    for command in commands:
        assert command[0] == "aufruf"
        code = main(command[1:])
        said = capfd.readouterr()
        assert code == 0, (command, said.err)
        assert said.out.strip(), command
        if "show" in command:
            mend(Path(command[-1]))
        if "--mended" in command:
            assert said.out.startswith("1 rows taken in")


@pytest.mark.parametrize("phrase", QUOTED)
def test_what_the_runbook_quotes_is_said(phrase):
    """Whoever searches the page for what stands on the screen finds it."""
    sources = [*(CHECKOUT / "src").rglob("*.py"), *(CHECKOUT / "docker").glob("*.sh")]
    assert any(phrase in source.read_text("utf-8") for source in sources)


def test_the_runbook_quotes():
    """The pattern above finds the quotations."""
    assert len(QUOTED) > 5


def mend(file: Path) -> None:
    """What a person does: the one row that can be mended, mended, and no other."""
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    [line] = [line for line in lines if line["row"].get("answer") == "vielleicht"]
    line["row"]["answer"] = "False"
    file.write_text(json.dumps(line), "utf-8")
