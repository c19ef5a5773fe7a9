"""The command line as other programs rely on it: commands, exit codes, one object on standard output."""

import argparse
import errno
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import aufruf as package
from aufruf.cli import _function, parser
from aufruf.schemas import TABLES
from aufruf.store import Store

CONTRACT = "ingest label split sweep train evaluate promote score explain report status night up down sample"


def subcommands() -> dict[str, argparse.ArgumentParser]:
    [choices] = [action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(choices.choices)


def options(command: str) -> set[str]:
    return {option for action in subcommands()[command]._actions for option in action.option_strings}


def test_help_lists_every_command(aufruf):
    """``aufruf --help`` names every command of the contract with a line of its own."""
    told = aufruf("--help")
    listed = {line.split()[0] for line in told.out.splitlines() if line.startswith("    ")}
    assert told.code == 0
    assert set(CONTRACT.split()) <= listed


@pytest.mark.parametrize("command", CONTRACT.split())
def test_every_command_takes_the_common_options(command):
    """Each command takes --classifier, --home and --json; the four that train or explain take --preset."""
    assert {"--classifier", "--home", "--json"} <= options(command)
    assert ("--preset" in options(command)) or command not in {"night", "sweep", "train", "explain"}


@pytest.mark.parametrize(
    ("command", "option"), [("sweep", "--trials"), *((c, "--model") for c in ("evaluate", "score"))]
)
def test_options_of_single_commands(command, option):
    """The options that the contract gives single commands are there."""
    assert option in options(command)


@pytest.mark.parametrize("command", [one for one in subcommands() if one not in {"up", "down", "demo"}])
def test_every_command_has_its_step(command):
    """A command is the function of the same name in the module of the same name."""
    assert callable(_function(f"aufruf.steps.{command}", command))


def test_the_version_is_printed(aufruf):
    """``aufruf --version`` prints the package's version."""
    assert aufruf("--version").out.strip() == package.__version__


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--nonsense"], ["label", "--nonsense"], ["dance"], [], ["sample"], ["sweep", "--trials", "many"]),
        *(["label", "--js"], ["label", "--home="], ["label", "--classifier", " "], ["explain", ""], ["ingest", ""]),
        *(["quarantine", "show", ""], ["sample", ""]),
    ],
    ids=" ".join,
)
def test_an_unknown_option_is_wrong_usage(aufruf, arguments):
    """What the command line cannot read is answered with the usage, on standard error, and exit code 2.

    Nor does it read an option cut short, or something empty, where it asks for a name, a file or a text.
    """
    told = aufruf(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "usage: aufruf" in told.err


def test_an_unknown_option_is_told_with_the_usage_of_its_command(aufruf):
    """Not with that of ``aufruf``, which names no option."""
    told = aufruf("label", "--trials", "1")
    assert told.err.startswith("usage: aufruf label ")
    assert told.err.endswith("aufruf: unrecognized arguments: --trials 1. `aufruf label --help` says what there is.\n")


def test_wrong_usage_is_an_object_too(aufruf):
    """With --json the failure is one object on standard output, whatever the command line was."""
    told = aufruf("dance", "--json")
    assert told.code == 2
    assert json.loads(told.out)["error"]["type"] == "UsageError"


def test_a_night_that_ends_early_tells_what_it_has_done(aufruf, tmp_path):
    """Without a single label a night fails; its object still has what was taken in, and what was refused."""
    inbox = tmp_path / "home" / "inbox" / "posts"
    inbox.mkdir(parents=True)
    (inbox / "notes.json").write_text('{"a": 1}', "utf-8")
    os.utime(inbox / "notes.json", (1, 1))  # nobody is writing it any longer
    told = aufruf("night", "--json")
    found = json.loads(told.out)
    assert (told.code, found["error"]["type"]) == (1, "NothingYet")
    assert [(one["file"], one["status"]) for one in found["ingest"]["files"]] == [("notes.json", "refused")]
    assert "ingest" in aufruf("night").out


@pytest.mark.parametrize(
    ("failure", "code", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), 1, "AufrufError"),
        (KeyboardInterrupt(), 130, "Interrupted"),
        (LookupError("x"), 1, "AufrufError"),
    ],
)
def test_a_night_that_is_cut_off_tells_what_it_has_done(aufruf, monkeypatch, failure, code, kind):
    """A full disk, Ctrl-C or a fault of ours in the middle: the object has the steps before it, and the error."""
    steps = importlib.import_module("aufruf.steps.night")

    def cut_off(settings, classifier):
        raise failure

    def promote(settings, classifier):
        return {"verdict": "kept"}

    monkeypatch.setattr(steps, "_LEARN", (promote,))
    monkeypatch.setattr(steps, "score", cut_off)
    told = aufruf("night", "--json")
    assert (told.code, told.json["error"]["type"]) == (code, kind)
    assert list(told.json) == ["ingest", "promote", "error"]


