"""What commands say to a person who has just met them."""

import logging
from types import SimpleNamespace

import pytest

from aufruf import phrases
from aufruf.cli import main
from aufruf.model.watch import Watch


@pytest.mark.parametrize("result", [{"files": [], "rows": 0}, {"rows": []}])
def test_an_empty_quarantine_points_to_files_refused_whole(result):
    """Rows of a file that is refused whole are not in quarantine; who looks for them there is told."""
    [line] = phrases.told("quarantine", result)
    assert line.startswith("nothing is in quarantine; of a file that is refused whole no row is kept")


def test_one_is_not_many():
    """One row is no "1 rows"; of many the thousands are told apart."""
    entry = {"file": "0d20", "name": "a.csv", "format": "table", "why": []}
    assert phrases.told("quarantine", {"files": [{**entry, "rows": 1}]}) == ["0d20  a.csv (table): 1 row"]
    assert phrases.told("quarantine", {"rescued": 1, "rows": 2000}) == ["1 row taken in, 2000 still in quarantine"]
    assert phrases.told("queue", {"queued": 1200, "queue": "q", "why": {}}) == [
        "1,200 tasks written to q - nothing new"
    ]


def test_without_a_champion_nothing_is_kept():
    """A first version that the gate does not take is not promoted; beside a champion, which is kept, it says so."""
    result = {"verdict": "kept", "champion": None, "challenger": "1", "reasons": ["version 1 was not taken: F1 0.300"]}
    assert phrases.told("promote", result) == ["not promoted: version 1 was not taken: F1 0.300"]
    beside = {**result, "champion": "1", "reasons": ["kept version 1"]}
    assert phrases.told("promote", beside) == ["kept: kept version 1"]


HOSTILE = "Anna\x1b[31m\u202e"


@pytest.mark.parametrize(
    ("command", "result"),
    [
        ("promote", {"verdict": "kept", "champion": "1", "reasons": [f"party={HOSTILE} is below its floor"]}),
        ("anything else", {"who": HOSTILE}),
    ],
)
def test_what_a_file_says_does_not_steer_the_terminal(command, result):
    """A person's or a party's name may hold escape codes and signs that turn a line around: their codes are shown."""
    [line] = phrases.told(command, result)
    assert "Anna‹U+001B›[31m‹U+202E›" in line


def test_a_failure_does_not_steer_the_terminal(capfd):
    """Nor does the name of a file in the sentence on how a command failed."""
    assert main(["sample", f"/dev/null/{HOSTILE}"]) == 1
    assert "/dev/null/Anna‹U+001B›[31m‹U+202E›: Not a directory" in capfd.readouterr().err


def forgotten(status: str, **changed: object) -> list[str]:
    """What is told of an account of which there is nothing, but for what is ``changed``."""
    remains = {"ledger_rows": 0, "models": {}, "trainings": {}, "copies": 0}
    remains |= {key: [] for key in ("originals", "unopened", "artifacts", "unread", "file_names")}
    counts = ("texts", "annotations", "labels", "predictions", "explanations", "signatures", "quarantine", "past")
    pages = {key: [] for key in ("files_renamed", "pages_rewritten", "pages_deleted", "originals_deleted")}
    return phrases.told(
        "forget", {"status": status, "remains": remains, **dict.fromkeys(counts, 0), **pages, **changed}
    )


def test_an_account_that_is_not_here_may_be_misspelt():
    """Where no table, page or file has anything of an account, forget says to check the spelling."""
    [line] = forgotten("nothing to do")
    assert "nothing of this account is here; check the spelling" in line


def test_what_would_go_has_not_gone():
    """A dry run of forget says of pages and originals that they would be changed, and afterwards that they are."""
    some = {"files_renamed": ["a"], "pages_rewritten": ["b"], "pages_deleted": ["c"], "originals_deleted": ["d"]}
    assert forgotten("done", texts=3, explanations=1)[0] == "gone: 3 texts, 1 explanation"
    assert forgotten("would be done", texts=3, **some)[1:5] == [
        "1 name of files would be changed",
        "1 page would be written without them",
        "1 page would be deleted",
        "original would be deleted: d",
    ]
    assert forgotten("done", texts=3, **some)[1:5] == [
        "1 name of files changed",
        "1 page written without them",
        "1 page deleted",
        "original deleted: d",
    ]


def test_an_epoch_is_one_of_so_many(caplog):
    """The line on an epoch says how many are planned."""
    watch = Watch(None, SimpleNamespace(metric="f1", epochs=4, patience=2), "", 1, 0.0)
    with caplog.at_level(logging.INFO, "aufruf"):
        watch.epoch_done(1.0, {"eval_f1": 0.5, "eval_loss": 0.7})
    assert "epoch 1 of 4: loss" in caplog.text


def test_recall_of_no_positive_is_no_figure():
    """Where no test text is positive recall is a dash, and not 0; the calibration error has no interval."""
    figures = {name: {"value": 0.0, "low": 0.0, "high": 0.0} for name in ("precision", "recall")}
    result = {"model_version": "1", "n": 9, "split": "test", "metrics": figures, "baseline": figures}
    lines = phrases.told("evaluate", {**result, "positives": 0})
    assert "  recall             -  (no test text is positive)" in lines
    figures["calibration_error"] = {"value": 0.04, "low": 0.05, "high": 0.08}
    told = phrases.told("evaluate", {**result, "metrics": figures, "baseline": figures})
    assert "  calibration_error  0.040  (chance adds)   baseline 0.040" in told
    assert not any("(no test text" in line for line in phrases.told("evaluate", {**result, "positives": 1}))
