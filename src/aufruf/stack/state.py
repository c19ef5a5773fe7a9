"""What of the stack runs: its recorded processes, and whether the servers answer."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from aufruf.settings import Settings
from aufruf.stack import environment, processes
from aufruf.stack.api import Airflow, fetch


def running(settings: Settings) -> dict[str, Any] | None:
    """The state of a stack whose every component is alive; None otherwise."""
    state = _recorded(settings)
    return state if state.get("ready") and not _dead(state) else None


def standing(settings: Settings) -> dict[str, Any]:
    """Whether the stack is ``up``, ``down`` or ``unwell``, what of it does not answer, and where it is to be found.

    ``elsewhere``: it was not started here, and the environment says where its pages are, as in a cluster.
    """
    state = _recorded(settings)
    if settings.pages_url and not state:
        urls = {"pages": settings.pages_url, "mlflow": settings.registry_url}
        return {"status": "elsewhere", "unwell": [], "urls": urls, "logs": str(settings.home / "airflow" / "logs")}
    settings, dead, parts = as_started(settings, state), _dead(state), state.get("components", {})
    if not parts or len(dead) == len(parts):
        status, ill = "down", []
    elif not state.get("ready"):
        status, ill = "unwell", dead or ["still starting"]
    else:
        ill = dead or unwell(settings, Airflow(settings))
        status = "unwell" if ill else "up"
    return {"status": status, "unwell": ill, "urls": environment.urls(settings), "logs": str(settings.home / "logs")}


def served(settings: Settings) -> Settings:
    """The settings with the embedded registry behind its server while the stack runs: only a server sends webhooks."""
    straight = settings.registry_file is not None and settings.embedded_registry
    if not straight or (state := running(settings)) is None:
        return settings
    started = as_started(settings, state)
    return replace(started, tracking_uri=environment.urls(started)["mlflow"])


def as_started(settings: Settings, state: dict[str, Any]) -> Settings:
    """The settings with the ports on which the stack was started, whatever the environment says now."""
    return replace(settings, **state.get("ports", {}))


def _recorded(settings: Settings) -> dict[str, Any]:
    """What the last start wrote down; empty when there was none."""
    try:
        state: dict[str, Any] = json.loads(state_file(settings).read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return state


def _dead(state: dict[str, Any]) -> list[str]:
    """The components whose process has ended."""
    parts = state.get("components", {})
    return [name for name, part in parts.items() if not processes.alive(part["pid"], part["started"])]


def unwell(settings: Settings, airflow: Airflow) -> list[str]:
    """The components that do not answer, or say that they are not well."""
    if settings.embedded_registry and fetch(f"{environment.urls(settings)['mlflow']}/health") is None:
        return ["mlflow"]
    return airflow.unwell()


def state_file(settings: Settings) -> Path:
    """Where the start of a stack writes down what it started."""
    return settings.home / "stack.json"