def test_half_a_character_is_no_text(aufruf):
    """A text that no encoding can write is wrong usage."""
    told = aufruf("explain", "Geht w\udce4hlen", "--json")
    assert told.code == 2


@pytest.mark.parametrize("command", subcommands())
def test_an_unknown_classifier_is_wrong_usage(aufruf, command):
    """Every command, one that knows none included, answers an unknown classifier with the nearest one and an object."""
    needed = ["x"] if command in {"why", "forget", "backup", "restore", "sample"} else []
    told = aufruf(command, *needed, "--classifier", "call_to_acton", "--json")
    assert (told.code, told.json["error"]["type"]) == (2, "UsageError")
    assert told.json["error"]["next"] == "Did you mean 'call_to_action'?"
    assert told.err == "aufruf: there is no classifier 'call_to_acton'. Did you mean 'call_to_action'?\n"


def test_the_status_of_several_classifiers(aufruf, write_classifier):
    """Without --classifier each has its own object; with it there is the one; a single classifier has no wrapping."""
    alone = aufruf("status", "--json").json
    folder = write_classifier()
    (folder / "negative.toml").write_text((folder / "call_to_action.toml").read_text("utf-8"), "utf-8")
    both = aufruf("status", "--json").json["classifiers"]
    assert both["call_to_action"] == alone == aufruf("status", "--json", "--classifier", "call_to_action").json
    assert [both[name]["classifier"] for name in ("call_to_action", "negative")] == ["call_to_action", "negative"]
    told = aufruf("status").out
    assert [line for line in told.splitlines() if line.endswith(":")] == ["call_to_action:", "negative:"]


def test_a_home_that_a_command_makes_is_private(aufruf, tmp_path):
    """It holds what people wrote; looking makes none, and one that is there keeps its mode."""
    (tmp_path / "posts.csv").write_text("id,body\n1,Hallo\n", "utf-8")
    assert aufruf("status").code == 0
    assert not (tmp_path / "home").exists()
    told = aufruf("ingest", "posts.csv", "--columns", "post_id=id,text=body")
    assert told.code == 0, told.err
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    (tmp_path / "home").chmod(0o750)
    aufruf("ingest", "posts.csv", "--columns", "post_id=id,text=body")
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o750


def test_a_stack_elsewhere_is_not_down(aufruf, monkeypatch):
    """Where the environment says where the pages are, and nothing was started here, nobody is told to start it."""
    assert "down (`aufruf up`" in aufruf("status").out
    monkeypatch.setenv("AUFRUF_PAGES_URL", "http://airflow.example/aufruf/classifiers")
    monkeypatch.setenv("AUFRUF_MLFLOW_URL", "http://mlflow.example")
    assert (
        "stack     runs elsewhere: pages http://airflow.example/aufruf/classifiers, mlflow http://mlflow.example"
        in (aufruf("status").out)
    )


