"""Files of runs and versions, wherever the tracking server keeps them."""

import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from aufruf.release.registry import Registry
from aufruf.release.server import stored

_PAGE = 200


def runs(registry: Registry, wanted: str = "") -> Iterator[Any]:
    """The runs of the classifier's experiment that meet MLflow's filter, page by page."""
    experiment = registry.client.get_experiment_by_name(registry.name)
    token: str | None = ""
    while experiment is not None and token is not None:
        page = registry.client.search_runs(
            [experiment.experiment_id], wanted, max_results=_PAGE, page_token=token or None
        )
        yield from page
        token = page.token or None


def size_of(registry: Registry, place: str) -> int:
    """Bytes of the files below an artifact URI; 0 where there are none."""
    try:
        repository = get_artifact_repository(place, tracking_uri=registry.settings.tracking_uri)
        with stored():
            return sum(int(file.file_size or 0) for file in _below(repository, None))
    except (MlflowException, OSError):
        return 0


def delete_files(registry: Registry, place: str) -> None:
    """Delete the files below an artifact URI for good. Raises MlflowException or OSError."""
    with stored():
        get_artifact_repository(place, tracking_uri=registry.settings.tracking_uri).delete_artifacts()


def copies(registry: Registry, suffixes: Collection[str]) -> Iterator[tuple[str, Path | None]]:
    """Each file of the classifier's runs and versions: where it lies, and a copy where its name ends so, else None.

    A copy is gone when the next one is asked for. Raises MlflowException or OSError where files cannot be had.
    """
    places = [run.info.artifact_uri for run in runs(registry)]
    whole = tuple(f"{place}/" for place in places)
    registered = dict.fromkeys(registry.place(one) for one in registry.versions() if not one.source.startswith(whole))
    for place in [*places, *(one for one in registered if not one.startswith(whole))]:
        repository = get_artifact_repository(place, tracking_uri=registry.settings.tracking_uri)
        with stored():
            for file in _below(repository, None):
                if PurePosixPath(file.path).suffix not in suffixes:
                    yield f"{place}/{file.path}", None
                    continue
                with tempfile.TemporaryDirectory(prefix="aufruf-") as folder:
                    yield f"{place}/{file.path}", Path(repository.download_artifacts(file.path, folder))


def _below(repository: Any, folder: str | None) -> Iterator[Any]:
    for found in repository.list_artifacts(folder):
        if found.is_dir:
            yield from _below(repository, found.path)
        else:
            yield found
