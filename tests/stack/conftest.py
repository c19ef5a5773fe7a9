import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aufruf.settings import Settings
from aufruf.stack import processes

ROOT = Path(__file__).resolve().parents[2]


def _free_ports(count: int) -> list[int]:
    """Ports that are free now, different from each other."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def environment() -> Callable[[Path], dict[str, str]]:
    """``environment(home)``: what a process of an installation in ``home``, on free ports, sees."""

    def build(home: Path) -> dict[str, str]:
        airflow, mlflow = _free_ports(2)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUFRUF", "AIRFLOW", "MLFLOW"))}
        return kept | {
            "AUFRUF_HOME": str(home),
            "AUFRUF_CLASSIFIERS": str(ROOT / "classifiers"),
            "AUFRUF_AIRFLOW_PORT": str(airflow),
            "AUFRUF_MLFLOW_PORT": str(mlflow),
        }

    return build


@pytest.fixture(scope="module")
def settings(
    tmp_path_factory: pytest.TempPathFactory, environment: Callable[[Path], dict[str, str]]
) -> Iterator[Settings]:
    """An installation in a temporary home, on free ports; whatever was started in it is ended."""
    home = tmp_path_factory.mktemp("home")
    yield Settings.load(env=environment(home))
    processes.end(home, patience=5)
