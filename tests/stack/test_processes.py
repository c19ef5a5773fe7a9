import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from aufruf.stack import processes

ORPHAN = """
import os, signal, sys, time
if os.fork():
    sys.exit()                       # the parent goes: its child belongs to init now
os.setsid()                          # and to no group that anybody knows
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(sys.argv[2], "w").write(str(os.getpid()))
time.sleep(600)
"""

CLOSED = """
import ctypes, os, sys, time
told = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
if os.fork() == 0:
    if len(sys.argv) > 2:
        os.setuid(int(sys.argv[2]))
    ctypes.CDLL(None).prctl(4, 0, 0, 0, 0)  # PR_SET_DUMPABLE: so Airflow closes the process of a task
    os.write(told, str(os.getpid()).encode())
time.sleep(600)
"""
LIKE_ANYBODY = """
import ctypes, os, sys
for right in {*range(64)} - {7}:  # root's, after exec; of them one is to look into all processes, 7 to be another user
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
FINDS = """
import sys
from pathlib import Path
from aufruf.stack import processes
print(len(processes.marked(Path(sys.argv[1]))))
"""
ENDS = """
import sys
from pathlib import Path
from aufruf.stack import processes
print(processes.end(Path(sys.argv[1]), patience=1))
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    processes.end(tmp_path, patience=1)


def _start(home: Path, *command: str) -> subprocess.Popen[bytes]:
    env = {**os.environ, processes.MARK: "m", "AUFRUF_HOME": str(home)}
    return processes.start([sys.executable, *command], env, home / "logs" / "child.log", home)


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen within 20 s"
        time.sleep(0.05)


@pytest.mark.parametrize("manner", ["polite", "stubborn"])
def test_a_descendant_is_ended_wherever_it_went(home: Path, manner: str) -> None:
    """A re-parented process in its own session is found by its mark and ended, even when it ignores SIGTERM."""
    told = home / "pid"
    _start(home, "-c", ORPHAN, manner, str(told)).wait()
    _until(lambda: told.is_file() and told.read_text())
    pid = int(told.read_text())
    assert psutil.Process(pid).ppid() != os.getpid()
    assert processes.end(home, patience=1) == 1
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert processes.marked(home) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only there a process can be closed")
def test_a_task_that_lets_nobody_look_into_it_is_ended(home: Path) -> None:
    """Airflow closes the processes of tasks to all but root; they are found by the session of their component."""
    told = home / "pid"
    _start(home, "-c", LIKE_ANYBODY, "-c", CLOSED, str(told))
    _until(lambda: told.is_file() and told.read_text())
    command = [sys.executable, "-c", LIKE_ANYBODY, "-c", ENDS, str(home)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "2\n"
    pid = int(told.read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_what_a_task_has_started_for_another_user_is_not_ours(home: Path) -> None:
    """It shares the session and is closed, too, but could not be ended."""
    told = home / "pid"
    _start(home, "-c", LIKE_ANYBODY, "-c", CLOSED, str(told), "65534")
    _until(lambda: told.is_file() and told.read_text())
    command = [sys.executable, "-c", LIKE_ANYBODY, "-c", FINDS, str(home)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1\n"
    os.kill(int(told.read_text()), 9)


def test_the_stack_of_another_home_is_left_alone(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two installations on one machine do not end each other's processes."""
    other = tmp_path_factory.mktemp("other")
    neighbour = _start(other, "-c", "import time; time.sleep(600)")
    _until(lambda: processes.marked(other))
    assert processes.end(home, patience=1) == 0
    assert neighbour.poll() is None
    assert processes.end(other, patience=1) == 1


def test_a_pid_that_was_given_to_somebody_else_is_not_ours() -> None:
    """A process counts as the recorded one only with its start time."""
    mine = os.getpid()
    assert processes.alive(mine, processes.created(mine))
    assert not processes.alive(mine, processes.created(mine) - 60)
    assert not processes.alive(2**22 + 1, 0.0)


def test_a_log_ends_with_its_last_lines(tmp_path: Path) -> None:
    """The tail of a long log is short, of an absent one empty."""
    log = tmp_path / "x.log"
    log.write_text("\n".join(map(str, range(10_000))), encoding="utf-8")
    assert processes.tail(log, 3) == "9997\n9998\n9999"
    assert processes.tail(tmp_path / "absent.log") == ""


def test_a_private_file_is_its_owners_only(tmp_path: Path) -> None:
    """Secrets and the state are written with mode 0600, and overwritten whole."""
    for text in ("first and longer", "second"):
        processes.write_private(tmp_path / "secret", text)
    assert (tmp_path / "secret").read_text() == "second"
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


LISTEN = """
import socket, sys, time
with socket.socket() as ours:
    ours.bind(("127.0.0.1", 0))
    ours.listen()
    print(ours.getsockname()[1], flush=True)
    time.sleep(600)
"""


def test_a_port_is_ours_while_a_process_of_our_home_listens(
    home: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Not when it is one of another home, and no longer when ours has ended and somebody else is there."""
    ours = _start(home, "-c", LISTEN)
    _until(lambda: (home / "logs" / "child.log").read_text().endswith("\n"))
    port = int((home / "logs" / "child.log").read_text())
    assert processes.listening(home, port)
    assert not processes.listening(tmp_path_factory.mktemp("other"), port)
    ours.kill()
    ours.wait()
    with socket.socket() as foreign:
        foreign.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        foreign.bind(("127.0.0.1", port))
        foreign.listen()
        assert not processes.listening(home, port)
