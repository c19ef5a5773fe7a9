"""Starting, finding and ending the stack's processes. Each carries a mark in its environment.

Airflow's components fork, rename and re-parent their workers, so neither a pid nor a process group finds them
all; the environment is inherited by every descendant.
"""

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import psutil

MARK = "AUFRUF_STACK"
_SAME_START = 1.0  # seconds: psutil derives start times from clock ticks since boot


def start(command: Sequence[str], env: Mapping[str, str], log: Path, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a component in a session of its own, so that a terminal's Ctrl-C does not reach it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def created(pid: int) -> float:
    """When the process started, in seconds since the epoch; 0 when it is gone."""
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def alive(pid: int, create_time: float) -> bool:
    """True when ``pid`` still is the process that started then, and not a later one or a zombie."""
    try:
        process = psutil.Process(pid)
        running = process.status() != psutil.STATUS_ZOMBIE
        return running and abs(process.create_time() - create_time) < _SAME_START
    except psutil.NoSuchProcess:
        return False


def marked(home: Path) -> list[psutil.Process]:
    """Every live process of the stack that belongs to ``home``, whoever its parent is.

    Airflow lets nobody but root read the environment of a process that runs a task, or has run one. Such a process is
    known by its session, which is that of the component it was forked from.
    """
    found, closed = [], []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            environment = process.environ()
            if environment.get(MARK) and environment.get("AUFRUF_HOME") == str(home):
                found.append(process)
        except psutil.AccessDenied:
            closed.append(process)
        except (psutil.NoSuchProcess, OSError):
            continue  # gone
    sessions = {_session(process) for process in found} - {0}
    return found + [process for process in closed if _session(process) in sessions]


def listening(home: Path, port: int) -> bool:
    """True when it is a process of ``home``, and of this user, that listens on the port."""
    for process in psutil.process_iter():
        try:
            ours = process.uids().real == os.getuid() and process.environ().get("AUFRUF_HOME") == str(home)
            heard = process.net_connections("tcp") if ours else []
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
        if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in heard):
            return True
    return False


def end(home: Path, patience: float = 10.0) -> int:
    """End every process of the stack of ``home``: ask, wait ``patience`` seconds, force. Returns how many."""
    ended: set[int] = set()
    for wait in (patience, 5.0, 5.0):  # again: something may have been born while we were looking
        group = marked(home)
        if not group:
            break
        ended |= {process.pid for process in group}
        _signal(group, signal.SIGTERM)
        _, stubborn = psutil.wait_procs(group, timeout=wait)
        _signal([*stubborn, *marked(home)], signal.SIGKILL)
        psutil.wait_procs([*stubborn, *marked(home)], timeout=5)
    return len(ended)


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all, also when the power fails."""
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)  # another's would keep its mode
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as sink:
        sink.write(text)
        sink.flush()
        os.fsync(sink.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # else the file's name is lost with the power
    finally:
        os.close(folder)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16_384))
        return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-lines:])


def _session(process: psutil.Process) -> int:
    """The number of a process's session; 0 when it is gone, or another user's, as what a task has started with sudo."""
    try:
        return os.getsid(process.pid) if process.uids().real == os.getuid() else 0
    except (psutil.NoSuchProcess, OSError):
        return 0


def _signal(processes: Iterable[psutil.Process], which: signal.Signals) -> None:
    for process in processes:
        try:
            process.send_signal(which)
        except psutil.NoSuchProcess:
            continue
