"""The services of docker/compose.yaml as processes on this machine: the same commands, the same environment files.

What compose would interpolate is interpolated here, with loopback addresses in the place of the services' names. What
stands in for the foreign images: a PostgreSQL and a Redis of our own, and moto for S3.
"""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import yaml

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKER = CHECKOUT / "docker"
_KEPT = ("HOME", "LANG", "TMPDIR", "PYTHONPATH", "HF_HUB_OFFLINE")
_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}$]*))?\}")  # the inner one of two


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def lacking() -> str:
    """The first program that is needed and not there; "" when all are."""
    there = {"PostgreSQL": any(Path("/usr/lib/postgresql").glob("*/bin/initdb")), "Redis": shutil.which("redis-server")}
    return next((name for name, found in there.items() if not found), "")


def until(
    what: str, look: Callable[[], Any], seconds: float = 300.0, every: float = 1.0, seen: Callable[[], str] = str
) -> Any:
    """What ``look`` finds, as soon as it finds something; it looks ``every`` so many seconds.

    Where it finds nothing, ``seen`` says what there was in its place.
    """
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"{what}: not within {seconds:.0f} s. {seen()}"
        time.sleep(every)
    return found


def interpolated(text: str, names: dict[str, str]) -> str:
    """Text with ``${NAME:-default}`` as compose would write it."""
    while _VARIABLE.search(text):
        text = _VARIABLE.sub(lambda found: names.get(found[1]) or found[2] or "", text)
    return text.replace("$$", "$")


def read_env(file: Path, names: dict[str, str]) -> dict[str, str]:
    """An environment file as compose reads it."""
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {name: interpolated(value, names) for name, value in (line.split("=", 1) for line in lines)}


