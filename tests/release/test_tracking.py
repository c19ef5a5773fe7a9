"""Every run is ended, whatever happens in it, and long values and many metrics pass."""

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from aufruf.errors import AufrufError, TrainingFailed
from aufruf.release import system
from aufruf.release.tracking import Tracker
from aufruf.release.trials import SweepRuns


def the_run(tracker):
    [found] = tracker.find("")
    return found


def test_a_run_that_is_done_is_finished(tracker):
    """Parameters, tags, metrics and a table are there, and the run has ended."""
    with tracker.run("train", {"aufruf.step": "train", "aufruf.none": None}, {"epochs": 3}) as run:
        run.history([{"f1": 0.5}, {"f1": 0.7}])
        run.metrics({"threshold": 0.4})
        run.table("evaluation.json", {"n": 3})
    found = the_run(tracker)
    assert (found.info.status, found.info.run_name) == ("FINISHED", "train")
    assert found.data.params == {"epochs": "3"}
    assert found.data.metrics == {"f1": 0.7, "threshold": 0.4}
    assert "aufruf.none" not in found.data.tags
    steps = tracker.client.get_metric_history(run.id, "f1")
    assert [(point.step, point.value) for point in steps] == [(1, 0.5), (2, 0.7)]
    assert [one.path for one in tracker.client.list_artifacts(run.id)] == ["evaluation.json"]


def test_a_run_that_fails_says_why(tracker):
    """What the block raises comes out as it was, and the run ends FAILED with the reason as a tag."""
    with pytest.raises(TrainingFailed), tracker.run("train", {}, {}):
        raise TrainingFailed("the loss is not a number", next="Lower the learning rate.")
    found = the_run(tracker)
    assert found.info.status == "FAILED"
    assert found.data.tags["failure"] == "TrainingFailed: the loss is not a number. Lower the learning rate."


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_a_run_that_is_interrupted_is_killed(tracker, interruption):
    """Ctrl-C and a request to end leave no open run."""
    with pytest.raises(interruption), tracker.run("train", {}, {}):
        raise interruption
    assert the_run(tracker).info.status == "KILLED"


@pytest.mark.parametrize("length", [251, 6000, 20_000])
def test_long_parameters_pass(tracker, length):
    """A value longer than what MLflow once allowed, or allows now, does not end a run."""
    with tracker.run("train", {}, {"id2label": "x" * length}):
        pass
    found = the_run(tracker)
    assert found.info.status == "FINISHED"
    assert found.data.params["id2label"] == "x" * min(length, 6000)


def test_many_metrics_and_parameters_go_out_in_batches(tracker):
    """More metrics and parameters than one request may hold arrive all the same, each once."""
    with tracker.run("train", {}, {f"p{n}": n for n in range(250)}) as run:
        run.history([{"loss": float(step), "f1": step / 1000} for step in range(1000)])
    found = the_run(tracker)
    assert len(found.data.params) == 250
    assert len(tracker.client.get_metric_history(run.id, "loss")) == 1000
    assert found.data.metrics["f1"] == 0.999


def test_trials_are_nested_and_ended(tracker, tmp_path):
    """Each trial is a run under the sweep's, FINISHED or FAILED, with a tag that says whether it was pruned."""
    runs = SweepRuns(tracker, "study")
    parent = runs.begin(None, {})
    for number, state, value in ((0, "FINISHED", 0.5), (1, "PRUNED", None), (2, "FAILED", None)):
        trial = runs.trial(number, {"epochs": 2 + 2 * number}, tmp_path / str(number))
        trial.epoch(1, 1, {"epoch": 1, "f1": 0.5})
        trial.end(state, value)
    parent.end("FINISHED")
    trials = tracker.find(f"tags.mlflow.parentRunId = '{parent.id}'")
    told = {
        one.data.tags["aufruf.trial"]: (one.info.status, one.data.tags["aufruf.pruned"], one.data.params["epochs"])
        for one in trials
    }
    assert told == {
        "0": ("FINISHED", "false", "2"),
        "1": ("FINISHED", "true", "4"),
        "2": ("FAILED", "false", "6"),
    }