def test_the_inbox_is_everybodys_for_ingest_too(aufruf, tmp_path, write_classifier, fill_inbox):
    """``ingest --classifier A`` stores the inbox's votes for all; a file that is named counts for A alone."""
    zwei = write_classifier("zwei") / "zwei.toml"
    zwei.write_text(zwei.read_text("utf-8").replace("Call to Action", "Andere Frage"), "utf-8")
    inbox = tmp_path / "home" / "inbox" / "annotations"
    fill_inbox(tmp_path / "home", 20)
    drei = write_classifier("drei", "unknown = 1\n") / "drei.toml"
    told = aufruf("ingest", "--classifier", "zwei", "--json")
    assert (told.code, told.json["annotations"] > 0, "drei.toml" in told.json["error"]["what"]) == (3, True, True)
    assert [*inbox.iterdir()]
    drei.unlink()
    assert aufruf("ingest", "--classifier", "zwei").code == 0
    assert not [path for path in inbox.iterdir() if path.is_file()]
    (tmp_path / "votes.csv").write_text(GOOD)
    told = aufruf("ingest", "--classifier", "zwei", "votes.csv", "--columns", COLUMNS, "--json")
    assert told.json["files"][0]["annotations"] == 2
    votes = Store(str(tmp_path / "home" / "lake")).read("annotations")
    assert votes["classifier"].value_counts()["zwei"] == 2
    assert votes["classifier"].value_counts()["call_to_action"] > 2


@pytest.mark.parametrize("command", ["label", "train", "status"])
def test_a_misspelt_key_is_wrong_usage(aufruf, write_classifier, command):
    """A misspelt key in the classifier file ends every command with exit code 2 and names file, key and nearest key."""
    write_classifier(extra="\n[scorring]\nthreshold = 0.5\n")
    told = aufruf(command, "--json")
    assert (told.code, told.json["error"]["where"]) == (2, "call_to_action.toml")
    assert told.json["error"]["what"] == "unknown key 'scorring'"
    assert told.json["error"]["next"] == "Did you mean 'scoring'?"


