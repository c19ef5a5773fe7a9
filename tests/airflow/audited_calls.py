"""Lets a task's request and an audited one meet on SQLite, with and without our turns, and prints what both came to.

A script of its own, because importing Airflow changes the logging of the process that does it.
"""

import asyncio
import json
import sys
import threading
import time

import httpx
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.api_fastapi.core_api.security import get_user
from airflow.api_fastapi.logging.decorators import action_logging
from airflow.models.log import Log
from fastapi import Depends, FastAPI
from sqlalchemy.exc import OperationalError

sys.path.insert(0, sys.argv[1])
from audited_alone import AuditedAlone, InTurn


def meeting(in_turn):
    app, written, arrived = FastAPI(), threading.Event(), threading.Event()

    @app.post("/execution/task")
    def task(session: SessionDep):
        """Writes, and is still there when the click, if it may, comes to its line; the loop is then to commit this."""
        session.add(Log(event="of a task", task_instance=None, owner="task"))
        session.flush()
        written.set()
        arrived.wait(3)
        time.sleep(0.5)

    @app.post("/api/v2/click", dependencies=[Depends(action_logging("click"))])
    def click():
        pass

    @app.get("/execution/read")
    def read():
        pass

    async def nobody():
        arrived.set()

    app.dependency_overrides[get_user] = nobody
    if in_turn:
        app.add_middleware(InTurn)
    return asyncio.run(_meet(app, written))


async def _meet(app, written):
    async def post(path):
        try:
            return (await client.post(path)).status_code
        except OperationalError as error:  # what the server would answer with 500
            return type(error).__name__

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as client:
        task = asyncio.create_task(post("/execution/task"))
        await asyncio.to_thread(written.wait, 10)
        click = asyncio.create_task(post("/api/v2/click"))
        reading = (await client.get("/execution/read")).status_code
        return {"task": await task, "click": await click, "reading": reading}


found = {"free": meeting(in_turn=False), "in turn": meeting(in_turn=True)}
print(json.dumps(found | {"plugin": len(AuditedAlone.fastapi_root_middlewares)}))