def test_artifacts_lie_under_home(tracker, settings, tmp_path, monkeypatch):
    """Without a server nothing is written into the working directory: artifacts lie under home."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text("a")
    with tracker.run("train", {}, {}) as run:
        uri = run.artifacts(tmp_path / "out", "model")
    assert uri.startswith((settings.mlflow / "artifacts").as_uri())
    assert not (tmp_path / "mlruns").exists()


def test_one_experiment_a_name(settings, name):
    """Opening a tracker twice gives the same experiment; a deleted one is said in words."""
    one, again = Tracker(settings, name), Tracker(settings, name)
    assert one.experiment_id == again.experiment_id
    one.client.delete_experiment(one.experiment_id)
    with pytest.raises(AufrufError, match=r"was deleted\. Restore it"):
        Tracker(settings, name)


def test_an_answer_that_was_lost_opens_no_second_run(tracker, monkeypatch):
    """The server makes the run and its answer is lost: the run is found, not made again."""
    whole, calls = tracker.client.inner.create_run, []

    def lost(*args, **options):
        calls.append(whole(*args, **options))
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(tracker.client.inner, "create_run", lost)
    with tracker.run("train", {"aufruf.step": "train"}, {}) as run:
        pass
    assert [one.info.run_id for one in calls] == [run.id]
    assert the_run(tracker).info.status == "FINISHED"


def test_a_ticket_goes_on_with_the_same_run(tracker, tmp_path):
    """While the ticket is there, it is the same run: RUNNING again, its failure forgotten, no epoch or figure twice."""
    ticket = tmp_path / "work" / "run"
    run = tracker.start("train", {}, {"epochs": 3}, ticket=ticket)
    run.history([{"epoch": 1, "f1": 0.5}, {"epoch": 2, "f1": 0.6}])
    run.metrics({"threshold": 0.4})
    run.tag({"failure": "gone"})
    run.end("FAILED")
    with tracker.run("train", {"more": "tags"}, {"epochs": 3}, ticket=ticket) as again:
        assert tracker.client.get_run(again.id).info.status == "RUNNING"
        again.history([{"epoch": epoch, "f1": 0.4 + epoch / 10} for epoch in (1, 2, 3)])
        again.metrics({"threshold": 0.4, "best": 0.7})
    found = the_run(tracker)
    assert (found.info.run_id, found.info.status) == (run.id, "FINISHED")
    assert ("failure" in found.data.tags, found.data.tags["more"]) == (False, "tags")
    assert [point.step for point in tracker.client.get_metric_history(run.id, "f1")] == [1, 2, 3]
    assert len(tracker.client.get_metric_history(run.id, "threshold")) == 1


def test_a_ticket_of_a_run_that_was_deleted_opens_another(tracker, tmp_path):
    """A run that somebody has deleted from the database, or a spoilt ticket, is no obstacle."""
    for written in ("0" * 32, "no run at all"):
        (tmp_path / "run").write_text(written)
        run = tracker.start("train", {}, {}, ticket=tmp_path / "run")
        assert (tmp_path / "run").read_text() == run.id
        run.end("FINISHED")


def test_a_ticket_that_has_no_room_ends_the_run(tracker, tmp_path, monkeypatch):
    """On a full disk no part of a ticket is kept, and the run that nobody could go on with is not left open."""

    def full(_):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space left"):
        tracker.start("train", {}, {}, ticket=tmp_path / "work" / "run")
    assert (the_run(tracker).info.status, (tmp_path / "work" / "run").exists()) == ("FAILED", False)
    assert "no space left" in the_run(tracker).data.tags["failure"]


def test_a_run_can_be_attached_to(tracker):
    """Another process adds to a run, also to one that has ended, and leaves its state as it is."""
    with tracker.run("train", {}, {}) as run:
        pass
    other = tracker.attach_if_there(run.id)
    other.metrics({"test_f1": 0.7})
    other.close()
    found = the_run(tracker)
    assert (found.info.status, found.data.metrics) == ("FINISHED", {"test_f1": 0.7})


def test_an_upload_that_was_cut_off_goes_on(tracker, tmp_path, monkeypatch):
    """Files that have arrived are not sent again; one that has changed since, or another run's, is."""
    folder, sent = tmp_path / "model", []
    (folder / "deep").mkdir(parents=True)
    for name in ("a.json", "b.safetensors", "deep/c.txt"):
        (folder / name).write_text(name)
    whole = tracker.client.inner.log_artifact

    def once(run_id, path, target):
        if len(sent) == 1:
            sent.append("cut")
            raise OSError(28, "No space left on device")
        whole(run_id, path, target)
        sent.append(f"{target}/{Path(path).name}")

    monkeypatch.setattr(tracker.client.inner, "log_artifact", once)
    with tracker.run("train", {}, {}) as run:
        with pytest.raises(AufrufError, match=r"does not take b\.safetensors: .*No space.* Make room there"):
            run.artifacts(folder, "model")
        run.artifacts(folder, "model")
        assert sent == ["model/a.json", "cut", "model/b.safetensors", "model/deep/c.txt"]
        (folder / "a.json").write_text("changed")
        run.artifacts(folder, "model")
        assert sent[4:] == ["model/a.json"]
    with tracker.run("train", {}, {}) as other:
        other.artifacts(folder, "model")
    assert len(sent) == 8


def test_the_machine_is_watched_while_a_run_trains(tracker):
    """Load of processor, memory and disk under the names of MLflow's page, one point a stretch, none after the end."""
    begun = time.monotonic()
    with tracker.run("train", {}, {}) as run, system.watched(run, seconds=0.2):
        time.sleep(0.5)
        run.table("environment.json", system.environment("cpu"))
    stretches = (time.monotonic() - begun) / 0.2
    metrics = the_run(tracker).data.metrics
    expected = {"cpu_utilization_percentage", "system_memory_usage_megabytes", "disk_available_megabytes"}
    assert {f"system/{name}" for name in expected} <= metrics.keys()
    points = tracker.client.get_metric_history(run.id, "system/cpu_utilization_percentage")
    assert 3 <= len(points) <= stretches + 1
    assert sorted({point.step for point in points}) == [point.step for point in points]
    assert "system-metrics" not in [thread.name for thread in threading.enumerate()]


def test_what_cannot_be_measured_is_left_out(tracker, monkeypatch):
    """A machine without network counters, or with nothing that psutil can read, trains all the same."""

    class Absent:
        def __init__(self):
            raise AttributeError("'NoneType' object has no attribute 'bytes_recv'")

    monkeypatch.setattr(system, "_MONITORS", (Absent,))
    with tracker.run("train", {}, {}) as run, system.watched(run, seconds=0.1):
        time.sleep(0.3)
    assert the_run(tracker).data.metrics == {}


def test_the_environment_is_told():
    """Python, packages and hardware, as far as they are there: what a result may depend on."""
    told = system.environment("some GPU")
    assert told["device"] == "some GPU"
    assert told["packages"]["mlflow"].startswith("3.")
    assert set(told["packages"]) == set(system.PACKAGES)
    assert told["cores"] >= 1
    assert told["memory_gb"] > 0.1
    assert told["cpu"]
