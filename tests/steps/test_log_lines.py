"""With AUFRUF_LOG=json a program can read what a command says on the way."""

import json

from aufruf.cli import main


def test_each_line_names_its_command_classifier_and_run(settings, fill_inbox, capfd, monkeypatch):
    """One object a line, one id for all of them; no post's text is in any."""
    fill_inbox(settings.home, 20)
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(settings.classifiers))
    monkeypatch.setenv("AUFRUF_LOG", "json")
    home = ["--home", str(settings.home), "--json"]
    assert main(["ingest", *home]) == 0
    capfd.readouterr()
    for command in ("label", "split", "sweep"):
        assert main([command, *home, *(["--trials", "1"] if command == "sweep" else [])]) == 0
    written = [line for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    lines = [json.loads(line) for line in written]
    assert {line["classifier"] for line in lines} == {"call_to_action"}
    assert {line["command"] for line in lines} >= {"sweep"}
    assert len({line["run"] for line in lines}) == len({line["command"] for line in lines})
    assert {"timestamp", "level", "logger", "event"} <= set(lines[0])
    assert not [line for line in written if "Infostand" in line or "Sonntag" in line]
