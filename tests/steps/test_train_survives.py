"""Training and registering, with the MLflow server gone, and with kill -9 at every moment: one run, one version."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from threading import Timer
from urllib.parse import urlparse

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.sessions import dropped, unreachable

from aufruf.classifier import choose
from aufruf.errors import AufrufError, LeaseLost
from aufruf.model.leases import DatabaseLeases
from aufruf.release import server
from aufruf.release.registry import CHALLENGER, Registry
from aufruf.release.tracking import Run, Tracker
from aufruf.settings import Settings
from aufruf.steps import train as step

# Seconds that the server stays stopped: 8, so that `make test` stays short; the daily check makes it a minute.
AWAY = float(os.environ.get("AUFRUF_TEST_OUTAGE") or 8)
MOMENTS = ["an epoch", "the tuning", "the upload", "the version", "the alias", "the end"]
DYING = """
import os, sys
from dataclasses import replace
from aufruf.classifier import choose
from aufruf.model import bundle, device
from aufruf.release import outbox, registry, tracking
from aufruf.settings import Settings
from aufruf.steps import train

found = device.find
device.find = lambda: replace(found(), bf16=False)  # on a busy machine one process may choose otherwise

def dying(owner, name, before=0):
    whole, calls = getattr(owner, name), []
    def call(*args, **options):
        calls.append(args)
        if len(calls) > before:
            os.kill(os.getpid(), 9)
        return whole(*args, **options)
    setattr(owner, name, call)

