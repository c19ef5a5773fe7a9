"""Whoever waits for a lease goes on when it is given back or its holder dies, and not for ever when that is frozen."""

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread, Timer

import pytest
from tests.sessions import dropped, ended_waiting, unreachable

from aufruf.errors import AufrufError, LeaseLost
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
    """A restart drops the lease: its holder takes it again, unless another has it by now.

    An outage is waited out, but by who must be certain.
    """
    database = DatabaseLeases(studies_url)
    with held(database, "train-calls", "waiting") as mine:
        mine.keep()
        dropped(studies_url)
        assert not database.busy("train-calls")
        with monkeypatch.context() as away, caplog.at_level(logging.WARNING):
            away.setattr(DatabaseLeases, "_connect", unreachable)
            mine.keep()
            with pytest.raises(LeaseLost, match="train-calls is still held cannot be asked: the studies cannot be"):
                mine.keep(certain=True)
        assert caplog.text.count("cannot be asked: the studies cannot be reached") == 1
        mine.keep(certain=True)
        assert database.take("train-calls") is None
        dropped(studies_url)
        other = database.take("train-calls")
        with pytest.raises(LeaseLost, match="train-calls, and it is held by another by now"):
            mine.keep()
    assert other
    assert other.lives()
    other()


@pytest.mark.parametrize("ask", [DatabaseLeases.take, DatabaseLeases.busy])
def test_a_session_that_breaks_while_it_asks_is_said_and_closed(studies_url, monkeypatch, ask):
    """Not only connecting can fail: the failure says where, and no connection is left open."""
    connect, opened = DatabaseLeases._connect, []

    def broken(self):
        opened.append(connect(self))
        dropped(studies_url)
        return opened[-1]

    with monkeypatch.context() as breaking:
        breaking.setattr(DatabaseLeases, "_connect", broken)
        with pytest.raises(AufrufError, match=r"the studies cannot be reached: .*terminat.*mend AUFRUF_STUDIES"):
            ask(DatabaseLeases(studies_url), "train-calls")
    assert [one.closed for one in opened] == [True]


def test_who_waits_for_a_lease_notices_that_the_database_has_gone(studies_url):
    """The wait ends with a failure that says so; the next try waits anew."""
    database = DatabaseLeases(studies_url)
    release = database.take("a file")
    assert release

    def drop():
        while not ended_waiting(studies_url):
            time.sleep(0.05)

    dropping = Thread(target=drop)
    dropping.start()
    with pytest.raises(AufrufError, match="the studies cannot be reached"):
        database.take("a file", wait=True)
    dropping.join()
    release()
    assert database.take("a file", wait=True)
