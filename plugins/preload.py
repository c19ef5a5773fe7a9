"""What tasks need is loaded once, in the scheduler, before its workers are forked: each task then starts with it.

Every task of the LocalExecutor is a fork of a fork of the scheduler; without this each loads pandas, MLflow and torch
anew.
"""

import sys
from importlib import import_module
from typing import Any, ClassVar

from airflow.configuration import conf
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin


@hookimpl
def on_starting(component: Any) -> None:
    """Load them where the scheduler's job is made, if its own forks run the tasks."""
    if "scheduler" in sys.argv and type(component).__name__ == "Job" and _forks_tasks():
        import_module("aufruf_airflow.preload")


def _forks_tasks() -> bool:
    own_python = conf.getboolean("core", "execute_tasks_new_python_interpreter", fallback=False)
    return conf.get("core", "executor") == "LocalExecutor" and not own_python


class Preload(AirflowPlugin):
    name = "preload"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
