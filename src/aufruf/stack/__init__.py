"""The embedded stack: Airflow and the MLflow server on this machine, on loopback, with SQLite.

Each component has a keeper, which starts it again when it ends. ``home/stack.json`` (readable by its owner only) says
what runs: per component its keeper's pid and start time.
"""

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aufruf.classifier import names
from aufruf.errors import StackError
from aufruf.presets import preset_text
from aufruf.settings import Settings
from aufruf.stack import environment, keeper, processes, webhook
from aufruf.stack.api import Airflow
from aufruf.stack.state import as_started, running, state_file, unwell

SECONDS_TO_START = 240.0  # four Python processes that import Airflow, on two busy cores
_STEADY, _PAUSE = 60.0, 5.0  # seconds after which a component has come up, and before one that ended starts again

_AIRFLOW = {
    "api-server": ["api-server"],
    "scheduler": ["scheduler", "--skip-serve-logs"],  # its log server would listen on every interface
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}


def up(settings: Settings, preset: str | None = None) -> dict[str, Any]:
    """Start the stack and return once it is healthy: its URLs, its login, its components.

    Raises StackError when a port is taken, a component does not come up, or it runs with another preset, and
    UsageError when there is no such preset. A classifier file that cannot be scheduled is said, and holds up no other.
    After a failure, as after Ctrl-C, nothing of what was started is left.
    """
    preset = preset or settings.preset
    if preset:
        preset_text(preset)  # before anything is started: with a wrong one no DAG would ever be read
    with _one_at_a_time(settings):
        found = running(settings)
        if found:
            _same_preset(found, preset)
            return _answer(as_started(settings, found), found, "already up")
        processes.end(settings.home)  # what an earlier one left
        site = environment.Site(settings)
        _registry_shared(settings)
        _ports_free(settings)
        with interruptible():
            try:
                return _answer(settings, _Start(settings, site, preset).run(), "up")
            except BaseException:
                down(settings)
                raise


def down(settings: Settings) -> dict[str, Any]:
    """End every process of the stack, wherever it went, and say how many there were."""
    with _undisturbed():
        count = processes.end(settings.home)
    state_file(settings).unlink(missing_ok=True)
    return {"status": "down" if count else "was not up", "processes": count}


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP end the work as Ctrl-C does, so that it is cleaned up."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {which: signal.signal(which, interrupt) for which in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for which, handler in before.items():
            signal.signal(which, handler)


def say(line: str) -> None:
    """Progress, for people: standard error."""
    print(line, file=sys.stderr, flush=True)


class _Start:
    """One start of the stack."""

    def __init__(self, settings: Settings, site: environment.Site, preset: str | None) -> None:
        self.settings, self.site = settings, site
        self.logs = settings.home / "logs"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.began, self.since = time.monotonic(), datetime.now(UTC)
        mark = uuid.uuid4().hex
        ports = {"airflow_port": settings.airflow_port, "mlflow_port": settings.mlflow_port}
        self.state: dict[str, Any] = {"mark": mark, "preset": preset, "ports": ports, "ready": False, "components": {}}
        settings.home.mkdir(parents=True, exist_ok=True)
        settings.home.chmod(0o700)  # logs and databases hold what people wrote
        for folder in (settings.airflow, settings.mlflow, settings.inbox_annotations, settings.inbox_posts):
            folder.mkdir(parents=True, exist_ok=True)
        environment.password(settings)
        environment.webhook_secret(settings)
        self.airflow_env = environment.airflow_environment(settings, site, mark, preset)
        self.mlflow_env = environment.mlflow_environment(settings, site, mark)

    def run(self) -> dict[str, Any]:
        """Start everything, in the order in which one needs the other, and wait until it is well."""
        say(f"Starting the stack; its logs are in {self.logs}.")
        if self.settings.embedded_registry:
            self._start("mlflow", ["mlflow", "server"], self.mlflow_env)
        self._setup("db", "migrate")
        if self._ran("pools", "get", "gpu") != 0:  # whoever gave the pool more slots keeps them
            self._setup("pools", "import", str(self.site.pools))
        if slots := os.environ.get("AUFRUF_GPU_SLOTS"):
            self._setup("pools", "set", "gpu", slots, environment.GPU_POOL)
        for name, arguments in _AIRFLOW.items():
            self._start(name, ["airflow", *arguments], self.airflow_env)
        self._wait()
        if self.settings.embedded_registry and not self._registered():
            say("  MLflow took no webhook: a champion moved by hand is noticed by the next scoring.")
        self.state["ready"] = True
        self._save()
        return self.state

    def _start(self, name: str, command: list[str], env: dict[str, str]) -> None:
        log = self.logs / f"{name}.log"
        keep = [sys.executable, "-P", keeper.__file__, str(_STEADY), str(_PAUSE), str(log)]
        child = processes.start([*keep, *_python(command)], env, log, self.settings.airflow)
        self.children[name] = child
        self.state["components"][name] = {"pid": child.pid, "started": processes.created(child.pid)}
        self._save()

    def _setup(self, *arguments: str) -> None:
        """Run one command of Airflow to its end. Raises StackError when that is not a good one."""
        if self._ran(*arguments) != 0:
            raise _failed(f"`airflow {' '.join(arguments[:2])}` failed", self.logs / "setup.log")

    def _ran(self, *arguments: str) -> int:
        """The exit code of one command of Airflow. Raises StackError when it does not end."""
        log = self.logs / "setup.log"
        child = processes.start(_python(["airflow", *arguments]), self.airflow_env, log, self.settings.airflow)
        try:
            return child.wait(timeout=SECONDS_TO_START)
        except subprocess.TimeoutExpired:
            what = f"`airflow {' '.join(arguments[:2])}` has not ended after {SECONDS_TO_START:g} s"
            raise _failed(what, log) from None

    def _wait(self) -> None:
        airflow = Airflow(self.settings)
        told: list[str] = []
        while True:
            for name, child in self.children.items():
                if child.poll() is not None:
                    raise _failed(f"{name} ended with {child.returncode}", self.logs / f"{name}.log")
            missing = self._missing(airflow)
            if not missing:
                for refused in airflow.import_errors(self.since):
                    say(f"  Not scheduled: {refused}")
                say(f"The stack is up after {time.monotonic() - self.began:.0f} s.")
                return
            if time.monotonic() - self.began > SECONDS_TO_START:
                named = self.logs / f"{missing[0]}.log"
                raise _failed(
                    f"not there after {SECONDS_TO_START:.0f} s: {', '.join(missing)}",
                    named if named.is_file() else self.logs / "dag-processor.log",
                )
            if missing != told:
                say(f"  waiting for {', '.join(missing)}")
                told = missing
            time.sleep(1)

    def _missing(self, airflow: Airflow) -> list[str]:
        """What is not well yet: components first, then DAGs not read."""
        return unwell(self.settings, airflow) or [f"DAG {name}" for name in _unread(self.settings, airflow, self.since)]

    def _registered(self) -> bool:
        if not processes.listening(self.settings.home, self.settings.mlflow_port):
            return False
        urls = environment.urls(self.settings)
        return webhook.register(urls["mlflow"], urls["airflow"], environment.webhook_secret(self.settings))

    def _save(self) -> None:
        processes.write_private(state_file(self.settings), json.dumps(self.state, indent=1))