class Cluster:
    """All services of one system; each can be ended and started again alone."""

    def __init__(self, folder: Path, classifiers: Path, metrics: str = "") -> None:
        self.folder, self.logs = folder, folder / "logs"
        self.home, self.secrets, self.switch = folder / "home", folder / "secrets", folder / "s3-busy"
        self.data = Path(tempfile.mkdtemp(prefix="aufruf-pg-")) / "data"  # pytest closes its own folders to others
        self.data.parent.chmod(0o711)
        self.temporary = folder / "tmp"  # a folder a service, as each container has a /tmp of its own
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._one_at_a_time, self._stopped = threading.RLock(), threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self.logs.mkdir(parents=True)
        self.home.mkdir()
        self.small = _small_disk(self.home)
        (self.home / "airflow").mkdir()
        self.airflow, self.mlflow, self.postgres, self.redis, self.s3 = free_ports(5)
        self.names = {
            "AUFRUF_ROOT": str(CHECKOUT),
            "AUFRUF_HOME": str(self.home),
            "AUFRUF_CLASSIFIERS": str(classifiers),
            "AUFRUF_SECRETS": str(self.secrets),
            "AUFRUF_PRIVATE": str(folder / "private"),
            "AUFRUF_LISTEN": "127.0.0.1",
            "AUFRUF_AIRFLOW_PORT": str(self.airflow),
            "AUFRUF_AIRFLOW_LISTEN": str(self.airflow),
            "AUFRUF_MLFLOW_PORT": str(self.mlflow),
            "AUFRUF_MLFLOW_LISTEN": str(self.mlflow),
            "AUFRUF_HEARTBEAT_TIMEOUT": "30",
            "AUFRUF_QUEUED_TIMEOUT": "60",
            "POSTGRES": f"127.0.0.1:{self.postgres}",
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(self.postgres),
            "REDIS": f"127.0.0.1:{self.redis}",
            "S3": f"http://127.0.0.1:{self.s3}",
            "MLFLOW": f"http://127.0.0.1:{self.mlflow}",
            "AIRFLOW": f"127.0.0.1:{self.airflow}",
            "AUFRUF_METRICS": "True" if metrics else "",
            "AUFRUF_METRICS_AT": metrics,
        }
        self.services: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text("utf-8"))["services"]

    def start(self) -> None:
        """Everything that is not there, in the order in which one needs the other, and until all is well."""
        subprocess.run([DOCKER / "secrets.sh", self.secrets], check=True, capture_output=True)
        for name in ("postgres", "redis", "s3", "mlflow"):
            if name not in self.processes:
                self.begin(name)
        until("MLflow", lambda: self._answers(self.mlflow))
        self.set_up()
        for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "worker-gpu"):
            self.begin(name)
        until("Airflow", lambda: self._answers(self.airflow))
        if not self._watcher.is_alive():
            self._watcher.start()

    def lose(self) -> None:
        """End everything, and let go what it kept: databases, bucket, home and secrets."""
        for name in reversed(list(self.processes)):
            self.end(name)
        for folder in (self.data, self.secrets, *self.home.iterdir()):
            shutil.rmtree(folder) if folder.is_dir() else folder.unlink()

    def begin(self, name: str) -> None:
        """Start one service."""
        if name == "postgres":
            self._postgres()
        elif name == "redis":
            self._run(
                name, ["sh", "-c", self._said("redis")[2].replace("/run/secrets", str(self.secrets))], self._bare()
            )
        elif name == "s3":
            self._run(
                name,
                [sys.executable, str(Path(__file__).with_name("s3.py")), str(self.s3), str(self.switch)],
                self._bare(),
            )
        else:
            entry = [part.replace("/opt/aufruf", str(CHECKOUT)) for part in self.services[name]["entrypoint"]]
            self._run(name, [*entry, *self._said(name)], self.env(name))
        if name in {"redis", "s3"}:
            until(name, lambda: self._answers({"redis": self.redis, "s3": self.s3}[name]))

    def set_up(self) -> None:
        """Let the service that prepares all others run to its end."""
        with self._one_at_a_time:
            self.begin("setup")
            assert self.processes.pop("setup").wait(timeout=300) == 0, self.log("setup")

    def another(self, worker: str, name: str) -> None:
        """Start one more worker of a kind, as `--scale` does, but with a name for Celery: it has no host of its own."""
        command = [*self.services[worker]["command"], "--celery-hostname", f"{name}@%h"]
        self.services[name] = {**self.services[worker], "command": command}
        self.begin(name)

    def _watch(self) -> None:
        """`restart: unless-stopped`: what ended by itself is started again."""
        while not self._stopped.wait(1):
            with self._one_at_a_time:
                for name in [name for name, process in self.processes.items() if process.poll() is not None]:
                    self.begin(name)

    def end(self, name: str) -> None:
        """End one service and all that it started, at once; PostgreSQL as fast as it can."""
        with self._one_at_a_time:
            process = self.processes.pop(name)
        family = [process.pid, *(child.pid for child in psutil.Process(process.pid).children(recursive=True))]
        if name == "postgres":
            process.send_signal(2)  # fast shutdown
        else:
            process.kill()
            for pid in family[1:]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(pid).kill()
        process.wait(timeout=60)

    def left(self) -> set[Path]:
        """Temporary files and folders outside the home that are there now, of all services that run."""
        return {path for name in self.processes for path in (self.temporary / name).glob("*")}

    def stop(self) -> None:
        """End everything, what needs others first."""
        self._stopped.set()
        for name in reversed(list(self.processes)):
            with contextlib.suppress(psutil.NoSuchProcess):
                self.end(name)
        shutil.rmtree(self.data.parent, ignore_errors=True)
        if self.small:
            subprocess.run(["umount", "--lazy", self.home], check=False, capture_output=True)

    def env(self, service: str) -> dict[str, str]:
        """The environment of a service, with the machine's PATH and nothing of its Airflow or MLflow."""
        env = self._bare()
        for file in self.services[service]["env_file"]:
            if isinstance(file, str):  # else it need not be there, and is not
                env |= read_env((DOCKER / file).resolve(), self.names)
        return env

    def admin(self) -> dict[str, str]:
        """The environment in which PostgreSQL's programs reach it as its administrator."""
        word = (self.secrets / "postgres_password").read_text("utf-8").strip()
        path = f"{self.programs()}{os.pathsep}{os.environ['PATH']}"
        return self._bare() | {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": str(self.postgres), "PGPASSWORD": word}

    @staticmethod
    def programs() -> Path:
        """Where the machine's newest PostgreSQL is."""
        return sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]

    def check(self, service: str, test: Sequence[str] | None = None) -> subprocess.CompletedProcess[bytes]:
        """The health check of a service, as it stands in compose.yaml; or another one."""
        test = test or self.services[service]["healthcheck"]["test"][1:]
        ports = {":8080": f":{self.airflow}", ":5000": f":{self.mlflow}", "/opt/aufruf": str(CHECKOUT)}
        command = [interpolated(str(part), self.names) for part in test]
        for here, there in ports.items():
            command = [part.replace(here, there) for part in command]
        return subprocess.run(command, env=self.env(service), capture_output=True, check=False)

    def log(self, name: str, lines: int = 30) -> str:
        """The end of a service's log."""
        return "\n".join((self.logs / f"{name}.log").read_text("utf-8", "replace").splitlines()[-lines:])

    def _said(self, service: str) -> list[str]:
        command = [interpolated(str(part), self.names) for part in self.services[service]["command"]]
        if service == "redis":
            command[2] = command[2].replace("dir /tmp", f"port {self.redis}\\nbind 127.0.0.1\\ndir /tmp")
        if service == "mlflow":
            command[-1] = str(self.folder / "metrics")
        return [sys.executable, *command[1:]] if command[0] == "python" else command

    def _bare(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return kept | {
            "PATH": path,
            "AUFRUF_SECRETS": str(self.secrets),
            "OMP_NUM_THREADS": "1",
            "NO_PROXY": "*",
            "SPT_NOENV": "1",
        }

    def _run(self, name: str, command: list[str], env: dict[str, str], **options: Any) -> None:
        where = {}
        if name != "postgres":  # which is another user
            where = {"TMPDIR": str(self.temporary / name)}
            (self.temporary / name).mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=env | where,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd="/" if name == "postgres" else self.home,
                start_new_session=True,
                **options,
            )

    def _postgres(self) -> None:
        who: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        admin, first = self.admin(), not self.data.exists()
        if first:
            self._initialised(who, admin["PGPASSWORD"])
        says = (f"port={self.postgres}", "listen_addresses=127.0.0.1", f"unix_socket_directories={self.data}")
        options = [part for one in says for part in ("-c", one)]
        self._run("postgres", [str(self.programs() / "postgres"), "-D", str(self.data), *options], self._bare(), **who)
        ready = [self.programs() / "pg_isready", "-q"]
        until("PostgreSQL", lambda: subprocess.run(ready, env=admin, check=False).returncode == 0)
        if first:
            subprocess.run([DOCKER / "postgres.sh"], env=admin, check=True, capture_output=True)

    def _initialised(self, who: dict[str, Any], word: str) -> None:
        """An empty PostgreSQL that asks for passwords."""
        self.data.mkdir(mode=0o700)
        file = self.data.parent / "word"
        file.write_text(word, "utf-8")
        for path in (self.data, file) if who else ():
            shutil.chown(path, "postgres", "postgres")
        options = ["-D", self.data, "-U", "postgres", "--auth", "scram-sha-256", "--pwfile", file]
        subprocess.run([self.programs() / "initdb", *options], check=True, capture_output=True, cwd="/", **who)
        file.unlink()

    def _answers(self, port: int) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", port)) == 0


def _small_disk(folder: Path) -> bool:
    """Put a disk of 1 GB at the folder, which can be filled; False where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", folder], check=False, capture_output=True)
    return done.returncode == 0
