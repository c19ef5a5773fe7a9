"""Print the longest sleep that Airflow asks for while a process without sockets lives on: its own way, and ours."""

import json
import os
import time
import uuid
from typing import Any

import httpx
import structlog
from airflow.sdk.api.client import Client
from airflow.sdk.execution_time.supervisor import ActivitySubprocess, WatchedSubprocess


def _closes_then_ends() -> None:
    for descriptor in range(64):
        try:
            os.close(descriptor)
        except OSError:
            continue
    time.sleep(0.5)
    os._exit(0)


def _longest_sleep() -> float:
    nobody = httpx.MockTransport(lambda request: httpx.Response(204))
    process = WatchedSubprocess.start.__func__(  # without telling a server and the process what task it is
        ActivitySubprocess,
        id=uuid.uuid4(),
        client=Client(base_url="http://nobody", token="", transport=nobody),
        target=_closes_then_ends,
        logger=structlog.get_logger(),
    )
    asked, select = [], process.selector.select

    def noted(timeout: float) -> Any:
        asked.append((len(process._open_sockets), timeout))
        return select(timeout)

    process.selector.select = noted  # type: ignore[method-assign]
    assert process.wait() == 0
    return max(timeout for sockets, timeout in asked if not sockets)


free = _longest_sleep()
import aufruf_airflow.ended  # noqa: E402

print(json.dumps({"free": free, "ours": _longest_sleep(), "looks": aufruf_airflow.ended.LOOK}))
