"""The two servers, asked over loopback: are they well, and what do Airflow's DAGs do?"""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from aufruf.errors import StackError
from aufruf.settings import Settings
from aufruf.stack import processes
from aufruf.stack.environment import USER, password, urls

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
_TIMEOUT = 20.0  # seconds; two busy cores answer slowly
_PAGE = 100  # entries of a list that Airflow gives at once, however many are asked for
_FRAME = re.compile(r"\s|Traceback ")  # begins a line of a traceback that is not the message
_TYPE = re.compile(r"^[\w.]+: ")


def fetch(url: str, body: dict[str, Any] | None = None, login: str | None = None, method: str | None = None) -> Any:
    """JSON (or text) of a GET, or of a POST when there is a ``body``; None when nobody answers with yes.

    ``login``: the value of the header Authorization.
    """
    accept = {"Accept": "application/json"}
    request = urllib.request.Request(url, headers=accept, method=method)  # noqa: S310 - our own servers' URLs
    if login:
        request.add_header("Authorization", login)
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    try:
        with _DIRECT.open(request, timeout=_TIMEOUT) as answer:
            text = answer.read().decode("utf-8", "replace")
    except (urllib.error.URLError, OSError):
        return None
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def every(get: Callable[..., Any], path: str, key: str, **query: Any) -> list[Any] | None:
    """All entries ``key`` of a list of Airflow's, page by page; None when it does not answer."""
    found: list[Any] = []
    while isinstance(page := get(path, limit=_PAGE, offset=len(found), **query), dict):
        found += page[key]
        if not page[key] or len(found) >= page.get("total_entries", 0):
            return found
    return None


class Airflow:
    """Airflow's REST API, as the user ``admin``."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.url = settings, urls(settings)["airflow"]
        self._token = ""

    def get(self, path: str, **query: Any) -> Any:
        """What ``/api/v2/<path>`` says; None when it does not answer."""
        login = self._login()
        return fetch(f"{self.url}/api/v2/{path}?{urlencode(query, doseq=True)}", login=login) if login else None

    def trigger(self, dag: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run of a DAG and return its id."""
        body = {"logical_date": None, "conf": conf or {}}
        login = self._login()
        run = fetch(f"{self.url}/api/v2/dags/{dag}/dagRuns", body, login) if login else None
        if not run:
            raise StackError("Airflow did not start the run", where=dag, next=f"Trigger it at {self.url}.")
        return str(run["dag_run_id"])

    def unwell(self) -> list[str]:
        """The components that do not report to be healthy."""
        health = fetch(f"{self.url}/api/v2/monitor/health")
        if not isinstance(health, dict):
            return ["api-server"]
        return [str(part).replace("_", "-") for part in health if health[part].get("status") != "healthy"]

    def dags(self) -> set[str]:
        """Ids of the DAGs that Airflow has read."""
        found = every(self.get, "dags", "dags", order_by="dag_id") or []
        return {dag["dag_id"] for dag in found if not dag.get("is_stale")}

    def import_errors(self, since: datetime | None = None) -> list[str]:
        """What every DAG file's import error says, a line each; with ``since`` only of files read after that."""
        found = every(self.get, "importErrors", "import_errors") or []
        fresh = [one for one in found if since is None or datetime.fromisoformat(one["timestamp"]) >= since]
        return [line for one in fresh for line in _message(one["stack_trace"])]

    def _login(self) -> str | None:
        """The header Authorization; None when whoever listens on the port is not of this installation."""
        if not processes.listening(self.settings.home, self.settings.airflow_port):
            return None
        if not self._token:
            body = {"username": USER, "password": password(self.settings)}
            self._token = (fetch(f"{self.url}/auth/token", body) or {}).get("access_token", "")
        return f"Bearer {self._token}" if self._token else None


def _message(trace: str) -> list[str]:
    """The lines of a traceback's message, without the exception's type; one that names several files has several."""
    lines = trace.strip().splitlines()
    last = max((number for number, line in enumerate(lines) if _FRAME.match(line)), default=-1)
    said = lines[last + 1 :] or lines[-1:]
    return [_TYPE.sub("", said[0]) if last >= 0 else said[0], *said[1:]] if said else []
