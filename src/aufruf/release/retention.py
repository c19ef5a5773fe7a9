"""What of MLflow may go: runs that have ended long ago, and versions that nobody uses.

An alias protects for ever, and so does a version of any registered model that was copied from this one (`models:/...`,
*Promote model* in MLflow): a copy has no files of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from aufruf.release.artifacts import delete_files, runs, size_of
from aufruf.release.registry import Registry, Version, as_version

_ENDED = ("FINISHED", "FAILED", "KILLED")
_COPY = "models:"  # how the source of a copy begins


@dataclass(frozen=True)
class OldRun:
    """A run that has ended: its id, where its files are, and their size in bytes."""

    run_id: str
    place: str
    size: int


def spare_versions(registry: Registry, keep: int) -> list[Version]:
    """Versions that nothing points to and that are not among the ``keep`` newest, the oldest first."""
    used = _used(registry)
    return [one for one in registry.versions()[: -keep or None] if one.version not in used]


def delete_version(registry: Registry, version: Version) -> bool:
    """Delete a version, and files that are its own, unless something points to it by now; whether it did."""
    if version.version in _used(registry):
        return False
    own = _owns_files(registry, version)
    registry.client.delete_model_version(registry.name, version.version)
    if own:
        delete_files(registry, version.source)
    return True


def size_of_version(registry: Registry, version: Version) -> int:
    """Bytes of the files that go with a version."""
    return size_of(registry, version.source) if _owns_files(registry, version) else 0


def old_runs(registry: Registry, before: int) -> list[OldRun]:
    """Runs that ended before that moment (ms since 1970) and made no version that is registered under any name."""
    made = {one.run_id for _, one in _every(registry)}
    return [
        OldRun(run.info.run_id, run.info.artifact_uri, size_of(registry, run.info.artifact_uri))
        for run in runs(registry, f"attributes.end_time < {before}")
        if run.info.status in _ENDED and run.info.run_id not in made
    ]


def delete_run(registry: Registry, run: OldRun) -> None:
    """Delete the files of a run for good, and the run as MLflow does: `mlflow gc` makes an end of it."""
    if run.size:
        delete_files(registry, run.place)
    registry.client.delete_run(run.run_id)


def _used(registry: Registry) -> set[str]:
    """Versions with an alias, and those that any version of any registered model is a copy of."""
    head = f"{_COPY}/{registry.name}/"
    copied = {one.source.removeprefix(head) for _, one in _every(registry) if one.source.startswith(head)}
    return registry.named() | copied


def _owns_files(registry: Registry, version: Version) -> bool:
    """False for a copy, and where another version was registered with the same files."""
    others = {one.source for name, one in _every(registry) if (name, one.version) != (registry.name, version.version)}
    return not version.source.startswith(_COPY) and version.source not in others


def _every(registry: Registry) -> Iterator[tuple[str, Version]]:
    """The versions of all registered models, each with the model's name."""
    token: str | None = ""
    while token is not None:
        page = registry.client.search_model_versions("", page_token=token or None)
        yield from ((str(found.name), as_version(found)) for found in page)
        token = page.token or None
