"""Where things live. Built once at the edge, from the environment and the command line, and passed down."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlparse, urlsplit

from aufruf.errors import UsageError

_SQLITE = "sqlite:///"
_LAKES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "hdfs", "file")  # deltalake reads others as empty
_SERVERS = ("http", "https", "postgresql", "mysql", "mssql", "sqlite")  # MLflow reads a bare word as a folder


@dataclass(frozen=True)
class Settings:
    """Places and addresses of one installation. Nothing here is created or opened by building it."""

    home: Path  # AUFRUF_HOME
    lake: str  # folder or URI (s3://...) of the Delta tables
    classifiers: Path  # folder of classifiers/*.toml
    tracking_uri: str  # MLflow tracking and registry
    airflow_port: int
    mlflow_port: int
    preset: str | None  # overlay used where no --preset is given
    encoder: str | None  # overrides the encoder of every classifier: a hub name or a folder's whole path
    studies_url: str | None = field(default=None, repr=False)  # AUFRUF_STUDIES: PostgreSQL; None: files under home
    run_url: str | None = None  # AUFRUF_RUN_URL: where whoever started the command shows it
    mlflow_url: str | None = None  # AUFRUF_MLFLOW_URL: where a browser finds MLflow, if not at tracking_uri
    pages_url: str | None = None  # AUFRUF_PAGES_URL: where reports/ is served, NAME/reports/... below it

    @classmethod
    def load(cls, home: str | Path | None = None, env: Mapping[str, str] = os.environ) -> "Settings":
        """Read AUFRUF_* and MLFLOW_TRACKING_URI; ``home`` (the --home option) wins over AUFRUF_HOME.

        A relative path is meant from the working folder; settings hold whole ones, because tasks run elsewhere.
        """
        root = Path(home or env.get("AUFRUF_HOME") or "var").expanduser().resolve()
        if root.exists() and not root.is_dir():
            raise UsageError("the home is no folder", where=str(root), next="Name one with --home or AUFRUF_HOME.")
        return cls(
            home=root,
            lake=_lake(env.get("AUFRUF_LAKE") or str(root / "lake")),
            classifiers=Path(env.get("AUFRUF_CLASSIFIERS") or "classifiers").expanduser().resolve(),
            tracking_uri=_tracking(env.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}{root / 'mlflow' / 'mlflow.db'}"),
            airflow_port=_port(env, "AUFRUF_AIRFLOW_PORT", 8080),
            mlflow_port=_port(env, "AUFRUF_MLFLOW_PORT", 5000),
            preset=env.get("AUFRUF_PRESET") or None,
            encoder=whole_path(env.get("AUFRUF_ENCODER") or "", Path()) or None,
            studies_url=_postgresql(env, "AUFRUF_STUDIES"),
            run_url=env.get("AUFRUF_RUN_URL") or None,
            mlflow_url=env.get("AUFRUF_MLFLOW_URL") or None,
            pages_url=env.get("AUFRUF_PAGES_URL") or None,
        )

    def served(self, classifier: str, page: str) -> str | None:
        """Where a page below reports/<classifier>/ is served; None when nobody says that it is."""
        front = self.front(classifier)
        return f"{front}reports/{quote(page)}" if front else None

    def front(self, classifier: str) -> str | None:
        """Where the page of a classifier is served; None when nobody says that it is."""
        return f"{self.pages_url.rstrip('/')}/{quote(classifier)}/" if self.pages_url else None

    def choosing(self, classifier: str) -> str:
        """What advice adds to a command: the option that names this classifier, where there are several."""
        return f" --classifier {classifier}" if len(list(self.classifiers.glob("*.toml"))) > 1 else ""

    @property
    def registry_url(self) -> str:
        """The address of the tracking server that people are shown, without a login and a slash at its end."""
        return without_login(self.mlflow_url or self.tracking_uri)

    @property
    def inbox_annotations(self) -> Path:
        return self.home / "inbox" / "annotations"

    @property
    def inbox_posts(self) -> Path:
        return self.home / "inbox" / "posts"

    @property
    def raw(self) -> Path:
        return self.home / "raw"

    @property
    def mlflow(self) -> Path:
        return self.home / "mlflow"

    @property
    def reports(self) -> Path:
        return self.home / "reports"

    @property
    def airflow(self) -> Path:
        return self.home / "airflow"

    @property
    def runs(self) -> Path:
        """Work folders of trainings in progress; a finished run leaves nothing here."""
        return self.home / "runs"

    @property
    def studies(self) -> Path:
        """The sweeps' studies, a file each, where no ``studies_url`` says that a database has them."""
        return self.home / "studies"

    @property
    def encoders(self) -> Path:
        """The hub-free stand-in encoder, converted once."""
        return self.home / "encoders"

    @property
    def bundles(self) -> Path:
        """Registered models as fetched from the registry, one folder a version, verified on each load."""
        return self.home / "bundles"

    @property
    def sampled(self) -> Path:
        """A file that is there when the demo's invented campaign is among the data."""
        return self.home / "demo"

    @property
    def embedded_registry(self) -> bool:
        """True when MLflow's database is the file under ``home``, reached with or without the server."""
        if self.registry_file is not None:
            return self.registry_file.resolve() == (self.mlflow / "mlflow.db").resolve()
        parsed = urlparse(self.tracking_uri)
        return parsed.hostname in {"127.0.0.1", "localhost"} and parsed.port == self.mlflow_port

    @property
    def registry_file(self) -> Path | None:
        """MLflow's database, where ``tracking_uri`` names a SQLite file."""
        if not self.tracking_uri.startswith(_SQLITE):
            return None
        return Path(self.tracking_uri.removeprefix(_SQLITE).partition("?")[0])

    @property
    def registry_unmade(self) -> bool:
        """True while that file is not there: who only looks must not make it."""
        return self.registry_file is not None and not self.registry_file.exists()


