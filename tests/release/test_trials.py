"""A sweep and its trials as MLflow shows them, whoever opens, goes on with and ends them."""

import itertools
from pathlib import Path

import pytest

from aufruf.release.trials import Setting, SweepRuns

PARAMS = {"epochs": 2}


@pytest.fixture
def runs(tracker) -> SweepRuns:
    """The runs of a sweep that is on its way."""
    made = SweepRuns(tracker, "study")
    made.begin(None, {"trials": 3})
    return made


def ended(tracker) -> dict[str, str]:
    """Name of each run -> its status."""
    return {run.info.run_name: run.info.status for run in tracker.find("")}


def test_trials_are_nested_and_ended(runs, tracker, tmp_path):
    """Each trial is a run under the sweep's, FINISHED or FAILED, with a tag that says whether it was pruned."""
    for number, state in enumerate(("FINISHED", "PRUNED", "FAILED")):
        line = runs.trial(number, PARAMS, tmp_path / str(number))
        line.epoch(1, 1, {"epoch": 1.0, "f1": 0.5})
        line.end(state, 0.5 if state == "FINISHED" else None)
    found = tracker.find(f"tags.mlflow.parentRunId = '{runs.parent}'")
    told = {run.data.tags["aufruf.trial"]: (run.info.status, run.data.tags["aufruf.pruned"]) for run in found}
    assert told == {"0": ("FINISHED", "false"), "1": ("FINISHED", "true"), "2": ("FAILED", "false")}
    assert {run.data.params["epochs"] for run in found} == {"2"}
    assert {run.info.run_name: run.data.metrics.get("value") for run in found} == {
        "trial 0": 0.5,
        "trial 1": None,
        "trial 2": None,
    }


def test_a_trial_is_there_while_it_trains(runs, tracker, tmp_path):
    """Its run is open from its first moment, and has the epochs that are over."""
    line = runs.trial(0, PARAMS, tmp_path)
    line.epoch(1, 1, {"epoch": 1.0, "f1": 0.25})
    line.run.close()
    [found] = tracker.find("tags.`aufruf.step` = 'trial'")
    assert (found.info.status, found.data.metrics["f1"]) == ("RUNNING", 0.25)
    line.end("FINISHED", 0.25)


def test_seeds_have_metrics_of_their_own(runs, tracker, tmp_path):
    """The first seed's epochs are the run's; the others' bear their number, and each seed's value is one point."""
    line = runs.trial(0, PARAMS, tmp_path)
    for seed in (1, 2):
        line.epoch(seed, 1, {"epoch": 1.0, "f1": seed / 10})
        line.seed(seed, seed / 10)
    line.end("FINISHED", 0.15)
    history = tracker.client.get_metric_history
    assert [point.value for point in history(line.run.id, "f1")] == [0.1]
    assert [point.value for point in history(line.run.id, "seed_2.f1")] == [0.2]
    assert [(point.step, point.value) for point in history(line.run.id, "seed_value")] == [(1, 0.1), (2, 0.2)]


def test_a_trial_that_goes_on_has_one_run(runs, tracker, tmp_path):
    """While its work folder is there, a killed trial's run goes on; it ends with all its epochs, each once."""
    line = runs.trial(0, PARAMS, tmp_path)
    for seed in (1, 2):
        line.epoch(seed, 1, {"epoch": 1.0, "f1": 0.1})
    line.end("KILLED", None)
    again = runs.trial(0, PARAMS, tmp_path)
    for seed, epoch in itertools.product((1, 2), (1, 2)):
        again.epoch(seed, epoch, {"epoch": float(epoch), "f1": epoch / 10})
    again.end("FINISHED", 0.2)
    assert again.run.id == line.run.id
    for name in ("f1", "seed_2.f1"):
        assert [point.value for point in tracker.client.get_metric_history(line.run.id, name)] == [0.1, 0.2]
    assert ended(tracker)["trial 0"] == "FINISHED"


