"""The sweep on a home where two nights have passed: in one process, in parts, killed, and with other data."""

import logging
import threading
from dataclasses import replace

import pytest

from aufruf.errors import AufrufError, MemoryFull, TrainingFailed, UsageError
from aufruf.model import resume
from aufruf.model.found import best_of, shares
from aufruf.model.studies import Studies
from aufruf.model.training import fine_tune
from aufruf.release.tracking import Tracker
from aufruf.steps.sweep import Sought, closed, opened, sweep
from aufruf.steps.train import train
from aufruf.steps.trial import trial

KILLED = """
import os, signal, sys
from dataclasses import replace
from aufruf.model import device, resume
from aufruf.cli import main

found = device.find
device.find = lambda: replace(found(), bf16=False)  # as in the tests: with another one the checkpoint would not count

seal = resume.seal
resume.seal = lambda *a: (seal(*a), os.kill(os.getpid(), signal.SIGKILL))
sys.exit(main(["sweep", "--trials", "4", "--json", "--home", sys.argv[1]]))
"""


def searching(classifier, **changed):
    return classifier.model_copy(update={"sweep": classifier.sweep.model_copy(update=changed)})


def states(after) -> dict[str, list[str]]:
    """Step -> the status of each of its runs."""
    found = Tracker(after.settings, after.classifier.name).find("")
    steps = {run.data.tags["aufruf.step"] for run in found}
    return {step: sorted(r.info.status for r in found if r.data.tags["aufruf.step"] == step) for step in steps}


def test_a_sweep_in_parts_is_the_sweep(after, nights, caplog):
    """Opened, tried by workers that each take one trial, and closed, it returns what the whole step returns; of each
    trial the log says which of how many it is."""
    caplog.set_level(logging.INFO, "aufruf")
    before = nights.results[0]["sweep"]
    found = opened(after.settings, after.classifier, trials=4)
    assert (found["study"], found["left"]) == (before["study"], 2)
    told = [trial(after.settings, after.classifier, found["study"], found["at"]) for _ in range(3)]
    assert [one.get("trial") for one in told] == [2, 3, None]
    assert "trial 2 begins, 3 of 4" in caplog.text
    assert told[2] == {"study": before["study"], "status": "nothing to do"}
    result = closed(after.settings, after.classifier, found["study"])
    assert set(result) == set(before) - {"wall_seconds"}
    assert (result["trials"], result["status"]) == (4, "new")
    assert closed(after.settings, after.classifier, found["study"])["status"] == "unchanged"
    assert set(states(after)["sweep"]) == set(states(after)["trial"]) == {"FINISHED"}


@pytest.mark.parametrize("for_good", [False, True])
def test_a_sweep_whose_run_was_deleted_closes(after, for_good):
    """Deleted in MLflow, or gone for good (`mlflow gc`): the sweep is done once, nothing is refused."""
    found = opened(after.settings, after.classifier, trials=3)
    trial(after.settings, after.classifier, found["study"], found["at"])
    client = Tracker(after.settings, after.classifier.name).client
    parent = Studies(after.settings.studies).find(found["study"]).user_attrs["run"]
    client.delete_run(parent)
    if for_good:
        client.inner._tracking_client.store._hard_delete_run(parent)
    told = [closed(after.settings, after.classifier, found["study"])["status"] for _ in range(2)]
    assert told == ["new", "unchanged"]
    assert list(after.settings.mlflow.rglob("*.refused")) == []


def test_a_failure_is_told_though_the_run_was_deleted(after, monkeypatch):
    """What ended the sweep comes out of it, not that its run is gone."""
    tracker = Tracker(after.settings, after.classifier.name)

    def broken(*_args, **_more):
        [run] = tracker.find("tags.`aufruf.step` = 'sweep' and attributes.status = 'RUNNING'")
        tracker.client.delete_run(run.info.run_id)
        tracker.client.inner._tracking_client.store._hard_delete_run(run.info.run_id)
        raise MemoryError("no memory left")

    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", broken)
    with pytest.raises(MemoryError, match="no memory left"):
        sweep(after.settings, after.classifier, trials=3)


