import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from aufruf import stack
from aufruf.errors import StackError
from aufruf.settings import Settings
from aufruf.stack import processes

UP = "from aufruf import stack; from aufruf.settings import Settings; stack.up(Settings.load())"


@pytest.fixture
def place(tmp_path: Path, environment: Callable[[Path], dict[str, str]]) -> Settings:
    return Settings.load(env=environment(tmp_path / "home"))


@pytest.mark.parametrize(
    ("field", "name"), [("airflow_port", "AUFRUF_AIRFLOW_PORT"), ("mlflow_port", "AUFRUF_MLFLOW_PORT")]
)
def test_a_taken_port_is_named_with_the_setting_that_changes_it(place: Settings, field: str, name: str) -> None:
    """Before anything is started, the message names the port and the environment variable."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port}: .*Set {name} to a free port"):
            stack.up(replace(place, **{field: port}))
    assert processes.marked(place.home) == []


def test_a_home_without_dag_files_beside_it_is_refused(place: Settings, tmp_path: Path) -> None:
    """Outside the checkout the message names the variable that says where the DAG files are."""
    with pytest.raises(StackError, match="AUFRUF_DAGS"):
        stack.up(replace(place, classifiers=tmp_path / "elsewhere" / "classifiers"))


def test_two_starts_at_once_are_one_too_many(place: Settings) -> None:
    """While one process brings the stack up, another is told to wait."""
    place.home.mkdir()
    with (place.home / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StackError, match="being started right now"):
            stack.up(place)


def test_a_state_left_by_a_crash_is_not_a_running_stack(place: Settings) -> None:
    """A pid that meanwhile belongs to another process, or a torn file, does not count; down tidies it away."""
    place.home.mkdir()
    state = place.home / "stack.json"
    stale = {"pid": os.getpid(), "started": processes.created(os.getpid()) - 60}
    for text in (json.dumps({"ready": True, "preset": None, "components": {"scheduler": stale}}), '{"rea'):
        state.write_text(text, encoding="utf-8")
        assert stack.state.running(place) is None
    assert stack.down(place) == {"status": "was not up", "processes": 0}
    assert not state.exists()


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_start_leaves_nothing(
    tmp_path: Path, environment: Callable[[Path], dict[str, str]], which: signal.Signals
) -> None:
    """Ctrl-C while components start ends them all, and the state file goes."""
    home = tmp_path / "home"
    heard = partial(signal.signal, which, signal.SIG_DFL)
    # a shell that runs the tests in the background lets them ignore Ctrl-C, and what they start as well
    starting = subprocess.Popen([sys.executable, "-c", UP], env=environment(home), preexec_fn=heard)
    end = time.monotonic() + 60
    while not processes.marked(home):
        assert starting.poll() is None, "it ended before it started anything"
        assert time.monotonic() < end
        time.sleep(0.1)
    starting.send_signal(which)
    assert starting.wait(timeout=60) != 0
    assert processes.marked(home) == []
    assert not (home / "stack.json").exists()


def test_a_component_that_does_not_start_says_why(
    tmp_path: Path, environment: Callable[[Path], dict[str, str]]
) -> None:
    """The message carries the end of the failing component's log, and nothing is left running."""
    home = tmp_path / "home"
    (home / "airflow" / "airflow.db").mkdir(parents=True)  # a folder where the database should be
    done = subprocess.run(
        [sys.executable, "-c", UP], env=environment(home), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode != 0
    assert "`airflow db migrate` failed" in done.stderr
    assert "unable to open database file" in done.stderr.rpartition("Its log ends:")[2]
    assert processes.marked(home) == []
