"""Whoever waits for a lease goes on when it is given back or its holder dies, and not for ever when that is frozen."""

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest
from sqlalchemy import create_engine, text

from aufruf.errors import AufrufError
from aufruf.model import leases
from aufruf.model.leases import DatabaseLeases, FileLeases, held

HOLDER = """
import sys, time
from pathlib import Path
from aufruf.model.leases import FileLeases
FileLeases(Path(sys.argv[1])).take("train-calls")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the lease train-calls."""
    started = subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True)
    with started:
        assert started.stdout
        assert started.stdout.readline() == "held\n"
        yield started
        started.kill()


def test_a_frozen_holder_is_given_up_and_named(tmp_path, holder):
    """A stopped process gives nothing back: after the hours an error says which one it is."""
    os.kill(holder.pid, signal.SIGSTOP)
    told = f"train-calls has been held by process {holder.pid} on {socket.gethostname()} for more than 0.0001 hours"
    with pytest.raises(AufrufError, match=told), held(FileLeases(tmp_path), "train-calls", "waiting", 0.0001):
        pytest.fail("it is held by another")


def test_a_killed_holder_is_noticed(tmp_path, holder):
    """kill -9 of the holder, even of a frozen one, while somebody waits: the wait is over."""
    os.kill(holder.pid, signal.SIGSTOP)
    Timer(0.5, holder.kill).start()
    with held(FileLeases(tmp_path), "train-calls", "waiting", 0.01):
        assert FileLeases(tmp_path).holder("train-calls") == f"process {os.getpid()} on {socket.gethostname()}"


def test_what_is_given_back_is_taken(tmp_path, caplog, monkeypatch):
    """Given back while somebody waits, it is theirs; meanwhile the log says now and then who holds it."""
    monkeypatch.setattr(leases, "_TOLD", 0.3)
    at = FileLeases(tmp_path)
    release = at.take("train-calls")
    Timer(1.0, release).start()
    with caplog.at_level(logging.WARNING), held(at, "train-calls", "calls is being trained elsewhere", 0.01):
        pass
    assert at.holder("train-calls") == ""
    line = f"calls is being trained elsewhere (held by process {os.getpid()} on {socket.gethostname()})"
    assert 2 <= [record.getMessage() for record in caplog.records].count(line) <= 5


def test_whether_somebody_holds_it_can_be_asked(tmp_path, holder, studies_url):
    """Of files and of the database; where nobody does, or the holder was killed, nothing is taken by asking."""
    at = FileLeases(tmp_path)
    assert (at.busy("train-calls"), at.busy("train-others")) == (True, False)
    holder.kill()
    holder.wait()
    assert not at.busy("train-calls")
    database = DatabaseLeases(studies_url)
    release = database.take("train-calls")
    assert release
    assert (database.busy("train-calls"), database.busy("train-others")) == (True, False)
    release()
    assert not database.busy("train-calls")


def test_a_full_disk_keeps_no_lease(tmp_path, monkeypatch):
    """The note on who holds it is only a note: without room for it a lease is held all the same, and given back.

    Given back it is free, also where the file cannot be removed.
    """

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "no space left")

    at = FileLeases(tmp_path)
    with monkeypatch.context() as disk:
        disk.setattr(os, "pwrite", full)
        release = at.take("train-calls")
    assert at.take("train-calls") is None
    with monkeypatch.context() as disk:
        disk.setattr(Path, "unlink", full)
        with pytest.raises(OSError, match="no space left"):
            release()
    assert at.take("train-calls")


def test_what_the_database_drops_is_taken_anew(studies_url, caplog, monkeypatch):
    """A restart drops the lease: its holder takes it again, unless another has it by now; an outage is waited out."""
    database = DatabaseLeases(studies_url)
    with held(database, "train-calls", "waiting") as mine:
        mine.keep()
        dropped(studies_url)
        assert not database.busy("train-calls")
        with monkeypatch.context() as away, caplog.at_level(logging.WARNING):
            away.setattr(DatabaseLeases, "_connect", unreachable)
            mine.keep()
        assert "cannot be asked: the studies cannot be reached" in caplog.text
        mine.keep()
        assert database.take("train-calls") is None
        dropped(studies_url)
        other = database.take("train-calls")
        with pytest.raises(AufrufError, match="train-calls is held by another by now"):
            mine.keep()
    assert other
    assert other.lives()
    other()


def dropped(url):
    """Every session of the database but this one is ended, as by a restart."""
    with create_engine(url, isolation_level="AUTOCOMMIT").connect() as admin:
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
        admin.execute(text(f"{ended} AND pid <> pg_backend_pid()"))


def unreachable(self):
    raise AufrufError("the studies cannot be reached", next="Start PostgreSQL.")
