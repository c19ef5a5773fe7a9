"""One embedded MLflow (SQLite, no server) for all tests; each test has an experiment and a model of its own."""

import hashlib

import pytest

from aufruf.release.registry import Registry
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings


@pytest.fixture(scope="session")
def settings(tmp_path_factory) -> Settings:
    return Settings.load(tmp_path_factory.mktemp("registry"), env={})


@pytest.fixture
def name(request) -> str:
    return "c_" + hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:10]


@pytest.fixture
def tracker(settings, name) -> Tracker:
    return Tracker(settings, name)


@pytest.fixture
def registry(settings, name) -> Registry:
    return Registry(settings, name)


@pytest.fixture
def register(registry, tracker, tmp_path):
    """Register a small folder as the next version."""

    def make(content: str = "weights", **tags):
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / "model.safetensors").write_text(content)
        with tracker.run("train", {}, {}) as run:
            return registry.register(run, run.artifacts(folder, "model"), tags)

    return make
