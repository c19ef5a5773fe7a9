"""A slot is free as soon as the process of its task has ended.

Airflow 3.3's supervisor learns of that end from the process's sockets. They close a moment before the process is gone;
a supervisor that looks in this moment finds it alive, and then sleeps on sockets that are no more until it is time for
a heartbeat, five seconds later. See docs/decisions/25-a-slot-is-free-at-once.md.
"""

from typing import Any

from airflow.sdk.execution_time.supervisor import ActivitySubprocess

LOOK = 0.05  # seconds until a process without sockets is looked at again
_wait = ActivitySubprocess._service_subprocess


def _wait_for_either(self: ActivitySubprocess, max_wait_time: float, *more: Any, **named: Any) -> int | None:
    return _wait(self, max_wait_time if self._open_sockets else min(max_wait_time, LOOK), *more, **named)


ActivitySubprocess._service_subprocess = _wait_for_either
