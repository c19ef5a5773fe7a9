"""Versions and aliases in MLflow's model registry, and the local copies that are loaded."""

import logging
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from aufruf.errors import AufrufError, BundleRefused, NothingYet, UsageError
from aufruf.hosts import age
from aufruf.release.server import client, stored
from aufruf.release.tracking import Run
from aufruf.settings import Settings

log = logging.getLogger(__name__)
_RUN = re.compile(r"[0-9a-f]{32}")
_FETCHING, _DAY = ".fetch-", 86400.0
_SHOWN = 10  # versions that an error names
CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"


@dataclass(frozen=True)
class Version:
    """A registered version: its number, the run it came from, where its files lie, and its tags."""

    version: str
    run_id: str
    source: str
    tags: Mapping[str, str]
    created_at: int  # ms since 1970
    description: str = ""  # Markdown

    @property
    def manifest(self) -> str:
        """The digest of the manifest. Raises BundleRefused without one: then nothing says what was registered."""
        found = self.tags.get("aufruf.manifest")
        if not found:
            raise BundleRefused(
                f"version {self.version} was registered without a digest of its files",
                next="Only versions that `aufruf train` registers can speak.",
            )
        return found


class Registry:
    """The registered model of one classifier, of the same name."""

    def __init__(self, settings: Settings, name: str, patience: float | None = None) -> None:
        """``patience``: seconds that each call waits for a server that is away; None: as long as a night can."""
        self.client, self.name, self.settings = client(settings, patience), name, settings

    def register(
        self,
        run: Run,
        source: str,
        tags: Mapping[str, Any],
        description: str = "",
        taken: Collection[str] = (),
    ) -> Version:
        """Register the files at ``source`` as the next version and give it the alias challenger.

        What a run has registered before it was killed is not registered again, and takes the alias from no newer one;
        its tags become those of the files that lie there now. ``taken``: numbers that stand for other versions
        elsewhere, which no new one gets.
        """
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        kept = {key: str(value) for key, value in tags.items() if value is not None}
        made = self.client.wait(lambda: self._register_once(run.id, source, kept, description, taken))
        self.tag(str(made.version), {key: value for key, value in kept.items() if made.tags.get(key) != value})
        before = self.by_alias(CHALLENGER)
        if before is None or int(before.version) < int(made.version):
            self.point(CHALLENGER, str(made.version))
        return self.get(str(made.version))

    def _register_once(
        self, run_id: str, source: str, tags: Mapping[str, str], description: str, taken: Collection[str]
    ) -> Any:
        """The version of a run. One whose number is taken is deleted and made again: MLflow never gives it twice."""
        inner, last = self.client.inner, 0
        while True:
            made = self._registered_by(run_id) or inner.create_model_version(
                self.name, source, run_id, tags=tags, description=description, await_creation_for=0
            )
            number = str(made.version)
            if number not in taken or number in self.named():  # an alias: it was registered whole, and is in use
                return made
            if int(number) <= last:
                raise AufrufError(
                    f"MLflow gives number {number} again, which the lake knows as that of another version",
                    where=self.name,
                    next="Bring the old registry back, or give the classifier file another name.",
                )
            log.warning("%s: number %s is that of another version in the lake, the next is taken", self.name, number)
            inner.delete_model_version(self.name, number)
            last = int(number)

    def _registered_by(self, run_id: str) -> Any:
        """The version that a run has made, not a copy of it; None where there is none."""
        found = self.client.inner.search_model_versions(f"name = '{self.name}' and run_id = '{run_id}'")
        return min(found, key=lambda one: int(one.version), default=None)

    def named(self) -> set[str]:
        """Versions that any alias points to."""
        try:
            return {str(version) for version in self.client.get_registered_model(self.name).aliases.values()}
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return set()

    def point(self, alias: str, version: str) -> None:
        self.client.set_registered_model_alias(self.name, alias, version)

    def tag(self, version: str, tags: Mapping[str, Any]) -> None:
        for key, value in tags.items():
            self.client.set_model_version_tag(self.name, version, key, str(value))

    def describe(self, version: str, description: str) -> None:
        """Set what MLflow's page of a version says."""
        self.client.update_model_version(self.name, version, description)

    def by_alias(self, alias: str) -> Version | None:
        """The version an alias points to at this moment, or None."""
        try:
            return as_version(self.client.get_model_version_by_alias(self.name, alias))
        except MlflowException as failure:
            if failure.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise

    def get(self, version: str) -> Version:
        """A version by number, or by alias. Raises UsageError when there is none."""
        number = version.isascii() and version.isdigit() and len(version) < 10
        found = None if number else self.by_alias(version)
        if number:
            try:
                found = as_version(self.client.get_model_version(self.name, version))
            except MlflowException as failure:
                if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
        if found is None:
            raise UsageError(f"{self.name} has no version {version!r}", next=self._what_there_is())
        return found

    def _what_there_is(self) -> str:
        known = [one.version for one in reversed(self.versions())]
        if not known:
            return f"There is none yet: run `aufruf train{self.settings.choosing(self.name)}`."
        rest = f" and {len(known) - _SHOWN} older" if len(known) > _SHOWN else ""
        return f"Known, the newest first: {', '.join(known[:_SHOWN])}{rest}."

    def champion(self) -> Version:
        """The version in use. Raises NothingYet when there is none."""
        found = self.by_alias(CHAMPION)
        if found is None:
            whose = self.settings.choosing(self.name)
            raise NothingYet(
                f"{self.name} has no champion yet",
                next=f"Run `aufruf train{whose}`, `aufruf evaluate{whose}`, `aufruf promote{whose}`.",
            )
        return found

    def run_tags(self, run: str) -> tuple[str, dict[str, str]]:
        """Id and tags of a run of this classifier, named by its id, or by a version or alias that came from it.

        Raises UsageError when there is none.
        """
        run_id = run if _RUN.fullmatch(run) else self.get(run).run_id
        try:
            found = self.client.get_run(run_id)
            experiment = self.client.get_experiment(found.info.experiment_id).name
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            experiment = None
        if experiment != self.name:
            raise UsageError(f"{self.name} has no run {run!r}", next="`aufruf train` and MLflow's pages name runs.")
        return run_id, dict(found.data.tags)

    def versions(self) -> list[Version]:
        """All versions there are, the oldest first."""
        found = map(as_version, self.client.search_model_versions(f"name = '{self.name}'"))
        return sorted(found, key=lambda version: int(version.version))

    def made_of(self, fingerprint: str) -> Version | None:
        """The newest version with this fingerprint of data, recipe and encoder."""
        same = [v for v in self.versions() if v.tags.get("aufruf.fingerprint") == fingerprint]
        return max(same, key=lambda v: int(v.version), default=None)

    def fetch(self, version: Version) -> Path:
        """A local copy of a version's files. Raises BundleRefused when the store has lost them."""
        folder = self._folder(version)
        if not folder.is_dir():
            with self._copied(version) as copied:
                _moved(copied, folder)
        return folder

    def fetch_again(self, version: Version, verify: Callable[[Path], Any]) -> Path:
        """A new local copy in place of the one that is there, once ``verify`` lets it pass.

        Raises BundleRefused when the store has lost the files, and what ``verify`` raises: the old copy stays then.
        """
        folder = self._folder(version)
        with self._copied(version) as copied:
            verify(copied)
            with suppress(FileNotFoundError):  # another process has just moved it
                folder.rename(copied.with_name(".spoilt"))  # goes with the working folder; whoever reads it goes on
            _moved(copied, folder)
        return folder

    def _folder(self, version: Version) -> Path:
        return self.settings.bundles / self.name / f"{version.version}-{version.run_id[:8]}"

    @contextmanager
    def _copied(self, version: Version) -> Iterator[Path]:
        """The files in a folder that is gone afterwards, unless it was moved away. Raises BundleRefused."""
        beside = self.settings.bundles / self.name
        beside.mkdir(parents=True, exist_ok=True)
        for left in beside.glob(f"{_FETCHING}*"):  # by a process that was killed; no download takes a day
            if age(left) > _DAY:
                shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=beside, prefix=_FETCHING) as work:
            try:
                copied = Path(self._download(version, work))
            except (MlflowException, OSError) as failure:
                raise BundleRefused(
                    f"the files of version {version.version} cannot be fetched ({type(failure).__name__})",
                    where=self.name,
                    next="Restore the artifact store, or move the alias to another version.",
                ) from failure
            yield copied

    def place(self, version: Version) -> str:
        """Where the files lie: of a version that was copied in MLflow those of the first one."""
        return str(self.client.get_model_version_download_uri(self.name, version.version))

    def _download(self, version: Version, folder: str) -> str:
        place = {"artifact_uri": self.place(version), "dst_path": folder, "tracking_uri": self.settings.tracking_uri}
        try:
            with stored():
                return str(download_artifacts(**place))
        except (MlflowException, OSError):
            self.place(version)  # a server that went away in the middle is waited for
            with stored():
                return str(download_artifacts(**place))

    def url(self, version: Version) -> str | None:
        """Where the run is shown, when the tracking server has pages and still knows the run."""
        if not self.settings.registry_url.startswith("http"):
            return None
        try:
            experiment = self.client.get_run(version.run_id).info.experiment_id
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        return f"{self.settings.registry_url}/#/experiments/{experiment}/runs/{version.run_id}"


def _moved(copied: Path, folder: Path) -> None:
    try:
        copied.rename(folder)
    except OSError:  # another process was faster; moving into its folder would spoil it
        if not folder.is_dir():
            raise


def as_version(found: Any) -> Version:
    """What MLflow's client found."""
    return Version(
        version=str(found.version),
        run_id=found.run_id,
        source=found.source,
        tags=dict(found.tags),
        created_at=int(found.creation_timestamp),
        description=found.description or "",
    )
