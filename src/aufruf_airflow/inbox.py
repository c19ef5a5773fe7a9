"""Watching the inbox from the triggerer: one event per delivery, none while nothing arrives."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from aufruf_airflow.deliveries import Deliveries, look


class InboxTrigger(BaseEventTrigger):
    """Fires when a delivery lies complete in ``folders``, looking every ``seconds``.

    What was announced is kept in memory only: a triggerer that starts announces what lies there once more,
    and so makes up for an event that a crash lost. Ingesting a file again changes nothing.
    """

    def __init__(self, folders: list[str], seconds: float = 5.0, patience: int = 24) -> None:
        super().__init__()
        self.folders, self.seconds, self.patience = folders, seconds, patience

    def serialize(self) -> tuple[str, dict[str, Any]]:
        kwargs = {"folders": self.folders, "seconds": self.seconds, "patience": self.patience}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        deliveries = Deliveries(self.patience)
        while True:
            files = deliveries.complete(await asyncio.to_thread(look, self.folders))
            if files:
                yield TriggerEvent({"files": len(files)})
            await asyncio.sleep(self.seconds)