@pytest.mark.parametrize(
    "arguments",
    [
        ["sweep", "--trials", "0"],
        ["sweep", "--trials", "-3"],
        ["train", "--preset", "dmeo"],
        ["ingest", "nowhere.csv"],
        ["ingest", "."],
        ["ingest", "--columns", "text"],
        ["ingest", "x.csv", "--columns", "text=a,label"],
        ["quarantine", "--mended", "rows.ndjson"],
        ["quarantine", "ingest", "a.csv", "--mended", "rows.ndjson"],
        ["quarantine", "--out", "rows.ndjson"],
        ["backup", "nowhere/a.tar"],
        ["split", "--folds", "1"],
        ["split", "--folds", "5", "--out", "folds.xlsx"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant_is_wrong_usage(aufruf, arguments):
    """Values that cannot be meant are refused before anything is done: exit code 2, one sentence, nothing made."""
    told = aufruf(*arguments)
    assert (told.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith("aufruf: ")
    assert not Path("home").exists()


def test_several_classifiers_must_be_chosen_from(aufruf, write_classifier):
    """With two classifier files a command that needs one lists them."""
    write_classifier("types")
    told = aufruf("label")
    assert (told.code, "call_to_action, types" in told.err) == (2, True)


@pytest.mark.parametrize("command", ["split", "sweep", "train"])
def test_a_step_that_comes_too_early_says_so(aufruf, command):
    """On an empty home: exit code 1, NothingYet, and the commands that come first."""
    told = aufruf(command, "--json")
    assert (told.code, told.json["error"]["type"]) == (1, "NothingYet")
    assert "aufruf ingest" in told.json["error"]["next"] or "Ingest" in told.json["error"]["next"]


def test_nothing_to_do_is_done(aufruf):
    """A step that finds nothing to do says so and exits 0."""
    told = aufruf("ingest", "--json")
    assert (told.code, told.json["files"], told.json["status"]) == (0, [], "nothing to do")
    assert aufruf("ingest").out == "nothing to ingest: the inbox is empty\n"


GOOD = "id,body,mark,who\n1,Geht wählen,1,Ada\n2,Wir danken allen,0,Ada\n"
COLUMNS = "text_id=id,text=body,label=mark,annotator=who"
BAD = {
    "empty.csv": (b"", ()),
    "truncated.json": (b'[{"id": 1, "data": {"Text": "Geht w', ()),
    "latin1.csv": ("id,body,mark,who\n1,Geht wählen,1,Ada\n".encode("latin-1"), ("--columns", COLUMNS)),
    "no_column.csv": (GOOD.encode(), ("--columns", COLUMNS.replace("body", "caption"))),
    "unknown.csv": (b"id,body\n7,Kommt alle zum Infostand\n", ()),
    "nothing_kept.csv": (b"id,body,mark,who\n1,Geht,vielleicht,Ada\n2,Kommt,hmm,Ada\n", ("--columns", COLUMNS)),
}


def versions(home: Path) -> dict[str, int | None]:
    """What is stored as good; ``files`` and ``quarantine`` are where refusals are kept."""
    store = Store(str(home / "lake"))
    return {table: store.version(table) for table in TABLES if table not in {"files", "quarantine"}}


@pytest.mark.parametrize("name", BAD)
def test_a_refused_file_changes_nothing(aufruf, tmp_path, name):
    """Exit code 3, one sentence that names the file, one object with what, where, next - and every table as it was."""
    (tmp_path / "good.csv").write_text(GOOD)
    assert aufruf("ingest", "good.csv", "--columns", COLUMNS).code == 0
    before = versions(tmp_path / "home")
    content, arguments = BAD[name]
    (tmp_path / name).write_bytes(content)
    told = aufruf("ingest", name, *arguments, "--json")
    assert told.code == 3
    assert set(told.json["error"]) == {"type", "what", "where", "next"}
    assert (told.json["error"]["type"], told.json["error"]["where"]) == ("DataRefused", name)
    assert len(told.json["error"]["what"]) > 20
    assert [(one["file"], one["status"], one["kept"]) for one in told.json["files"]] == [(name, "refused", 0)]
    lines = told.err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"aufruf: {name}: ")
    assert "Traceback" not in told.err
    assert versions(tmp_path / "home") == before


def test_a_refused_file_stops_no_other(aufruf, tmp_path):
    """Of two files one is refused: the other is taken, and the exit code still says 3."""
    (tmp_path / "good.csv").write_text(GOOD)
    (tmp_path / "bad.csv").write_bytes(b"")
    told = aufruf("ingest", "bad.csv", "good.csv", "--columns", COLUMNS, "--json")
    assert (told.code, [one["status"] for one in told.json["files"]]) == (3, ["refused", "new"])
    assert Store(str(tmp_path / "home" / "lake")).count("texts") == 2


def test_ingest_label_split_from_the_shell(aufruf, tmp_path):
    """Three commands take a file to a ledger; each object has its keys; without --json each is told in sentences."""
    rows = [f"{n},Kommt am {n}. Mai zum Infostand Nummer {n},{n % 2},Ada" for n in range(1, 31)]
    (tmp_path / "votes.csv").write_text("\n".join(["id,body,mark,who", *rows]))
    took = aufruf("ingest", "votes.csv", "--columns", COLUMNS, "--json").json
    assert set(took["files"][0]) >= {"file", "format", "kind", "rows", "kept", "refused", "status"}
    assert set(aufruf("label", "--json").json) >= {"labels", "ties", "too_few_votes", "alpha"}
    ledger = aufruf("split", "--json").json
    assert set(ledger) >= {"ledger_version", "train", "validation", "test", "groups", "added"}
    assert ledger["train"] + ledger["validation"] + ledger["test"] + ledger["set_aside"] == 30
    assert aufruf("split").out.endswith("0 added, 0 set aside\n")
    told = aufruf("status")
    assert (
        told.out.splitlines()[-1]
        == "next      Run `aufruf sweep` and `aufruf train`, or `aufruf night` for the whole chain."
    )
    assert not (tmp_path / "home" / "mlflow").exists()


def test_sample_writes_files(aufruf, tmp_path):
    """``aufruf sample DIR`` writes exports and names them; it needs no classifier and no home."""
    told = aufruf("sample", "exports", "--json")
    assert told.code == 0
    assert told.json["files"]
    assert {path.name for path in (tmp_path / "exports").iterdir()} == {Path(one).name for one in told.json["files"]}
    assert not (tmp_path / "home").exists()


def test_standard_output_holds_the_object_alone(aufruf, monkeypatch):
    """Whatever a library prints, in Python or below it, goes to standard error."""

    def loud(settings, classifier):
        print("a library prints")
        os.write(1, b"and one below Python too\n")
        subprocess.run([sys.executable, "-c", "print('and a child process')"], check=True)
        return {"labels": 0, "ties": 0, "too_few_votes": 0, "alpha": None}

    monkeypatch.setattr(importlib.import_module("aufruf.steps.label"), "label", loud)
    told = aufruf("label", "--json")
    assert told.json["labels"] == 0
    assert told.out.count("\n") == 1
    for words in ("a library prints", "and one below Python too", "and a child process"):
        assert words in told.err


def test_ctrl_c_is_no_traceback(aufruf, monkeypatch):
    """An interrupted command says so in one line and exits as shells expect."""

    def interrupted(settings, classifier):
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("aufruf.steps.label"), "label", interrupted)
    told = aufruf("label")
    assert (told.code, told.out, told.err) == (130, "", "aufruf: interrupted\n")
    told = aufruf("label", "--json")
    assert (told.code, told.json["error"]["type"]) == (130, "Interrupted")


def test_what_nobody_foresaw_is_an_object_too(aufruf, monkeypatch):
    """A fault of ours ends with one sentence, exit code 1 and an object; standard error has the trace."""

    def broken(settings, classifier):
        raise LookupError("no such\nthing")

    monkeypatch.setattr(importlib.import_module("aufruf.steps.label"), "label", broken)
    told = aufruf("label", "--json")
    assert (told.code, told.json["error"]["what"]) == (1, "LookupError: no such thing")
    assert "in broken" in told.err
    assert told.err.splitlines()[-1].startswith("aufruf: LookupError: no such thing. This is a fault of aufruf")


@pytest.mark.parametrize("name", ["AUFRUF_AIRFLOW_PORT", "MLFLOW_TRACKING_URI"])
def test_a_port_that_does_not_exist_is_wrong_usage(aufruf, monkeypatch, name):
    """One sentence that names the variable."""
    monkeypatch.setenv(name, {"AUFRUF_AIRFLOW_PORT": "99999"}.get(name, "http://127.0.0.1:99999"))
    told = aufruf("status", "--json")
    assert (told.code, name in told.json["error"]["what"]) == (2, True)


def shell(command: str, **more: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of a command that begins with ``aufruf``."""
    env = {**os.environ, **more}
    line = command.replace("aufruf", f"{sys.executable} -m aufruf.cli", 1)
    return subprocess.run(["sh", "-c", line], capture_output=True, text=True, encoding="utf-8", env=env, check=False)


def test_an_answer_that_cannot_be_written_is_said(aufruf):
    """On a full disk: exit code 1 and one sentence; a failure of the command keeps its own code."""
    for command, code in (("status", 1), ("label --classifier none", 2)):
        said = shell(f"aufruf {command} --json >/dev/full")
        assert (said.returncode, "Traceback" in said.stderr) == (code, False)
        assert "the answer could not be written: No space left on device" in said.stderr


def test_closed_streams_are_no_failure(aufruf):
    """Whoever has closed standard output or error wants none of it; nothing else is written there instead."""
    for closed in (">&-", "2>&-", ">&- 2>&-", "<&-"):
        said = shell(f"aufruf status --json {closed}")
        assert (said.returncode, said.stderr) == (0, ""), closed
        assert bool(said.stdout) is (">&-" not in closed.replace("2>&-", "")), closed


def test_the_home_option_wins(aufruf, tmp_path):
    """--home wins over AUFRUF_HOME."""
    assert aufruf("status", "--json", "--home", tmp_path / "elsewhere").json["home"] == str(tmp_path / "elsewhere")


def test_umlauts_are_written_as_they_are(aufruf):
    """The object is UTF-8, not escaped, whatever the terminal's encoding."""
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    command = [sys.executable, "-m", "aufruf.cli", "label", "--classifier", "Überblick", "--json"]
    ran = subprocess.run(command, capture_output=True, env=env, check=False)
    assert (ran.returncode, "Überblick" in ran.stdout.decode("utf-8")) == (2, True)
    ran = subprocess.run([*command[:-3], "--kürzer", "--json"], capture_output=True, env=env, check=False)
    assert (ran.returncode, "--kürzer" in json.loads(ran.stdout)["error"]["what"]) == (2, True)
