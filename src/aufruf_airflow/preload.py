"""Everything that steps load, loaded where this module is: in the process of which tasks are forks, before it forks.

The scheduler of the LocalExecutor (``plugins/preload.py``) and Celery's workers (``aufruf_airflow.celery``) load it.

Nothing is computed and no table is opened here: threads do not survive a fork.
"""

from importlib import import_module
from pkgutil import iter_modules

LATER = ("great_expectations", "datasets", "transformers.trainer", "transformers.models.auto.modeling_auto")  # by steps

for _name in (*(f"aufruf.steps.{step.name}" for step in iter_modules(import_module("aufruf.steps").__path__)), *LATER):
    import_module(_name)
