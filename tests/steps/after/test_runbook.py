"""The commands of docs/runbook.md work as they stand there, and what it quotes is what the program says."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from aufruf.cli import main

CHECKOUT = Path(__file__).resolve().parents[3]
RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text("utf-8")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.findall(r'\*\*"([^"]+)"\*\*', RUNBOOK)
INLINE = re.findall(
    r"`((?:aufruf|make|docker|airflow|mlflow) [^`]+)`", re.sub(r"^```.*?^```", "", RUNBOOK, flags=re.M | re.S)
)
HERE = {
    "instagram:CyMAe_tufcR:caption": "new:0:caption",
    "some_account": "ada",
    "7": "2",
}  # what the examples stand for
ELSEWHERE = {  # why no test here runs it
    "aufruf up": "test_in_the_stack_itself.py runs it",
    "make clean install": "would take away what runs this: tests/deploy has `make clean` with stand-ins",
    "make compose-...": "stands for two others",
    "make compose-up": "needs containers: tests/cluster has processes in their place",
    "docker compose -f docker/compose.yaml ps": "needs containers",
    "docker compose -f docker/compose.yaml restart scheduler": "needs containers",
    "docker compose -f docker/compose.yaml exec scheduler /opt/aufruf/docker/entrypoint.sh airflow db clean "
    "--clean-before-timestamp 2026-01-01 --skip-archive": "tests/airflow/test_history.py runs it without containers",
    "docker compose -f docker/compose.yaml exec worker find /var/lib/aufruf/airflow/logs -type f "
    "! -newermt 2026-01-01 -delete": "the same",
}


def test_every_command_of_the_runbook_works(after, tmp_path, monkeypatch, capfd):
    """In the order in which they stand, with two versions, a post that nobody has read yet and a refused vote.

    Those within sentences come first.
    """
    after.register_again()
    after.posts("Kommt am Samstag alle zum Infostand!")
    (tmp_path / "votes.csv").write_text("words,answer\nKommt zum Infostand,vielleicht\nEin Tag im Mai,False\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AUFRUF_HOME", str(after.settings.home))
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    assert main(["promote", "--version", "2"]) == 0  # so that there is a version to go back to
    shutil.rmtree(after.settings.home / "bundles")
    within = [line for line in dict.fromkeys(INLINE) if line not in ELSEWHERE]
    assert {"aufruf down", "aufruf ingest votes.csv --columns text=words,label=answer"} <= set(within)
    lines = [line for block in BLOCK.findall(RUNBOOK) for line in block.splitlines() if line.strip()]
    assert len(lines) > 18
    capfd.readouterr()
    for line in (*within, *lines):
        command = words(line)
        assert command[0] == "aufruf"
        code = main(command[1:])
        said = capfd.readouterr()
        refuses = command[1] == "ingest"  # the one row of votes.csv that is to be mended
        assert (code == 0) or (refuses and code == 3), (command, said.err)
        assert said.out.strip(), command
        if "show" in command:
            mend(Path(command[-1]))
        if "--mended" in command:
            assert said.out.startswith("1 row taken in")


def words(line: str) -> list[str]:
    """A line as a shell takes it apart, with what there is here in the place of its examples."""
    asked = ["bash", "-c", f"printf '%s\\0' {line}"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split("\0")[:-1]
    archives = [path.name for path in Path().glob("night-*.tar")]
    return [archives[0] if word.endswith(".tar") and archives else HERE.get(word, word) for word in told]


def test_what_is_run_elsewhere_is_on_the_page():
    """Each command that is not run here stands in the runbook."""
    assert set(ELSEWHERE) <= set(INLINE)


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
