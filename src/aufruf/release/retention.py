"""What of MLflow may go: runs that have ended long ago, and versions that nobody uses. An alias protects for ever."""

from dataclasses import dataclass

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aufruf.release.artifacts import runs, size_of
from aufruf.release.registry import Registry, Version

_ENDED = ("FINISHED", "FAILED", "KILLED")


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
        for run in runs(registry, f"attributes.end_time < {before}")
        if run.info.status in _ENDED and run.info.run_id not in made
    ]


def delete_run(registry: Registry, run: OldRun) -> None:
    """Delete the files of a run for good, and the run as MLflow does: `mlflow gc` makes an end of it."""
    if run.size:
        get_artifact_repository(run.place).delete_artifacts()
    registry.client.delete_run(run.run_id)


def _named(registry: Registry) -> set[str]:
    """Versions that any alias points to."""
    try:
        return {str(version) for version in registry.client.get_registered_model(registry.name).aliases.values()}
    except MlflowException as failure:
        if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return set()
