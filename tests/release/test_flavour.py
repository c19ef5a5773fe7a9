"""What makes a bundle a model for MLflow."""

import json
import logging

import mlflow
import pytest
from mlflow.models import Model

from aufruf.errors import BundleRefused
from aufruf.release import flavour


@pytest.fixture
def folder(tracker, tmp_path):
    """The files, written for one run."""
    with tracker.run("train", {}, {}) as run:
        flavour.write(tmp_path, run, "some.module", ["probability_no_call", "probability_call"])
        yield tmp_path, run


@pytest.fixture
def by_name(settings):
    """MLflow told where everything is; else it makes a database of its own where the tests run."""
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    yield
    mlflow.set_tracking_uri(None)
    mlflow.set_registry_uri(None)


def fetched(folder, name, version):
    (folder / "registered_model_meta").write_text(f"model_name: {name}\nmodel_version: '{version}'\n")
    return flavour.registered_manifest(folder)


def test_one_run_writes_the_same_bytes(folder):
    """A registration that is taken up makes no other files than the one that was cut off."""
    path, run = folder
    before = {one.name: one.read_bytes() for one in path.iterdir()}
    flavour.write(path, run, "some.module", ["probability_no_call", "probability_call"])
    assert {one.name: one.read_bytes() for one in path.iterdir()} == before
    assert set(before) == {"MLmodel", "input_example.json", "requirements.txt", "python_env.yaml"}


def test_mlflow_reads_what_was_written(folder):
    """MLmodel names the loader and nothing pickled; example and signature fit each other; versions are exact."""
    path, run = folder
    model = Model.load(str(path))
    loads = model.flavors["python_function"]
    assert (loads["loader_module"], set(loads)) == ("some.module", {"loader_module", "python_version", "env"})
    assert model.run_id == run.id
    assert model.signature.outputs.input_names() == ["label", "probability_no_call", "probability_call"]
    assert model.load_input_example(str(path))["text"].tolist() == list(flavour.EXAMPLE)
    needed = (path / "requirements.txt").read_text().split()
    assert f"mlflow=={mlflow.__version__}" in needed
    assert all("==" in one and not one.endswith("None") for one in needed)
    assert json.loads((path / "python_env.yaml").read_text())["dependencies"] == ["-r requirements.txt"]


def test_a_version_fetched_by_name_has_the_registrys_digest(by_name, registry, register, tmp_path):
    """Name and number that MLflow leaves in a folder lead to the manifest's digest."""
    register(**{"aufruf.manifest": "abc"})
    assert fetched(tmp_path, registry.name, "1") == "abc"


def test_a_version_without_digest_is_refused(by_name, registry, register, tmp_path):
    """Whoever may write tags could take it away: then nothing says what was registered."""
    register()
    with pytest.raises(BundleRefused, match=r"version 1 was registered without a digest"):
        fetched(tmp_path, registry.name, "1")


def test_any_other_folder_has_none(by_name, registry, tmp_path, caplog):
    """A folder copied by hand has no digest; nor has one that the registry does not know, with a warning."""
    assert flavour.registered_manifest(tmp_path) is None
    with caplog.at_level(logging.WARNING):
        assert fetched(tmp_path, registry.name, "77") is None
    assert "only the manifest is checked" in caplog.text