def test_two_sweeps_begun_together_have_one_run(after):
    """Both have looked before either opens: the second goes on with the run of the first."""
    before = states(after)["sweep"]
    both = [Sought(after.settings, after.classifier) for _ in range(2)]
    assert [one.open(4) for one in both] == [2, 2]
    assert both[0].runs.parent == both[1].runs.parent
    assert states(after)["sweep"] == sorted([*before, "RUNNING"])


def test_a_second_sweep_waits_for_the_first_value(after, monkeypatch):
    """While another one trains the first trial there is nothing to return yet, and nothing has failed."""
    monkeypatch.setattr("aufruf.steps.sweep._LOOK", 0.1)
    classifier = searching(after.classifier, learning_rate=(2e-3,))
    first = Sought(after.settings, classifier)
    assert first.open(1) == 1
    taken = first.search.take(first.runs)
    with pytest.raises(AufrufError, match="others are still at work") as told:
        closed(after.settings, classifier, first.search.name)
    assert not isinstance(told.value, TrainingFailed)
    waits = threading.Event()
    monkeypatch.setattr("aufruf.steps.sweep.log.warning", lambda *_: waits.set())
    train = threading.Thread(
        target=first.search.run, args=(taken, lambda *_: 0.5 if waits.wait(60) else 0.0, first.runs), daemon=True
    )
    train.start()
    found = sweep(after.settings, classifier, trials=1)
    train.join()
    assert (found["trials"], found["best_value"]) == (1, 0.5)


def test_a_second_sweep_goes_on_where_the_first_one_dies(after, monkeypatch):
    """It has waited for a value that does not come, and trains the trial itself, in the run of the first sweep."""
    classifier = searching(after.classifier, learning_rate=(2e-3,))
    first = Sought(after.settings, classifier)
    first.open(1)
    taken = first.search.take(first.runs)
    monkeypatch.setattr("aufruf.steps.sweep._LOOK", 0.1)
    monkeypatch.setattr("aufruf.steps.sweep.log.warning", lambda *_: taken.release())
    assert sweep(after.settings, classifier, trials=1)["trials"] == 1
    assert set(states(after)["sweep"]) == set(states(after)["trial"]) == {"FINISHED"}


def test_a_second_sweep_goes_on_where_the_first_one_dies_unseen(after, monkeypatch):
    """Between its look for trials and its look for who is at work: nobody is, and the trial is there to be taken."""
    classifier = searching(after.classifier, learning_rate=(2e-3,))
    first = Sought(after.settings, classifier)
    first.open(1)
    taken = first.search.take(first.runs)
    waited, dies = Sought.waited, [taken.release]
    monkeypatch.setattr(Sought, "waited", lambda sought: (dies and dies.pop()()) or waited(sought))
    assert sweep(after.settings, classifier, trials=1)["trials"] == 1


def test_the_sweep_s_run_says_what_was_found(after):
    """Figures, the table of trials, the data seen, the best hyperparameters."""
    found = sweep(after.settings, after.classifier, trials=3)
    tracker = Tracker(after.settings, after.classifier.name)
    run = tracker.find("tags.`aufruf.step` = 'sweep'")[0]
    listed = [
        *tracker.client.list_artifacts(run.info.run_id),
        *tracker.client.list_artifacts(run.info.run_id, "figures"),
    ]
    assert {"trials.json", "figures/parallel_coordinates.png"} <= {one.path for one in listed}
    assert {data.dataset.name for data in run.inputs.dataset_inputs} == {"splits", "labels", "texts", "annotations"}
    assert run.data.tags["best.learning_rate"] == str(found["best"]["learning_rate"])
    assert run.data.metrics["trials"] == 3


