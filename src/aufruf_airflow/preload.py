"""Everything that steps load, loaded where this module is: in the process of which tasks are forks, before it forks.

The scheduler of the LocalExecutor (``plugins/preload.py``) and Celery's workers (``aufruf_airflow.celery``) load it.

Nothing is computed and no table is opened here: threads do not survive a fork.
"""

from importlib import import_module
from pkgutil import iter_modules

from airflow.sdk.listener import get_listener_manager

LATER = (
    "great_expectations",
    "datasketch",
    "datasets",
    "transformers.trainer",
    "transformers.models.auto.modeling_auto",
)  # by steps
READING = ("airflow.dag_processing.dagbag", "aufruf_airflow.task")  # what reads a DAG file, and what all of them load
WATCHING = ("aufruf_airflow.ended",)  # what looks after a task
_STEPS = (f"aufruf.steps.{step.name}" for step in iter_modules(import_module("aufruf.steps").__path__))

for _name in (*_STEPS, *LATER, *READING, *WATCHING):
    import_module(_name)
get_listener_manager()  # reads the plugins as tasks see them, and keeps them
