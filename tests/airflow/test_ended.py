"""A worker's slot is free as soon as the process of its task has ended."""

import json
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("ended_calls.py")
HEARTBEAT = 2  # seconds, in place of five


@pytest.fixture(scope="module")
def sleeps(tmp_path_factory: pytest.TempPathFactory, make: Any) -> dict[str, float]:
    """Seconds that Airflow's supervisor sleeps at most while a process without sockets is about to end."""
    site = make(tmp_path_factory.mktemp("ended"))
    done = site.python(str(SCRIPT), AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL=str(HEARTBEAT))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_an_end_is_noticed_at_once(sleeps: dict[str, float]) -> None:
    """A process whose sockets are closed is looked at again and again, until it is gone."""
    assert sleeps["ours"] == sleeps["looks"] < HEARTBEAT


def test_without_it_a_heartbeat_passes(sleeps: dict[str, float]) -> None:
    """Airflow's own way sleeps until the next heartbeat. When this no longer holds, the module may go."""
    assert sleeps["free"] == HEARTBEAT


def test_forks_and_workers_have_it(site: Any) -> None:
    """What the scheduler and Celery's workers load before they fork brings it along."""
    code = "import aufruf_airflow.preload, sys; print('aufruf_airflow.ended' in sys.modules)"
    done = site.python("-c", code)
    assert done.stdout.split()[-1:] == ["True"], done.stderr
