"""The tables as an archive keeps them: each as of one version, with all files of it, whoever writes meanwhile."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

from aufruf.classifier import names
from aufruf.errors import DataRefused
from aufruf.schemas import TABLES
from aufruf.settings import Settings
from aufruf.steps import history
from aufruf.store import Store

LOG = "_delta_log"
REGISTRY = "mlflow/mlflow.db"  # where the embedded MLflow has its versions and aliases
ORDER = (
    *("files", "quarantine"),  # a file is taken in, a row rescued, once votes and texts are stored
    *("champions", "decisions", "shifts"),  # say what predictions were looked at
    *("explanations", "predictions"),  # say which versions of models spoke: MLflow's database comes next
    *("splits", "labels", "annotations"),  # say what models were trained on
    *("authors", "texts", "signatures", "tombstones"),
)


class Kept(Protocol):
    """An archive under way: what is in it so far, by name."""

    files: dict[str, dict[str, Any]]

    def add(self, path: Path, name: str, place: Path | None = None) -> None: ...


def copy(settings: Settings, kept: Kept, folder: Path) -> dict[str, int]:
    """Put the tables into an archive, and say their versions in it; none where the lake lies outside of the home.

    Logs come first, in ``ORDER``: a table that claims something before the tables of which it claims it, so that these
    may hold more than is claimed, and never less. ``ingest`` writes ``files`` last; were its log read last, too, a file
    that is taken in between would be claimed without its rows, and never be taken in again. MLflow's database comes
    between what speaks of its versions and what their runs speak of: else a model that is trained meanwhile would come
    back without the sides of its texts, which would be dealt anew. Nobody becomes champion between that table and that
    database. Then come the data files.

    Whoever makes an end of old versions meanwhile takes away what a log names: so each log is read from its copy, in
    ``folder``, and must name files that were kept, and at the version as of which it was found those that it named
    there. Tombstones must be as they were: else rows of a forgotten author might be kept, or their tombstones lost.
    Raises DataRefused where this is not so.
    """
    lake, live, copied = Path(settings.lake), Store(settings.lake), Store(str(folder))
    if not lake.is_relative_to(settings.home) or not lake.is_dir():
        return {}
    buried, found = live.version("tombstones"), dict[str, tuple[int, frozenset[str]] | None]()
    with ExitStack() as alone:
        for table in ORDER:
            if table == "champions":
                for classifier in names(settings):
                    alone.enter_context(history.alone(settings, classifier))
            found[table] = live.files(table)
            for path in _log(lake / table):
                kept.add(path, path.relative_to(settings.home).as_posix(), folder / path.relative_to(lake))
            if table == "predictions":
                if (settings.home / REGISTRY).is_file():
                    kept.add(settings.home / REGISTRY, REGISTRY)
                alone.close()
    for path in sorted(lake.rglob("*")):
        if path.is_file() and not path.is_symlink() and LOG not in path.parts:
            kept.add(path, path.relative_to(settings.home).as_posix())
    for table, before in found.items():
        if before is not None and copied.files(table, before[0]) != before:
            raise DataRefused(f"the log of the table {table} was shortened while it was copied", where=settings.lake)
    if live.version("tombstones") != buried:
        raise DataRefused("an author was forgotten while the tables were copied", where=settings.lake)
    return whole(copied, lake.relative_to(settings.home).as_posix(), kept.files)


def whole(store: Store, prefix: str, files: Mapping[str, Any]) -> dict[str, int]:
    """The newest versions of the tables. Raises DataRefused unless each file of theirs, below ``prefix``, is there."""
    versions = {}
    for table in TABLES:
        if (found := store.files(table)) is None:
            continue
        versions[table], there = found
        gone = [name for name in there if (Path(prefix) / table / name).as_posix() not in files]
        if gone:
            raise DataRefused(f"{len(gone)} of the {len(there)} files of the table {table} are gone", where=store.uri)
    return versions


def _log(table: Path) -> Iterator[Path]:
    """The files of a log. What points to the last checkpoint is a hint only, and may be newer than they are."""
    for path in sorted((table / LOG).rglob("*")):
        if path.is_file() and path.name != "_last_checkpoint":
            yield path
