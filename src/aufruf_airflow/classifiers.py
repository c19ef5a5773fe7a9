"""The classifier files as the scheduler sees them: which work, which do not, and when each runs."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, Param, get_parsing_context
from airflow.sdk.exceptions import AirflowTimetableInvalid

from aufruf.classifier import Classifier, load, names
from aufruf.errors import UsageError
from aufruf.presets import preset_names
from aufruf.settings import Settings
from aufruf_airflow import assets

_NAME = re.compile(
    r"[\w-]{1,200}", re.ASCII
)  # what may stand before the dot of a DAG id, which has 250 letters at most


def working() -> list[Classifier]:
    """Every classifier of this installation whose file can be scheduled.

    Where a DAG file is read for one task of ``NAME.verb``, that classifier alone: a task's start need not build the
    DAGs of all others.
    """
    settings = Settings.load()
    of_task, dot, _ = (get_parsing_context().dag_id or "").partition(".")
    known = names(settings)
    wanted = [of_task] if dot and of_task in known else known
    return [found for found in _read(settings, wanted) if isinstance(found, Classifier)]


def broken() -> list[str]:
    """Sentences naming every classifier file that cannot be scheduled, and why."""
    settings = Settings.load()
    return [found.sentence() for found in _read(settings, names(settings)) if isinstance(found, UsageError)]


def complain() -> None:
    """Raises UsageError with these sentences, if any."""
    if errors := broken():
        raise UsageError("\n".join(errors))


def cron(classifier: Classifier, verb: str) -> CronTriggerTimetable:
    """When the classifier's ``verb`` (train, score, monitor) is due, in the classifier's time zone.

    A new installation waits for its first tick. Left to itself, even with ``False``, Airflow would at once make up
    for a tick of the last 2.4 hours; a tick missed by an installation that has run before it makes up for anyway.
    """
    due, zone = getattr(classifier.schedule, verb), classifier.schedule.timezone
    return CronTriggerTimetable(due, timezone=zone, run_immediately=timedelta(0))


def train_schedule(classifier: Classifier) -> CronTriggerTimetable | AssetOrTimeSchedule:
    """Nightly; with ``train_on_labels`` also when labels were decided anew."""
    nightly = cron(classifier, "train")
    if not classifier.schedule.train_on_labels:
        return nightly
    return AssetOrTimeSchedule(timetable=nightly, assets=[assets.labels(classifier.name)])


def train_params() -> dict[str, Param]:
    """The form that Airflow shows before ``<classifier>.train`` is triggered by hand."""
    presets: list[Any] = [None, *preset_names()]
    return {
        "trials": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            maximum=200,
            description="Most trials of the sweep, 1 to 200; empty: as many as the classifier file says.",
        ),
        "preset": Param(
            None,
            type=["null", "string"],
            enum=presets,
            values_display={"null": "the one the installation runs with"},
            description="Smaller budgets laid over the classifier file: demo takes minutes, quick a small sweep.",
        ),
        "promote": Param(
            True,
            type="boolean",
            description="Let the challenger meet the champion: if it wins, it scores all posts from then on. "
            "Off: it is only trained and measured.",
        ),
    }


def _read(settings: Settings, wanted: list[str]) -> Iterator[Classifier | UsageError]:
    for name in wanted:
        try:
            yield _checked(load(settings.classifiers / f"{name}.toml", settings.preset))
        except UsageError as error:
            yield error


def _checked(classifier: Classifier) -> Classifier:
    """Raises UsageError for what only a scheduler minds: the name, the cron expressions."""
    where = f"{classifier.name}.toml"
    if not _NAME.fullmatch(classifier.name):
        raise UsageError(
            "the file's name cannot begin a DAG id", where=where, next="Use at most 200 letters, digits, _ and -."
        )
    for verb in ("train", "score", "monitor"):
        try:
            cron(classifier, verb).validate()
        except AirflowTimetableInvalid as error:
            raise UsageError(
                f"schedule.{verb}: {error}", where=where, next='Write five cron fields, like "0 2 * * *".'
            ) from None
    return classifier