@pytest.mark.parametrize("spoilt", [None, b"", b"0a1b", b"\0\xff" * 16])
def test_a_trial_taken_over_elsewhere_ends_its_old_run(runs, tracker, tmp_path, spoilt):
    """Without the work folder, or with a ticket that a full disk has spoilt: a new run, and the old one is KILLED."""
    old = runs.trial(0, PARAMS, tmp_path / "here")
    old.run.close()
    if spoilt is not None:
        (tmp_path / "here" / "run").write_bytes(spoilt)
    new = runs.trial(0, PARAMS, tmp_path / ("there" if spoilt is None else "here"))
    new.end("FINISHED", 0.2)
    assert tracker.client.get_run(old.run.id).info.status == "KILLED"
    assert tracker.client.get_run(new.run.id).info.status == "FINISHED"


def test_a_trial_that_comes_back_ends_the_run_it_had_meanwhile(runs, tracker, tmp_path):
    """Begun here, taken over there, killed there too: here its first run goes on, and the other is not left open."""
    first, second, again = (runs.trial(0, PARAMS, tmp_path / place) for place in ("here", "there", "here"))
    for one in (first, second):
        one.run.close()
    again.end("FINISHED", 0.2)
    assert again.run.id == first.run.id
    status = {one.run.id: tracker.client.get_run(one.run.id).info.status for one in (first, second)}
    assert status == {first.run.id: "FINISHED", second.run.id: "KILLED"}


def test_a_sweep_goes_on_in_its_run(tracker):
    """A sweep that was cut off opens its own run again; one that somebody has deleted is made anew."""
    first = SweepRuns(tracker, "study").begin(None, {})
    first.end("KILLED")
    runs = SweepRuns(tracker, "study")
    assert runs.begin(first.id, {}).id == first.id == runs.parent
    assert ended(tracker) == {"sweep": "RUNNING"}
    tracker.client.delete_run(first.id)
    assert runs.begin(first.id, {}).id not in (first.id, None)


def test_what_is_left_open_by_other_studies_is_ended(tracker, tmp_path: Path):
    """The next sweep ends the runs of studies nobody is at work on, and leaves those of living workers alone."""
    for study in ("dead", "alive", "mine"):
        runs = SweepRuns(tracker, study)
        runs.begin(None, {})
        runs.trial(0, PARAMS, tmp_path / study).run.close()
    SweepRuns(tracker, "mine").end_others(lambda study, number: study == "dead")
    found = tracker.find("")
    assert {run.data.tags["aufruf.study"] for run in found if run.info.status == "KILLED"} == {"dead"}
    assert sum(run.info.status == "RUNNING" for run in found) == 4


def test_a_trial_says_all_that_it_is_made_of(tracker, tmp_path):
    """Its run has the whole recipe, the sweep's tags, the machine, and how each of its trainings went."""
    setting = Setting({"aufruf.git_commit": "c0ffee"}, {"batch_size": 16, "seed": "1, 2"}, "cpu")
    runs = SweepRuns(tracker, "study", setting)
    runs.begin(None, {"trials": 1})
    trial = runs.trial(0, PARAMS, tmp_path / "0")
    for seed in (1, 2):
        trial.trained(seed, {"truncated_texts": 3.0}, b"drawn")
    trial.end("FINISHED", 0.5)
    [run] = tracker.find("tags.`aufruf.step` = 'trial'")
    assert run.data.params == {"batch_size": "16", "seed": "1, 2", "epochs": "2"}
    assert (run.data.tags["aufruf.git_commit"], run.data.metrics["truncated_texts"]) == ("c0ffee", 3.0)
    files = {one.path for folder in (None, "figures") for one in tracker.client.list_artifacts(run.info.run_id, folder)}
    assert {"environment.json", "figures/learning_curves.png", "figures/learning_curves_seed_2.png"} <= files


def test_the_runs_of_a_sweep_name_the_data_that_they_have_seen(tracker, tmp_path):
    """Sweep and trial have each table with its Delta version as an input, once, also where they were cut off."""
    runs = SweepRuns(tracker, "study", Setting(seen={"texts": 3, "labels": 5, "splits": None}))
    known = None
    for state in ("KILLED", "FINISHED"):
        known = runs.begin(known, {}).id
        runs.trial(0, PARAMS, tmp_path).end(state, None)
    found = tracker.find("")
    assert [run.info.run_name for run in found] == ["trial 0", "sweep"]
    for run in found:
        seen = [(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs]
        assert sorted(seen) == [("labels", "5"), ("texts", "3")]
