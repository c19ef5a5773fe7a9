"""On SQLite, a request that Airflow writes into its audit log is served alone; those of tasks wait until it is done.

Airflow 3.3 writes that line on the event loop itself. SQLite lets one write at a time: if the request of a task has
written and not yet committed, the loop waits for it, and it waits for the loop, which is to commit it. Nothing goes on
until SQLite gives up, and then one of the two fails. A click in the UI while tasks are starting is enough.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from airflow.configuration import conf
from airflow.plugins_manager import AirflowPlugin

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]
_AUDITED, _OF_TASKS = ("/api/v2/", "/ui/"), "/execution/"
_READING = ("GET", "HEAD", "OPTIONS")


class Turns:
    """Many together, or one alone. While somebody is, or waits to be, alone nobody else begins."""

    def __init__(self) -> None:
        self._door, self._empty, self._inside = asyncio.Lock(), asyncio.Event(), 0
        self._empty.set()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        async with self._door:
            self._inside += 1
            self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        async with self._door:
            await self._empty.wait()
            yield


class InTurn:
    """ASGI middleware: requests that write take turns by their path; whatever only reads passes."""

    def __init__(self, app: App) -> None:
        self._app, self._turns = app, Turns()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        path = scope.get("path", "") if scope["type"] == "http" and scope["method"] not in _READING else ""
        if not path.startswith((*_AUDITED, _OF_TASKS)):
            await self._app(scope, receive, send)
            return
        whole = await _whole(receive)
        async with self._turns.alone() if path.startswith(_AUDITED) else self._turns.together():
            await self._app(scope, whole, send)


async def _whole(receive: Any) -> Any:
    """What gives the messages of a request that has arrived whole: whoever sends half of one keeps nobody waiting."""
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())

    async def again() -> Any:
        return messages.pop(0) if messages else await receive()

    return again


class AuditedAlone(AirflowPlugin):
    name = "audited_alone"
    fastapi_root_middlewares: ClassVar[list[dict[str, Any]]] = (
        [{"middleware": InTurn, "name": "audited requests alone"}]
        if conf.get("database", "sql_alchemy_conn", fallback="").startswith("sqlite")
        else []
    )