def test_a_sweep_of_some_trials_draws_what_matters(after):
    """From four finished trials on, which hyperparameters their values depend on."""
    classifier = searching(after.classifier, pruner="none")
    found = sweep(after.settings, classifier, trials=5)
    weights = shares(Studies(after.settings.studies).find(found["study"]))
    assert sum(weights.values()) == pytest.approx(1)
    tracker = Tracker(after.settings, after.classifier.name)
    run = tracker.find("tags.`aufruf.step` = 'sweep'")[0]
    drawn = {one.path for one in tracker.client.list_artifacts(run.info.run_id, "figures")}
    assert drawn == {"figures/parallel_coordinates.png", "figures/importances.png"}


def test_a_full_gpu_costs_no_trial(after, monkeypatch):
    """The sweep fails, the trial waits with its folder; the next sweep has all trials, each in one run, FINISHED."""
    before, whole = states(after)["trial"], fine_tune

    def full(*of, **more):
        def told(epoch, row):
            of[-1](epoch, row)
            raise MemoryFull("the memory does not hold a single text")

        return whole(*of[:-1], told, **more)

    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", full)
    with pytest.raises(MemoryFull):
        sweep(after.settings, after.classifier, trials=3)
    assert (states(after)["sweep"].count("FAILED"), states(after)["trial"]) == (1, sorted([*before, "KILLED"]))
    assert list(after.settings.runs.glob("*/trial-2/run"))
    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", whole)
    assert sweep(after.settings, after.classifier, trials=3)["trials"] == 3
    assert (set(states(after)["sweep"]), states(after)["trial"]) == ({"FINISHED"}, sorted([*before, "FINISHED"]))


def test_minutes_that_are_over_leave_the_rest_undone(after):
    """A trial that comes too late does nothing and says so; the sweep closes with what it has."""
    classifier = searching(after.classifier, minutes=1e-9)
    found = opened(after.settings, classifier, trials=5)
    assert found["left"] == 3
    assert trial(after.settings, classifier, found["study"], found["at"])["status"] == "nothing to do"
    assert closed(after.settings, classifier, found["study"])["trials"] == 2
    assert sweep(after.settings, after.classifier, trials=5)["trials"] == 5, "the next night goes on"


def test_a_sweep_is_not_mixed_with_another(after):
    """A worker whose classifier file is no longer the one of the sweep does nothing, and says what to do."""
    found = opened(after.settings, after.classifier, trials=3)
    other = searching(after.classifier, epochs=(1,))
    with pytest.raises(UsageError, match="changed while the sweep was on its way"):
        trial(after.settings, other, found["study"], found["at"])
    labels = after.store.read("labels")
    after.store.put("labels", labels.iloc[:1].assign(label="call"))
    assert trial(after.settings, after.classifier, found["study"], found["at"])["state"] == "FINISHED"


def test_a_killed_sweep_goes_on_from_its_checkpoint(after, forks, monkeypatch):
    """kill -9 of `aufruf sweep` after an epoch: called again it has the trials asked for, and no run stays open."""
    place = {"AUFRUF_CLASSIFIERS": str(after.settings.classifiers), "HF_HUB_OFFLINE": "1", "PATH": "/usr/bin:/bin"}
    assert forks.run(KILLED, after.settings.home, env=place) == -9
    assert list(after.settings.runs.glob("*/trial-2/seed-0/checkpoints/*/aufruf.json"))
    assert states(after)["sweep"] == ["FINISHED", "RUNNING"]
    begun, epochs = [], resume.epochs
    monkeypatch.setattr(resume, "epochs", lambda known, *of: (begun.append(known is not None), epochs(known, *of))[1])
    found = sweep(after.settings, after.classifier, trials=4)
    assert (found["trials"], found["status"]) == (4, "new")
    assert begun == [True, False], "the first from its checkpoint, the other from nothing"
    assert states(after)["sweep"] == ["FINISHED"] * 2
    assert states(after)["trial"] == ["FINISHED"] * 4
    assert [path for path in after.settings.runs.rglob("*") if path.is_file()] == []


