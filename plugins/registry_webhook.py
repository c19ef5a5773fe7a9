"""The endpoint that MLflow's webhook calls when an alias moves: a moved ``champion`` becomes Airflow's asset event.

Airflow does not authenticate what a plugin serves. Here a signature does: without the secret nothing is read, and
nothing is served at all where ``AUFRUF_WEBHOOK_SECRET_FILE`` names no secret.
"""

import logging
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from aufruf_airflow.webhook import LARGEST, WINDOW, Moved, Unproven, Unreadable, prove, read

PREFIX, PATH = "/aufruf/registry", "/alias"
SECRET_FILE = "AUFRUF_WEBHOOK_SECRET_FILE"  # noqa: S105 - the name of a variable that names a file

log = logging.getLogger(__name__)
_one_at_a_time = threading.Lock()
app = FastAPI(title="aufruf: aliases that moved", docs_url=None, redoc_url=None, openapi_url=None)


@app.post(PATH)
async def alias(request: Request) -> JSONResponse:
    """Prove first, then read; the answers give nothing away."""
    body = await _bounded(request)
    if body is None:
        return _answer(413, "too large")
    try:
        delivery = prove(request.headers, body, secret(), time.time())
        moved = read(body)
    except Unproven:
        return _answer(401, "unproven")
    except Unreadable:
        return _answer(422, "unreadable")
    if moved is None or moved.alias != "champion":
        return _answer(200, "ignored")
    return _answer(*await run_in_threadpool(emit, moved, delivery))


def emit(moved: Moved, delivery: str) -> tuple[int, str]:
    """Write the asset event of a new champion, unless this delivery has written one; status and a word.

    The deliveries of the last minutes are those on the events themselves, so that a replay is known after a restart and
    to another worker too.
    """
    from airflow.assets.manager import asset_manager
    from airflow.models.asset import AssetEvent, AssetModel
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with _one_at_a_time, create_session() as session:
        wanted = select(AssetModel).where(AssetModel.name == f"{moved.model}.champion")
        asset = session.scalar(wanted.with_for_update(of=AssetModel))
        if asset is None:
            log.warning("An alias of a registered model moved that no classifier is named after.")
            return 200, "ignored"
        since = datetime.now(UTC) - timedelta(seconds=2 * WINDOW)
        recent = select(AssetEvent.extra).where(AssetEvent.asset_id == asset.id, AssetEvent.timestamp > since)
        if any((extra or {}).get("delivery") == delivery for extra in session.scalars(recent)):
            return 409, "replayed"
        said = {"version": moved.version, "delivery": delivery}
        asset_manager.register_asset_change(asset=asset, extra=said, source_is_api=True, session=session)
    return 202, "announced"


def secret() -> str:
    """The webhook's secret; "" while there is none, with which nothing can be proved."""
    file = Path(os.environ.get(SECRET_FILE) or os.devnull)
    return file.read_text("utf-8").strip() if file.exists() else ""


async def _bounded(request: Request) -> bytes | None:
    """The body, or None as soon as it is larger than any that MLflow sends."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            return None
    return bytes(body)


def _answer(status: int, word: str) -> JSONResponse:
    return JSONResponse({"status": word}, status_code=status)


class RegistryWebhook(AirflowPlugin):
    name = "registry_webhook"
    fastapi_apps: ClassVar[list[dict[str, Any]]] = (
        [{"app": app, "url_prefix": PREFIX, "name": "aufruf registry webhook"}] if os.environ.get(SECRET_FILE) else []
    )
