"""The sweep as tasks: one opens it, one task a trial is mapped over what is left to do, one closes it."""

from typing import Any

from airflow.sdk import TaskGroup
from airflow.sdk.exceptions import AirflowFailException

from aufruf.classifier import Classifier
from aufruf_airflow.task import step, take

_MOST = 1000  # tasks that one task may be mapped to; Airflow's own limit is 1,024


def sweep(classifier: Classifier) -> TaskGroup:
    """The group ``sweep`` of a train DAG.

    As many trials run at once as the pool ``gpu`` has slots. A trial whose worker dies is tried again, and goes on; one
    that fails for good costs the sweep one trial.
    """
    name, hours = classifier.name, classifier.sweep.minutes / 60 + 1

    @step(gpu=True)
    def opened(params: Any = None, ti: Any = None) -> list[int]:
        """Find or make the study, and see how many trials are left."""
        found = take("sweep.opened", name, params, trials=params["trials"])
        ti.xcom_push("sweep", {key: found[key] for key in ("study", "at")})
        return list(range(min(max(1, found["left"]), _MOST)))  # at least one: a task mapped to none is skipped

    @step(gpu=True, hours=hours, doc_md="Train one configuration; nothing, when the trials or the minutes are over.")
    def trial(slot: int, sweep: dict[str, Any], params: Any = None) -> dict[str, Any]:
        return take("trial", name, params, **sweep)

    @step(trigger_rule="none_skipped")
    def closed(sweep: dict[str, Any] | None, params: Any = None) -> dict[str, Any]:
        """Say what was found; fails when no trial has a value."""
        if sweep is None:
            raise AirflowFailException("The sweep was not opened.")
        return take("sweep.closed", name, params, study=sweep["study"])

    with TaskGroup("sweep") as group:
        slots = opened()
        found = slots["sweep"]
        trial.partial(sweep=found).expand(slot=slots) >> closed(found)
    return group