def test_new_labels_begin_with_the_best_of_the_night_before(after, nights):
    """One label more is another study: its first trial is the configuration that was best, its values are its own."""
    before = nights.results[0]["sweep"]
    labels = after.store.read("labels")
    learnt = set(after.store.read("splits", {"split": "train"})["text_id"])
    row = labels[labels["text_id"].isin(learnt) & labels["label"].notna()].iloc[:1]
    after.store.put("labels", row.assign(label="no_call" if row["label"].iloc[0] == "call" else "call"))
    found = sweep(after.settings, after.classifier)
    assert found["study"].rpartition("-")[0] == before["study"].rpartition("-")[0]
    assert (found["study"] != before["study"], found["trials"]) == (True, 2)
    study = Studies(after.settings.studies).find(found["study"])
    assert study.trials[0].params == before["best"]


def test_several_seeds_are_logged(after):
    """With two seeds the value of a trial is the mean of two trainings, both of which MLflow shows."""
    classifier = searching(after.classifier, seeds=2, trials=1)
    found = sweep(after.settings, classifier)
    [run] = Tracker(after.settings, classifier.name).find(
        f"tags.`aufruf.study` = '{found['study']}' and metrics.value > 0"
    )
    client = Tracker(after.settings, classifier.name).client
    values = [point.value for point in client.get_metric_history(run.info.run_id, "seed_value")]
    assert len(values) == 2
    assert found["best_value"] == pytest.approx(sum(values) / 2)


def test_a_sweep_without_any_value_fails_loudly(after, monkeypatch):
    """When every trial fails, so does the sweep, in words, and again when it is called again; its run is FAILED."""

    def hopeless(*_args, **_more):
        raise TrainingFailed("the loss is not a number")

    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", hopeless)
    classifier = searching(after.classifier, epochs=(1,))
    for _ in range(2):
        with pytest.raises(TrainingFailed, match="no trial of the sweep reported a finite objective") as told:
            sweep(after.settings, classifier)
        assert "`aufruf sweep --trials 3`, or more" in told.value.next
    assert states(after)["sweep"].count("FAILED") == 1
    assert states(after)["trial"].count("FAILED") == 2
    with pytest.raises(TrainingFailed) as told:
        sweep(after.settings, classifier, trials=1000)
    assert "All configurations were tried" in told.value.next


def test_the_night_after_a_fault_tries_anew(after, monkeypatch):
    """A driver that fails ends trials, and the sweep; the next one tries as many as were asked for."""
    whole = fine_tune

    def broken(*_args, **_more):
        raise RuntimeError("CUDA error: unspecified launch failure")

    classifier = searching(after.classifier, epochs=(1,))
    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="CUDA"):
            sweep(after.settings, classifier)
    monkeypatch.setattr("aufruf.steps.sweep.fine_tune", whole)
    assert sweep(after.settings, classifier)["trials"] == classifier.sweep.trials
    assert set(states(after)["sweep"]) == {"FINISHED"}


def test_a_study_in_postgresql_serves_the_training(after, studies_url):
    """With AUFRUF_STUDIES the search is kept in the database, nothing of it under home, and `train` takes its best."""
    settings = replace(after.settings, studies_url=studies_url)
    classifier = searching(after.classifier, learning_rate=(2e-3,))
    files = set(settings.studies.iterdir())
    found = sweep(settings, classifier)
    assert (found["trials"], found["status"], set(settings.studies.iterdir())) == (2, "new", files)
    assert best_of(Studies(settings.studies, studies_url), found["study"]) == (found["best"], found["study"])
    assert train(settings, classifier)["status"] == "new"
    run = Tracker(settings, classifier.name).find("tags.`aufruf.step` = 'train'")[0]
    assert run.data.params["learning_rate"] == "0.002"
