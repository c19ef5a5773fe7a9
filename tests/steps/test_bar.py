"""What whoever waits for a scoring sees: how much is done, how fast it goes, and how long it will take."""

import pytest
from tqdm import std

from aufruf.steps.score import _bar


def test_the_bar_shows_rate_and_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A quarter of 200,000 texts in ten seconds are 5,000 a second; the rest takes half a minute."""
    passed = [0.0]
    monkeypatch.setattr(std, "time", lambda: passed[0])
    with _bar({"waiting": 200_000}) as bar:
        passed[0] = 10.0
        bar.update(50_000)
    shown = capsys.readouterr().err
    for fact in ("score:", "25%", "50000/200000", "00:10<00:30", "5000.00 texts/s"):
        assert fact in shown


def test_few_texts_have_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    """A night's handful is done before anybody has read it."""
    with _bar({"waiting": 1}) as bar:
        bar.update(1)
    assert capsys.readouterr().err == ""
