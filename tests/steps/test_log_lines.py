"""With AUFRUF_LOG=json a program can read what a command says on the way."""

import json

from transformers.utils import logging as transformers

from aufruf.cli import main


def test_each_line_names_its_command_classifier_and_run(settings, fill_inbox, capfd, monkeypatch):
    """One object a line and nothing else, one id for all of them; no post's text is in any."""
    fill_inbox(settings.home, 20)
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(settings.classifiers))
    monkeypatch.setenv("AUFRUF_LOG", "json")
    home = ["--home", str(settings.home), "--json"]
    transformers.disable_progress_bar()  # as the command does, where the library is not there before it
    assert main(["ingest", *home]) == 0
    capfd.readouterr()
    for command in ("label", "split", "sweep"):
        assert main([command, *home, *(["--trials", "1"] if command == "sweep" else [])]) == 0
    written = capfd.readouterr().err.splitlines()
    lines = [json.loads(line) for line in written]
    assert {line["classifier"] for line in lines} == {"call_to_action"}
    assert {line["command"] for line in lines} >= {"sweep"}
    assert len({line["run"] for line in lines}) == len({line["command"] for line in lines})
    assert {"timestamp", "level", "logger", "event"} <= set(lines[0])
    assert not [line for line in written if "Infostand" in line or "Sonntag" in line]


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
