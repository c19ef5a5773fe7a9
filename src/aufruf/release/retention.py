"""What of MLflow may go: runs that have ended long ago, and versions that nobody uses. An alias protects for ever."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aufruf.release.registry import Registry, Version

_ENDED = ("FINISHED", "FAILED", "KILLED")
_PAGE = 200


@dataclass(frozen=True)
class OldRun:
    """A run that has ended: its id, where its files are, and their size in bytes."""

    run_id: str
    place: str
    size: int


def spare_versions(registry: Registry, keep: int) -> list[Version]:
    """Versions without an alias that are not among the ``keep`` newest, the oldest first."""
    named = _named(registry)
    return [one for one in registry.versions()[: -keep or None] if one.version not in named]


def delete_version(registry: Registry, version: Version) -> bool:
    """Delete a version and its files, unless it has an alias by now; whether it did."""
    if version.version in _named(registry):
        return False
    registry.client.delete_model_version(registry.name, version.version)
    get_artifact_repository(version.source).delete_artifacts()
    return True


def old_runs(registry: Registry, before: int) -> list[OldRun]:
    """Runs that ended before that moment (ms since 1970) and made no version that is still registered."""
    made = {version.run_id for version in registry.versions()}
    return [
        OldRun(run.info.run_id, run.info.artifact_uri, size_of(run.info.artifact_uri))
        for run in _ended(registry, before)
        if run.info.run_id not in made
    ]


def delete_run(registry: Registry, run: OldRun) -> None:
    """Delete the files of a run for good, and the run as MLflow does: `mlflow gc` makes an end of it."""
    if run.size:
        get_artifact_repository(run.place).delete_artifacts()
    registry.client.delete_run(run.run_id)


def size_of(place: str) -> int:
    """Bytes of the files below an artifact URI; 0 where there are none."""
    try:
        repository = get_artifact_repository(place)
        return sum(int(file.file_size or 0) for file in _files(repository, None))
    except (MlflowException, OSError):
        return 0


def _files(repository: Any, below: str | None) -> Iterator[Any]:
    for found in repository.list_artifacts(below):
        if found.is_dir:
            yield from _files(repository, found.path)
        else:
            yield found


def _named(registry: Registry) -> set[str]:
    """Versions that any alias points to."""
    try:
        return {str(version) for version in registry.client.get_registered_model(registry.name).aliases.values()}
    except MlflowException as failure:
        if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return set()


def _ended(registry: Registry, before: int) -> Iterator[Any]:
    experiment = registry.client.get_experiment_by_name(registry.name)
    token: str | None = ""
    while experiment is not None and token is not None:
        wanted = f"attributes.end_time < {before}"
        page = registry.client.search_runs(
            [experiment.experiment_id], wanted, max_results=_PAGE, page_token=token or None
        )
        yield from (run for run in page if run.info.status in _ENDED)
        token = page.token or None
