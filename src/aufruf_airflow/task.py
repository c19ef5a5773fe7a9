"""What every DAG and task of ours has in common, and how a failure of the library becomes Airflow's."""

import functools
import importlib
import logging
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import task
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from structlog.contextvars import bind_contextvars

from aufruf.classifier import choose
from aufruf.errors import AufrufError, BundleRefused, DataRefused, NothingYet, UsageError
from aufruf.settings import Settings
from aufruf_airflow import notify

OWNER = "aufruf"
_REFUSAL = "refusal"  # the key under which a task says what was refused, even where it is skipped itself
HOPELESS = (UsageError, DataRefused, BundleRefused, NothingYet)  # trying again changes nothing

VERBS = {
    "label": "Decide one label per text from its votes.",
    "split": "Give new labelled texts their side - train, validation or test - for ever.",
    "train": "Train the challenger with the best hyperparameters that the sweep has found.",
    "report": "Write the page that people read.",
    "champion": "See who may speak; fails when the champion is refused, while the version before it goes on scoring.",
    "queue": "Write the unlabelled texts that would teach most as Label Studio tasks.",
}

log = logging.getLogger(__name__)


def common(doc: str | None, *tags: str) -> dict[str, Any]:
    """Arguments that every DAG takes. No start date: a cron schedule then begins with its next tick."""
    return {
        "doc_md": doc,
        "catchup": False,
        "max_active_runs": 1,
        "tags": [OWNER, *tags],
        "default_args": {
            "owner": OWNER,
            "retries": 2,
            "retry_delay": timedelta(seconds=30),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=10),
            "on_failure_callback": notify.failed,
            "execution_timeout": timedelta(hours=1),
        },
    }


def step(*, gpu: bool = False, waits: bool = False, hours: float = 1.0, **options: Any) -> Callable[..., Any]:
    """``@task`` for one step of the library.

    ``gpu``: takes a slot of the pool, and the queue, of that name; on Kubernetes a pod of its own kind, made from the
    file that AUFRUF_GPU_POD names. ``waits``: a step before it may not
    have had anything to do yet, so NothingYet skips it and what follows, with its sentence. ``hours``: its
    time limit. The docstring becomes the task's documentation.
    """
    if gpu:
        options |= {"pool": "gpu", "queue": "gpu"}
        if pod := os.environ.get("AUFRUF_GPU_POD"):
            options["executor_config"] = {"pod_template_file": pod}
    options["execution_timeout"] = timedelta(hours=hours)
    return lambda function: task(**options)(_spoken(function, waits))


def verb(
    name: str, classifier: str, *, gpu: bool = False, waits: bool = False, hours: float = 1.0, **options: Any
) -> Any:
    """A task that takes the step ``name`` as it is, with the preset that the run asked for."""

    def run(params: dict[str, Any] | None = None) -> dict[str, Any]:
        return take(name, classifier, params)

    options = {"task_id": name, "doc_md": VERBS[name]} | options
    return step(gpu=gpu, waits=waits, hours=hours, **options)(run)()


def end() -> EmptyOperator:
    """A last task that fails with any before it: the last ones decide about a run, and one may not mind another."""
    return EmptyOperator(task_id="done", doc_md="Nothing to do: it fails where a task before it has failed.")


def skip(why: str) -> None:
    """Leave this task and those behind it undone, and say why in its log."""
    raise AirflowSkipException(why)


def fail(why: str) -> None:
    """Fail at once, without another try."""
    notify.leave(why)
    raise AirflowFailException(why)


def tell(ti: Any, verb: str, result: dict[str, Any]) -> None:
    """Leave word of the failure that a result of the step ``verb`` stands for, if any, for ``told``."""
    refusal = importlib.import_module(f"aufruf.steps.{verb}").refused(result)
    if refusal is not None:
        log.warning("%s", refusal.sentence())
        ti.xcom_push(_REFUSAL, refusal.sentence()[:2000])


def told(ti: Any, *tasks: str) -> str:
    """What the tasks left word of with ``tell``; "" when all is well."""
    return " ".join(why for one in tasks if (why := ti.xcom_pull(task_ids=one, key=_REFUSAL)))


def announce(asset: Any, decision: dict[str, Any], outlet_events: Any, inlet_events: Any) -> dict[str, Any]:
    """Let the task say that the champion is another one; skipped when it stays, or its last event names this one."""
    if decision["verdict"] not in {"first", "promoted"}:
        raise AirflowSkipException("The champion stays.")
    said = {"version": decision["champion"]}
    if any(event.extra.get("version") == said["version"] for event in inlet_events[asset].ascending(False).limit(1)):
        raise AirflowSkipException(f"Version {said['version']} was announced before, as a rule by MLflow's webhook.")
    outlet_events[asset].extra = said
    return said


def take(verb: str, name: str, params: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Take the step ``verb`` for the classifier ``name``, with the preset that the run asked for.

    ``sweep.opened`` is the function ``opened`` of the step ``sweep``.
    The step's module is imported here, in the task's own process: it may load torch, and a DAG file must not.
    """
    bind_contextvars(classifier=name)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"  # off until the fork, which its threads would not have survived
    settings = Settings.load(env={**os.environ, **notify.addresses()})
    classifier = choose(settings, name, (params or {}).get("preset"))
    step, _, part = verb.partition(".")
    module = importlib.import_module(f"aufruf.steps.{step}")
    result = getattr(module, part or step)(settings, classifier, **more)
    log.info("%s: %s", verb, counted(result))
    if "verdict" in result:
        notify.decided(name, result)
    return result


def counted(result: dict[str, Any]) -> dict[str, Any]:
    """A result without its lists and tables, which may name people: for logs and XCom, which more may see."""
    return {key: value for key, value in result.items() if not isinstance(value, dict | list)}


def _spoken(function: Callable[..., Any], waits: bool) -> Callable[..., Any]:
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        bind_contextvars(classifier="")  # on each line of the log, as commands have it; until one is taken: of all
        try:
            return function(*args, **kwargs)
        except AufrufError as error:
            if waits and isinstance(error, NothingYet):
                raise AirflowSkipException(error.sentence()) from None
            notify.leave(error.sentence())
            if isinstance(error, HOPELESS):
                raise AirflowFailException(error.sentence()) from error
            raise

    return run
