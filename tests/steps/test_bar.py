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


@pytest.mark.parametrize(("seconds", "shown"), [(3.0, False), (30.0, True)])
def test_what_is_done_in_a_moment_has_no_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], seconds: float, shown: bool
) -> None:
    """It is the time that counts, not the number of texts: a large encoder on a CPU needs a minute for some hundred."""
    passed = [0.0]
    monkeypatch.setattr(std, "time", lambda: passed[0])
    with _bar({"waiting": 300}) as bar:
        for done in (100, 200):
            passed[0] += seconds / 2
            bar.update(done)
        bar.update(0)
    assert ("300/300" in capsys.readouterr().err) == shown