def _answer(settings: Settings, state: dict[str, Any], status: str) -> dict[str, Any]:
    return {
        "status": status,
        "urls": environment.urls(settings),
        "login": {"user": environment.USER, "password": environment.password(settings)},
        "preset": state["preset"],
        "components": {name: part["pid"] for name, part in state["components"].items()},
        "import_errors": Airflow(settings).import_errors(),
    }


def _python(command: list[str]) -> list[str]:
    return [sys.executable, "-P", "-m", *command]  # -P: the working folder is no place to import from


def _failed(what: str, log: Path) -> StackError:
    return StackError(what, where=str(log), next=f"Its log ends:\n{processes.tail(log)}")


def _unread(settings: Settings, airflow: Airflow, since: datetime) -> list[str]:
    """The DAGs that Airflow should find and has not read yet.

    A file that cannot be scheduled has none. Which one that is only Airflow knows (its cron, its zone, its name): the
    import error says so.
    """
    expected = {f"{name}.{verb}": name for name in names(settings) for verb in ("train", "score", "monitor")}
    missing = ({"ingest"} | expected.keys()) - airflow.dags()
    errors = airflow.import_errors(since) if missing else []
    refused = {name for name in expected.values() if any(line.startswith(f"{name}.toml: ") for line in errors)}
    return sorted(dag for dag in missing if expected.get(dag) not in refused)


def _same_preset(state: dict[str, Any], preset: str | None) -> None:
    if state["preset"] != preset:
        raise StackError(
            f"the stack is already up, with preset {state['preset'] or 'none'}, not {preset or 'none'}",
            next="Stop it first: aufruf down.",
        )


def _registry_shared(settings: Settings) -> None:
    if settings.registry_file is not None and not settings.embedded_registry:
        raise StackError(
            "MLFLOW_TRACKING_URI names a SQLite file that is not the home's, which the stack's server would not see",
            where=str(settings.registry_file),
            next="Unset it, or name an MLflow server that has this database.",
        )


def _ports_free(settings: Settings) -> None:
    ports = {"AUFRUF_AIRFLOW_PORT": settings.airflow_port}
    if settings.embedded_registry:
        ports["AUFRUF_MLFLOW_PORT"] = settings.mlflow_port
    if len(set(ports.values())) < len(ports):
        raise StackError("Airflow and MLflow cannot share a port", next="Change AUFRUF_MLFLOW_PORT.")
    for name, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((environment.HOST, port))
            except OSError as error:
                raise StackError(
                    f"cannot listen: {error.strerror}",
                    where=f"port {port}",
                    next=f"Set {name} to a free port.",
                ) from None


@contextlib.contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "stack.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackError("the stack is being started right now", next="Wait for that, then look again.") from None
        yield


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Inside, a second Ctrl-C does not stop the cleaning up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
