"""Every run is ended, whatever happens in it, and long values and many metrics pass."""

import pytest

from aufruf.errors import AufrufError, TrainingFailed
from aufruf.release.tracking import SweepJournal, Tracker


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


def test_trials_are_nested_and_ended(tracker):
    """Each trial is a run under the sweep's, FINISHED or FAILED, with a tag that says whether it was pruned."""
    with tracker.run("sweep", {}, {}) as parent:
        journal = SweepJournal(tracker, parent)
        journal.trial(0, {"epochs": 2}, [{"f1": 0.5}], "FINISHED")
        journal.trial(1, {"epochs": 4}, [{"f1": 0.1}], "PRUNED")
        journal.trial(2, {"epochs": 6}, [], "FAILED")
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
