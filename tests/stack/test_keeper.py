"""What ends is started again; what never came up is not, and who is told to end ends."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from aufruf.stack import keeper

SLEEPS = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


@pytest.fixture
def kept():
    """``kept(steady, *command)``: a keeper at work, ended after the test."""
    started: list[subprocess.Popen[str]] = []

    def start(steady: float, *command: str) -> subprocess.Popen[str]:
        call = [sys.executable, "-P", str(Path(keeper.__file__)), str(steady), "0.1", "part.log", *command]
        started.append(subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def child_of(process: subprocess.Popen[str]) -> psutil.Process:
    [child] = psutil.Process(process.pid).children()
    return child


def test_what_ends_is_started_again(kept):
    """Killed twice, it is there a third time; the log says so."""
    process = kept(0, *SLEEPS)
    seen = []
    for _ in range(3):
        assert process.stdout.readline() == "here\n"
        seen.append(child_of(process).pid)
        child_of(process).kill()
    assert len(set(seen)) == 3
    assert process.stderr.readline() == "part ended with -9; it is started again in 0 s\n"


@pytest.mark.parametrize(("command", "code"), [(["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137)])
def test_what_never_came_up_is_not_tried_again(kept, command, code):
    """Who waits for it learns at once, and its exit code."""
    process = kept(30, *command)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (code, "")


def test_who_is_told_to_end_ends_with_the_component(kept):
    """Also between two starts: nothing is started any more."""
    process = kept(0, *SLEEPS)
    process.stdout.readline()
    child = child_of(process)
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    restless = kept(0, "sh", "-c", "exit 1")
    time.sleep(0.5)
    restless.terminate()
    assert restless.wait(timeout=30) == 0


def test_a_log_does_not_grow_without_end(tmp_path):
    """A large one becomes the one before, while it is written to; a small one stays as it is."""
    log, before = tmp_path / "part.log", tmp_path / "part.log.1"
    with log.open("ab", buffering=0) as writer:
        for line, found in ((b"first\n", []), (b"second\n", [b"first\nsecond\n"]), (b"third\n", [b"first\nsecond\n"])):
            writer.write(line)
            keeper.cut(log, largest=10)
            assert [path.read_bytes() for path in (before,) if path.exists()] == found
    assert log.read_bytes() == b"third\n"
    keeper.cut(tmp_path / "not there")


def test_the_log_is_looked_at_while_the_component_runs(tmp_path):
    """Again and again: neither its end nor the keeper's is waited for."""
    log = tmp_path / "part.log"
    log.write_bytes(b"x" * 100)
    code = (
        "import sys; from pathlib import Path; from aufruf.stack import keeper; "
        "keeper._EVERY, keeper.cut.__defaults__ = 0.1, (10,); "
        "keeper.keep(0, 1, Path(sys.argv[1]), ['sleep', '60'])"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(log)])
    end = time.monotonic() + 20
    while log.stat().st_size and time.monotonic() < end:
        time.sleep(0.05)
    process.terminate()
    assert process.wait(timeout=30) == 0
    assert (log.stat().st_size, (tmp_path / "part.log.1").stat().st_size) == (0, 100)