def whole_path(name: str, base: Path) -> str:
    """A name written as a path (``./NAME``, ``~/NAME``, ``/PATH``) as a whole one, from ``base`` on; others as is."""
    return str((base / Path(name).expanduser()).resolve()) if name.startswith((".", "/", "~")) else name


def without_login(url: str) -> str:
    """An address that people may be shown: without name and password, and without a slash at its end."""
    return re.sub(r"(?<=://)[^/@]*@", "", url).rstrip("/")


def _lake(written: str) -> str:
    kind, mark, _ = written.partition("://")
    if mark and kind.lower() not in _LAKES:
        raise UsageError(
            f"AUFRUF_LAKE names no storage that can hold tables: {kind}://",
            next=f"Name a folder, or begin with {', '.join(f'{one}://' for one in _LAKES)}.",
        )
    if mark:
        return written
    folder = Path(written).expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise UsageError("AUFRUF_LAKE is no folder", where=str(folder), next="Name a folder; it may be a new one.")
    if re.search("%[0-9A-Fa-f]{2}", str(folder)):  # Delta Lake's library reads it as the character of that code
        raise UsageError(
            "tables cannot lie under a name with % and two hex digits",
            where=str(folder),
            next="Rename the folder, or have the tables elsewhere: AUFRUF_LAKE.",
        )
    return str(folder)


def _tracking(written: str) -> str:
    cure = "Write http://HOST:PORT, or sqlite:////PATH/mlflow.db for a file."
    try:
        _ = urlsplit(written).port
    except ValueError as error:
        raise UsageError(f"MLFLOW_TRACKING_URI is no address: {error}", next=cure) from None
    kind, mark, _ = written.partition("://")
    if not mark or kind.lower().partition("+")[0] not in _SERVERS:
        raise UsageError("MLFLOW_TRACKING_URI is no address of a tracking server", next=cure)
    if not written.startswith(_SQLITE):
        return written
    file, mark, options = written.removeprefix(_SQLITE).partition("?")
    return f"{_SQLITE}{Path(file).absolute()}{mark}{options}"


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    written = env.get(name) or str(default)
    if not (written.isdecimal() and 0 < int(written) < 65536):
        raise UsageError(f"{name} is not a port: {written!r}", next="Give a number from 1 to 65535.")
    return int(written)


def _postgresql(env: Mapping[str, str], name: str) -> str | None:
    written = env.get(name) or None
    if written and not written.startswith(("postgresql:", "postgresql+")):
        raise UsageError(
            f"{name} is no address of a PostgreSQL database", next="Write postgresql://USER@HOST/DATABASE."
        )
    return written
