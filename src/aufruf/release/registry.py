"""Versions and aliases in MLflow's model registry, and the local copies that are loaded."""

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from aufruf.errors import BundleRefused, NothingYet, UsageError
from aufruf.release.server import client
from aufruf.release.tracking import Run
from aufruf.settings import Settings

_RUN = re.compile(r"[0-9a-f]{32}")
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

    def register(self, run: Run, source: str, tags: Mapping[str, Any], description: str = "") -> Version:
        """Register the files at ``source`` as the next version and give it the alias challenger.

        What a run has registered before it was killed is not registered again, and takes the alias from no newer one;
        its tags become those of the files that lie there now.
        """
        try:
            self.client.create_registered_model(self.name)
        except MlflowException as failure:
            if failure.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        kept = {key: str(value) for key, value in tags.items() if value is not None}
        made = self.client.wait(lambda: self._register_once(run.id, source, kept, description))
        self.tag(str(made.version), {key: value for key, value in kept.items() if made.tags.get(key) != value})
        before = self.by_alias(CHALLENGER)
        if before is None or int(before.version) < int(made.version):
            self.point(CHALLENGER, str(made.version))
        return self.get(str(made.version))

    def _register_once(self, run_id: str, source: str, tags: Mapping[str, str], description: str) -> Any:
        for found in self.client.inner.search_model_versions(f"name = '{self.name}' and run_id = '{run_id}'"):
            return found
        return self.client.inner.create_model_version(
            self.name, source, run_id, tags=tags, description=description, await_creation_for=0
        )

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
            raise UsageError(f"{self.name} has no version {version!r}", next="`aufruf status` lists what there is.")
        return found

    def champion(self) -> Version:
        """The version in use. Raises NothingYet when there is none."""
        found = self.by_alias(CHAMPION)
        if found is None:
            raise NothingYet(
                f"{self.name} has no champion yet", next="Run `aufruf train`, `aufruf evaluate`, `aufruf promote`."
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
        folder = self.settings.bundles / self.name / f"{version.version}-{version.run_id[:8]}"
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as work:
            try:
                copied = self._download(version, work)
            except (MlflowException, OSError) as failure:
                raise BundleRefused(
                    f"the files of version {version.version} cannot be fetched ({type(failure).__name__})",
                    where=self.name,
                    next="Restore the artifact store, or move the alias to another version.",
                ) from failure
            try:
                Path(copied).rename(folder)
            except OSError:  # another process was faster; moving into its folder would spoil it
                if not folder.is_dir():
                    raise
        return folder

    def _download(self, version: Version, folder: str) -> str:
        place = {"artifact_uri": version.source, "dst_path": folder, "tracking_uri": self.settings.tracking_uri}
        try:
            return str(download_artifacts(**place))
        except (MlflowException, OSError):
            self.client.get_run(version.run_id)  # a server that went away in the middle is waited for
            return str(download_artifacts(**place))

    def url(self, version: Version) -> str | None:
        """Where the run is shown, when the tracking server has pages."""
        if not self.settings.registry_url.startswith("http"):
            return None
        experiment = self.client.get_run(version.run_id).info.experiment_id
        return f"{self.settings.registry_url}/#/experiments/{experiment}/runs/{version.run_id}"


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
