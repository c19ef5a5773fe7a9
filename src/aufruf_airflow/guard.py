"""Who may see what a plugin serves: Airflow authenticates none of it, so each route passes here.

Airflow is imported when somebody asks, not before: plugins are loaded by every process of Airflow.
"""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from aufruf_airflow.links import base_url

_LOOPBACK = "localhost"


async def user_of(request: Request) -> Any:
    """The user of a valid session, by Airflow's cookie or a bearer token, checked by Airflow's own code.

    Raises HTTPException: 421 for a forged Host, 401 or 403 as Airflow does.
    """
    from airflow.api_fastapi.core_api.security import bearer_scheme, get_user

    if not known_host(request.url.hostname, base_url(), asks_nobody()):
        raise HTTPException(421, "This is not the address of this Airflow.")
    return await get_user(request, None, await bearer_scheme(request))


def may_read(user: Any, *dag_ids: str) -> bool:
    """Whether the user may read all of these DAGs, by Airflow's auth manager. Looks into Airflow's database."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagDetails
    from airflow.models.dag import DagModel

    manager = get_auth_manager()
    teams = {dag_id: DagModel.get_team_name(dag_id) for dag_id in dag_ids}
    details = [DagDetails(id=dag_id, team_name=team) for dag_id, team in teams.items()]
    return all(manager.is_authorized_dag(method="GET", details=one, user=user) for one in details)


def asks_nobody() -> bool:
    """Whether Airflow is told to take everybody for an admin, with no login."""
    from airflow.configuration import conf

    return bool(conf.getboolean("core", "simple_auth_manager_all_admins", fallback=False))


def known_host(host: str | None, base: str, open_to_all: bool = False) -> bool:
    """Whether a request's Host may be believed: the one of ``base``, or this machine by its own names.

    A page of somebody else's whose name is made to resolve to this machine is so refused. Without a configured host
    any will do, since a session is needed besides; but not where Airflow asks nobody to log in (``open_to_all``).
    """
    wanted = urlsplit(base).hostname
    if host in (wanted, _LOOPBACK) or (wanted is None and not open_to_all):
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


class Guarded:
    """An ASGI middleware that puts the same headers on every answer, refusals included."""

    def __init__(self, app: ASGIApp, headers: dict[str, str]) -> None:
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                more = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
                message["headers"] = [*message["headers"], *(pair for pair in more if pair[0] not in given)]
            await send(message)

        await self.app(scope, receive, sent if scope["type"] == "http" else send)
