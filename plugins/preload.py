"""What tasks need is loaded once, in the scheduler, before its workers are forked: each task then starts with it.

Every task of the LocalExecutor is a fork of a fork of the scheduler; without this each loads pandas, MLflow and torch
anew. Nothing is computed and no table is opened here: threads do not survive a fork.
"""

import sys
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar

from airflow.configuration import conf
from airflow.listeners import hookimpl
from airflow.plugins_manager import AirflowPlugin

LATER = ("great_expectations", "datasets", "transformers.trainer", "transformers.models.auto.modeling_auto")  # by steps


@hookimpl
def on_starting(component: Any) -> None:
    """Load them where the scheduler's job is made, if its own forks run the tasks."""
    if "scheduler" in sys.argv and type(component).__name__ == "Job" and _forks_tasks():
        from aufruf import steps

        for name in (*(f"aufruf.steps.{step.name}" for step in iter_modules(steps.__path__)), *LATER):
            import_module(name)


def _forks_tasks() -> bool:
    own_python = conf.getboolean("core", "execute_tasks_new_python_interpreter", fallback=False)
    return conf.get("core", "executor") == "LocalExecutor" and not own_python


class Preload(AirflowPlugin):
    name = "preload"
    listeners: ClassVar[list[Any]] = [sys.modules[__name__]]