{
    "an epoch": lambda: dying(tracking.Run, "epoch", 1),
    "the tuning": lambda: dying(bundle, "seal", 1),
    "the upload": lambda: dying(tracking.Run, "_upload", 2),
    "the version": lambda: dying(registry.Registry, "register"),
    "the alias": lambda: dying(registry.Registry, "point"),
    "the end": lambda: dying(tracking.Run, "end"),
}[sys.argv[1]]()
settings = Settings.load(sys.argv[2], env={"AUFRUF_CLASSIFIERS": sys.argv[3]})
train.train(settings, choose(settings, None))
"""


@pytest.fixture
def home(corpus_home, tmp_path) -> Settings:
    """A copy of that home."""
    shutil.copytree(corpus_home.lake, tmp_path / "home" / "lake")
    return replace(Settings.load(tmp_path / "home", env={}), classifiers=corpus_home.classifiers)


def runs(settings):
    return Tracker(settings, "call_to_action").find("tags.`aufruf.step` = 'train'")


def history(settings, run_id):
    """Steps and values of one metric as they were logged, in the order of their time."""
    points = Tracker(settings, "call_to_action").client.get_metric_history(run_id, "epoch")
    return [(point.step, point.value) for point in sorted(points, key=lambda point: (point.timestamp, point.step))]


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def assert_calibrated_once(settings):
    """The head that goes out is the trained one times the scale, plus the shift, of its card."""
    [work] = settings.runs.iterdir()
    trained, ready = (load_file(work / name / "model.safetensors") for name in ("model", "sealed"))
    held = json.loads((work / "sealed" / "aufruf.json").read_text("utf-8"))["calibration"]
    scale, shift = (np.array(held[key], dtype=np.float32) for key in ("scale", "shift"))
    assert (scale != 1).all()
    assert (ready["classifier.weight"] == trained["classifier.weight"] * scale[:, None]).all()
    assert ready["classifier.bias"] == pytest.approx(trained["classifier.bias"] * scale + shift, abs=1e-6)


@pytest.fixture
def outage(monkeypatch, mlflow_server):
    """Stops the server after the first epoch; it comes back AWAY seconds later."""
    fine_tune, timers = step.fine_tune, []

    def interrupted(*args, **options):
        *rest, on_epoch = args

        def told(epoch, row):
            if epoch == 1:
                mlflow_server.stop()
                timers.append(Timer(AWAY, mlflow_server.start))
                timers[0].start()
            on_epoch(epoch, row)

        return fine_tune(*rest, told, **options)

    monkeypatch.setattr(step, "fine_tune", interrupted)
    yield timers
    for timer in timers:
        timer.join()


def test_a_server_stopped_in_the_middle_of_a_training(home, mlflow_server, outage):
    """The training goes on, waits with the registration, and all of it is there: epochs in order, once, FINISHED."""
    served = replace(home, tracking_uri=mlflow_server.uri)
    begin = time.monotonic()
    made = step.train(served, choose(served, None))
    assert outage
    assert time.monotonic() - begin > AWAY
    [run] = runs(served)
    assert (run.info.status, run.info.run_id, made["model_version"]) == ("FINISHED", made["run_id"], "1")
    assert history(served, run.info.run_id) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    data, client = run.data, Tracker(served, "call_to_action").client
    assert {"best_value", "threshold", "truncated_texts", "system/cpu_utilization_percentage"} <= data.metrics.keys()
    assert data.params["epochs"] == "3"
    assert data.tags["aufruf.manifest"] == Registry(served, "call_to_action").get("1").manifest
    assert {one.dataset.name for one in run.inputs.dataset_inputs} == {"splits", "labels", "texts", "annotations"}
    drawn = {one.path for one in client.list_artifacts(run.info.run_id, "figures")}
    assert drawn == {"figures/learning_curves.png", "figures/validation_confusion.png"}
    kept = json.loads(Path(client.download_artifacts(run.info.run_id, "environment.json")).read_text())
    assert kept["packages"]["torch"].startswith("2.")
    assert kept["cores"] > 0
    assert list((served.mlflow / "outbox").iterdir()) == []


def test_killed_at_every_moment_it_is_one_run_and_one_version(home, forks):
    """kill -9 at an epoch, in tuning and upload, before version, alias and end, one after the other; then it is done.

    One run, FINISHED, each epoch once; one version, which is challenger; no file was uploaded twice; what was trained
    is calibrated once; and of the bytes that a training needs on its way only the registered model is left.
    """
    classifiers = str(home.classifiers)
    uploaded: dict[str, int] = {}
    needed = 0
    for moment in MOMENTS:
        assert forks.run(DYING, moment, home.home, classifiers) == -9, moment
        needed = max(needed, size(home.runs))
        stamps = {
            path.name: path.stat().st_mtime_ns for path in (home.mlflow / "artifacts").glob("*/*/artifacts/model/*")
        }
        assert {name: stamps[name] for name in uploaded} == uploaded
        uploaded = stamps
    assert_calibrated_once(home)
    made = step.train(home, choose(home, None))
    assert made["model_version"] == "1"
    registry = Registry(home, "call_to_action")
    [version] = registry.client.search_model_versions("name = 'call_to_action'")
    assert (registry.by_alias(CHALLENGER).version, str(version.version)) == ("1", "1")
    [run] = runs(home)
    assert (run.info.status, run.info.run_id) == ("FINISHED", version.run_id)
    assert history(home, run.info.run_id) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    model = Path(urlparse(version.source).path)
    assert {path.name: path.stat().st_mtime_ns for path in model.iterdir()} == uploaded
    print(f"bytes on the way {needed}, registered model {size(model)}")
    assert needed > 2 * size(model)  # a checkpoint has the optimizer's state as well
    assert size(home.runs) == 0
    assert [*home.runs.iterdir(), *(home.mlflow / "outbox").iterdir()] == []
    other = run.data.tags | {"aufruf.fingerprint": "0" * 64}  # of texts or a recipe that are others by now
    elsewhere = [Tracker(home, "call_to_action").start("train", tags, {}) for tags in (run.data.tags, other)]
    (home.runs / f"call_to_action-train-{run.data.tags['aufruf.fingerprint'][:12]}").mkdir()
    assert step.train(home, choose(home, None))["status"] == "unchanged"
    assert list(home.runs.iterdir()) == []
    assert [one.info.status for one in runs(home)] == ["KILLED", "KILLED", "FINISHED"]
    assert {one.info.run_id for one in runs(home)} == {run.info.run_id, *(one.id for one in elsewhere)}


def test_two_at_once_train_once(home, forks):
    """Of two processes that train on the same texts the second waits for the first, and finds its version."""
    code = "import sys; from aufruf.cli import main; sys.exit(main(sys.argv[1:]))"
    env = {**os.environ, "AUFRUF_CLASSIFIERS": str(home.classifiers)}
    both = [forks.start(code, "train", "--home", home.home, env=env) for _ in range(2)]
    assert [forks.wait(one) for one in both] == [0, 0]
    assert [one.version for one in Registry(home, "call_to_action").versions()] == ["1"]
    assert [run.info.status for run in runs(home)] == ["FINISHED"]
    assert [*home.runs.iterdir(), *(home.studies / ".leases").iterdir()] == []


@pytest.fixture
def shared(home, studies_url, monkeypatch):
    """``shared(action)``: the home with studies in PostgreSQL; the first epoch of the next training begins with it."""
    served, fine_tune = replace(home, studies_url=studies_url), step.fine_tune

    def first(action):
        def interrupted(*args, **options):
            *rest, on_epoch = args

            def told(epoch, row):
                if epoch == 1:
                    action()
                on_epoch(epoch, row)

            return fine_tune(*rest, told, **options)

        monkeypatch.setattr(step, "fine_tune", interrupted)
        return served

    return first


def test_a_lease_that_the_database_drops_is_held_again(shared, studies_url, monkeypatch):
    """Every session ends at the first epoch: the training goes on, nobody comes between, and ends well."""
    served, held, upload = shared(lambda: dropped(studies_url)), [], Run.artifacts

    def uploaded(*args):
        held.append(DatabaseLeases(studies_url).busy("train-call_to_action"))
        return upload(*args)

    monkeypatch.setattr(Run, "artifacts", uploaded)
    made = step.train(served, choose(served, None))
    assert held == [True]
    assert [(run.info.run_id, run.info.status) for run in runs(served)] == [(made["run_id"], "FINISHED")]
    assert not DatabaseLeases(studies_url).busy("train-call_to_action")


def test_who_has_lost_the_lease_leaves_the_run_to_its_new_owner(shared, studies_url, monkeypatch):
    """Where another took it meanwhile, or may have before the upload, the step fails; the run ends with the next."""
    taken, database, seal = [], DatabaseLeases(studies_url), step.bundle.seal

    def lose():
        dropped(studies_url)
        taken.append(database.take("train-call_to_action"))

    def cut_off(*args):
        dropped(studies_url)
        partition.setattr(DatabaseLeases, "_connect", unreachable)
        return seal(*args)

    served = shared(lose)
    with pytest.raises(LeaseLost, match="train-call_to_action, and it is held by another by now"):
        step.train(served, choose(served, None))
    [run] = runs(served)
    assert (run.info.status, "failure" in run.data.tags, run.data.params["epochs"]) == ("RUNNING", False, "3")
    taken[0]()
    shared(lambda: None)
    with monkeypatch.context() as partition:
        partition.setattr(step.bundle, "seal", cut_off)
        with pytest.raises(LeaseLost, match="cannot be asked"):
            step.train(served, choose(served, None))
    [again] = runs(served)
    assert (again.info.run_id, again.info.status) == (run.info.run_id, "RUNNING")
    assert Registry(served, "call_to_action").versions() == []
    made = step.train(served, choose(served, None))
    [run] = runs(served)
    assert (run.info.run_id, run.info.status, made["model_version"]) == (made["run_id"], "FINISHED", "1")
    assert history(served, run.info.run_id) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert [*served.runs.iterdir(), *(served.mlflow / "outbox").iterdir()] == []


def test_without_a_server_the_trained_model_is_kept(home, mlflow_server, monkeypatch):
    """Where the server stays away the step fails in words; the next one trains nothing and registers what is there."""
    monkeypatch.setattr(server, "PATIENCE", 1.5)
    monkeypatch.setattr("aufruf.release.tracking.END_SECONDS", 0.5)
    served, sealed = replace(home, tracking_uri=mlflow_server.uri), step.bundle.seal
    asked = choose(served, None)
    asked = asked.model_copy(update={"training": asked.training.model_copy(update={"seed": 1})})  # a model of its own

    def stop(folder, card):
        if card.threshold != 0.5:
            mlflow_server.stop()
        return sealed(folder, card)

    with monkeypatch.context() as patched:
        patched.setattr(step.bundle, "seal", stop)
        with pytest.raises(AufrufError, match=r"not answered.*run the command again.*a trained model is kept"):
            step.train(served, asked)
    mlflow_server.start()
    begin = time.monotonic()
    made = step.train(served, asked)
    print(f"second try: {time.monotonic() - begin:.1f} s")
    [run] = [one for one in runs(served) if one.data.params["seed"] == "1"]
    assert (run.info.status, run.info.run_id, "failure" in run.data.tags) == ("FINISHED", made["run_id"], False)
    assert history(served, made["run_id"]) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert size(served.runs) == 0
