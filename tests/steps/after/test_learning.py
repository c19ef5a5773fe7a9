"""The steps sweep, train and evaluate, called again on a home where they have run."""

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aufruf.data import agreement
from aufruf.errors import AufrufError, NothingYet, TrainingFailed, UsageError
from aufruf.model.encoders import resolve
from aufruf.model.evaluation import Judged, measure, one_hot
from aufruf.release.registry import CHALLENGER
from aufruf.release.tracking import Tracker
from aufruf.settings import Settings
from aufruf.steps import corpus, label
from aufruf.steps.evaluate import answers, evaluate
from aufruf.steps.sweep import study_name, sweep
from aufruf.steps.train import train
from aufruf.store import Store


def test_a_sweep_is_continued(after, nights):
    """With the same budget nothing runs; with one trial more one runs, in the same study."""
    before = nights.results[0]["sweep"]
    assert sweep(after.settings, after.classifier)["status"] == "unchanged"
    found = sweep(after.settings, after.classifier, trials=3)
    assert (found["study"], found["trials"], found["status"]) == (before["study"], 3, "new")
    assert found["best_value"] >= before["best_value"]


def test_what_a_study_depends_on_names_it(after):
    """Another metric, another space or another label is another study; another budget is not."""
    frame, here = corpus.labelled(after.settings, after.classifier), after.settings.encoders

    def name(classifier=after.classifier, rows=frame):
        return study_name(classifier, rows, resolve(classifier.encoder, here))

    search = after.classifier.sweep
    space = after.classifier.model_copy(update={"sweep": search.model_copy(update={"epochs": (1,)})})
    budget = after.classifier.model_copy(update={"sweep": search.model_copy(update={"trials": 99, "minutes": 1.0})})
    other = "no_call" if frame["label"][0] == "call" else "call"
    turned = frame.assign(label=[other, *frame["label"][1:]])
    assert name(budget) == name()
    assert len({name(), name(space), name(after.gate(metric="macro_f1")), name(rows=turned)}) == 4


def test_what_the_hub_has_anew_is_another_study_of_the_same_search(after):
    """Values of two encoders are not mixed; the first trial is the best of before. A folder's is another search."""
    frame = corpus.labelled(after.settings, after.classifier)
    found = resolve(after.classifier.encoder, after.settings.encoders)

    def name(revision):
        return study_name(after.classifier, frame, replace(found, revision=revision))

    hub, folder = [name(one) for one in ("beef", "cafe")], [name(f"sha256:{one}") for one in ("beef", "cafe")]
    assert (len({*hub, *folder, name(None)}), name("beef")) == (5, hub[0])
    assert hub[0].rpartition("-")[0] == hub[1].rpartition("-")[0] == name(None).rpartition("-")[0]
    assert folder[0].rpartition("-")[0] != folder[1].rpartition("-")[0]


def test_a_threshold_or_another_positive_makes_another_version(after):
    """What a version answers depends on them, so with other ones it is not the same that is there already."""
    fixed = after.classifier.model_copy(
        update={"scoring": after.classifier.scoring.model_copy(update={"threshold": 0.9})}
    )
    turned = after.classifier.model_copy(update={"positive": "no_call"})
    found = [train(after.settings, one) for one in (fixed, turned, after.classifier)]
    assert [one["status"] for one in found] == ["new", "new", "unchanged"]
    assert after.registry.get(found[0]["model_version"]).tags["aufruf.threshold"] == "0.9"


def test_a_text_that_reads_otherwise_is_not_learnt_from(after, caplog):
    """Its votes are for other words: until they are decided anew its label belongs to nothing that is there."""
    before = corpus.labelled(after.settings, after.classifier)
    [edited] = after.store.read("texts", {"text_id": before["text_id"][0]}).to_dict("records")
    other = {**edited, "text": "Etwas ganz anderes steht jetzt da", "digest": "d" * 64, "group_id": "g" * 16}
    after.store.put("texts", pd.DataFrame([other]))
    found = corpus.labelled(after.settings, after.classifier)
    assert set(before["text_id"]) - set(found["text_id"]) == {edited["text_id"]}
    assert "1 texts read otherwise" in caplog.text


def test_a_sweep_and_its_training_see_the_same_texts(after):
    """A text that reads otherwise is in neither, so that the training takes what the sweep has found."""
    [edited] = after.store.read("texts", {"text_id": corpus.labelled(after.settings, after.classifier)["text_id"][0]})[
        :1
    ].to_dict("records")
    other = {**edited, "text": "Etwas ganz anderes steht jetzt da", "digest": "d" * 64, "group_id": "g" * 16}
    after.store.put("texts", pd.DataFrame([other]))
    found = sweep(after.settings, after.classifier)
    made = after.registry.get(train(after.settings, after.classifier)["model_version"])
    assert made.tags["aufruf.study"] == found["study"]


def test_labels_that_came_during_a_sweep_do_not_lose_it(after, nights, caplog):
    """The training takes what the last sweep of this search has found, on other texts by now, and says so."""
    swept = nights.results[0]["sweep"]
    labels = after.store.read("labels")
    learnt = set(after.store.read("splits", {"split": "train"})["text_id"])
    row = labels[labels["text_id"].isin(learnt) & labels["label"].notna()].iloc[:1]
    after.store.put("labels", row.assign(label="no_call" if row["label"].iloc[0] == "call" else "call"))
    made = after.registry.get(train(after.settings, after.classifier)["model_version"])
    params = after.registry.client.get_run(made.run_id).data.params
    assert made.tags["aufruf.study"] == swept["study"]
    assert {name: float(params[name]) for name in swept["best"]} == pytest.approx(swept["best"])
    assert "no sweep has seen these texts yet" in caplog.text


def test_the_test_split_is_never_opened_in_training(after, monkeypatch):
    """Other labels on test rows change neither the study nor the model, and none of these texts is trained on."""
    labels = after.store.read("labels")
    tested = set(after.store.read("splits", {"split": "test"})["text_id"])
    mine = labels[labels["text_id"].isin(tested) & labels["label"].notna()]
    after.store.put("labels", mine.assign(label=mine["label"].map({"call": "no_call", "no_call": "call"})))
    assert sweep(after.settings, after.classifier)["status"] == "unchanged"
    assert train(after.settings, after.classifier)["status"] == "unchanged"
    assert evaluate(after.settings, after.classifier)["status"] == "new"
    shown = []

    def looked_at(encoder, names, positive, *rows):
        shown.append([set(part.text_ids) for part in rows[:2]])
        raise TrainingFailed("seen enough")

    for step in ("sweep", "train"):
        monkeypatch.setattr(f"aufruf.steps.{step}.fine_tune", lambda *of, **_: looked_at(*of))
    section = after.classifier.training.model_copy(update={"seed": 1})
    other = after.classifier.model_copy(update={"training": section})
    for learns in (sweep, train):
        with pytest.raises(TrainingFailed):
            learns(after.settings, other)
    dealt, decided = after.store.read("splits"), set(labels[labels["label"].notna()]["text_id"])
    sides = [set(dealt[dealt["split"] == side]["text_id"]) & decided for side in ("train", "validation")]
    assert shown == [sides] * 3, "two trials and a training"


def test_a_new_recipe_makes_a_new_challenger(after):
    """Another seed is another model: it is registered once, as challenger, with all that it was made of.

    What an earlier training left goes, and its run is ended; the work of a classifier whose name begins like this one
    stays.
    """
    theirs = after.settings.runs / f"call_to_action-train-train-{'0' * 12}"
    for folder in (theirs, after.settings.runs / f"call_to_action-train-{'0' * 12}"):
        folder.mkdir(parents=True)
    ours = {"aufruf.step": "train", "aufruf.fingerprint": "0" * 64}
    killed = Tracker(after.settings, "call_to_action").start("train", ours, {})
    section = after.classifier.training.model_copy(update={"seed": 1})
    other = after.classifier.model_copy(update={"training": section})
    made = train(after.settings, other)
    assert (made["model_version"], made["status"]) == ("2", "new")
    assert after.registry.by_alias(CHALLENGER).version == "2"
    assert list(after.settings.runs.glob("call_to_action-*")) == [theirs]
    assert after.registry.client.get_run(killed.id).info.status == "KILLED"
    assert train(after.settings, other) == {**made, "status": "unchanged"}
    run = after.registry.client.get_run(made["run_id"])
    assert (run.info.status, run.data.params["seed"]) == ("FINISHED", "1")
    tags = after.registry.get("2").tags
    assert tags["aufruf.splits_version"] == str(after.store.version("splits"))
    assert tags["aufruf.encoder"] == "tiny-bert"
    assert float(tags["aufruf.threshold"]) == run.data.metrics["threshold"]


def test_a_failed_training_is_told_and_leaves_nothing(after):
    """A label without texts: TrainingFailed, a run that ended FAILED with the reason, no version, no work folder."""
    labels = after.store.read("labels")
    after.store.put("labels", labels.assign(label="no_call"))
    with pytest.raises(TrainingFailed, match="no training text is labelled 'call'"):
        train(after.settings, after.classifier)
    with pytest.raises(TrainingFailed, match="no training text is labelled 'call'"):
        sweep(after.settings, after.classifier)  # at once, not once a trial
    client = after.registry.client
    experiment = client.get_experiment_by_name("call_to_action")
    [run] = client.search_runs([experiment.experiment_id], "attributes.status = 'FAILED'")
    assert "no training text is labelled 'call'" in run.data.tags["failure"]
    assert after.registry.by_alias(CHALLENGER).version == "1"
    assert list(after.settings.runs.glob("train-*")) == []


def test_evaluation_figures_come_from_the_predictions_table(after):
    """Every metric is what the stored predictions of the test rows give; each lies in its interval."""
    found = evaluate(after.settings, after.classifier)
    frame = corpus.labelled(after.settings, after.classifier)
    test = frame[frame["split"] == "test"].set_index("text_id")
    said = [row for row in after.predictions(model_version="1") if row["text_id"] in test.index]
    truth = one_hot(np.array([int(test.loc[row["text_id"], "label"] == "call") for row in said]), 2)
    predicted = one_hot(np.array([int(row["label"] == "call") for row in said]), 2)
    scores = np.array([row["probabilities"]["call"] for row in said])
    expected = measure(Judged(truth, predicted, scores, 1))
    assert {name: one["value"] for name, one in found["metrics"].items()} == pytest.approx(expected)
    assert found["n"] == len(said) == len(test)
    for one in [*found["metrics"].values(), *found["baseline"].values()]:
        assert 0 <= one["low"] <= one["high"] <= 1
        assert all(math.isfinite(value) for value in one.values())


def test_an_evaluation_reads_what_is_said_of_the_test_set_alone(after, monkeypatch):
    """A champion has scored a year of posts: of a million the answers took a gigabyte and more."""
    frame = corpus.labelled(after.settings, after.classifier)
    test, read, seen = frame[frame["split"] == "test"], Store.read, []

    def watched(store, table, *of):
        found = read(store, table, *of)
        seen.extend(found["text_id"] if table == "predictions" else ())
        return found

    monkeypatch.setattr(Store, "read", watched)
    assert len(answers(after.settings, after.classifier, after.registry.get("1"), test)) == len(test)
    assert set(seen) == set(test["text_id"])


def test_an_evaluation_is_written_to_version_and_run(after):
    """The registry's tags, the run's metrics and its artifact say the same."""
    version = after.registry.get("1")
    metrics = json.loads(version.tags["aufruf.metrics"])
    run = after.registry.client.get_run(version.run_id)
    assert run.data.metrics["test_f1"] == metrics["f1"]["value"]
    assert run.data.metrics["baseline_f1"] == json.loads(version.tags["aufruf.baseline"])["f1"]["value"]
    assert "evaluation.json" in [one.path for one in after.registry.client.list_artifacts(version.run_id)]


def test_an_evaluation_is_a_page_with_its_figures(after):
    """Page and evaluation.json lie under the version; the run has pictures; slices in the tag are not small ones."""
    asked = after.classifier.model_copy(
        update={"evaluation": after.classifier.evaluation.model_copy(update={"slice_texts": 10, "slice_positives": 3})}
    )
    found = evaluate(after.settings, asked)
    page = Path(found["page"])
    assert page == after.settings.reports / "call_to_action" / "evaluation" / "1" / "index.html"
    told = json.loads(page.with_name("evaluation.json").read_text("utf-8"))
    assert told["metrics"] == found["metrics"]
    gate = asked.gate
    how = (told["confidence"], told["resamples"], told["seed"])
    assert how == (gate.confidence, gate.resamples, asked.split.seed)
    assert 1 <= told["accounts"] <= told["groups"] <= told["n"]
    assert f"new posts of the same accounts, {told['accounts']} here" in page.read_text("utf-8")
    assert {one["dimension"] for one in told["slices"]} == {"party", "text_type", "post_type", "length", "month"}
    for name in {one["dimension"] for one in told["slices"]}:
        assert sum(one["n"] for one in told["slices"] if one["dimension"] == name) == found["n"]
    kept = {(one["dimension"], one["value"]) for one in told["slices"] if not one["small"]}
    assert kept
    tags = after.registry.get("1").tags
    in_tag = json.loads(tags["aufruf.slices"])
    assert {(name, value) for name, values in in_tag.items() for value in values} == kept
    assert all(set(one) == {"n", "positives", "f1"} for values in in_tag.values() for one in values.values())
    drawn = {one.path for one in after.registry.client.list_artifacts(after.registry.get("1").run_id, "figures")}
    assert {f"figures/test_{name}.png" for name in ("confusion", "precision_recall", "reliability")} <= drawn
    assert 'href="evaluation/1/index.html"' in (page.parents[2] / "index.html").read_text("utf-8")
    page.unlink()
    assert evaluate(after.settings, asked)["status"] == "new"
    assert page.is_file()
    assert evaluate(after.settings, asked)["status"] == "unchanged"


def test_with_a_fixed_threshold_the_baseline_labels_at_it_too(after):
    """The version is measured again then, once, and the gate compares like with like: from 1 on nothing is called."""
    before = evaluate(after.settings, after.classifier)
    scoring = after.classifier.scoring.model_copy(update={"threshold": 1.0})
    asked = after.classifier.model_copy(update={"scoring": scoring})
    found = evaluate(after.settings, asked)
    assert found["status"] == "new"
    assert found["metrics"] == before["metrics"]
    assert before["baseline"]["recall"]["value"] > found["baseline"]["recall"]["value"] == 0
    assert "and labelled from 1.000 on" in Path(found["page"]).read_text("utf-8")
    assert evaluate(after.settings, asked)["status"] == "unchanged"


def test_another_positive_label_is_another_question(after):
    """A version is measured again when the file says of another label that it is the positive one."""
    before, turned = evaluate(after.settings, after.classifier), after.classifier.labels[0]
    asked = after.classifier.model_copy(update={"positive": turned})
    found = evaluate(after.settings, asked)
    assert (found["status"], found["positives"]) == ("new", before["n"] - before["positives"])
    assert found["metrics"]["f1"] != before["metrics"]["f1"]
    assert [evaluate(after.settings, one)["status"] for one in (asked, after.classifier)] == ["unchanged", "new"]


def test_behaviour_is_asked_where_the_file_names_a_suite(after):
    """The tag has passed and asked of each capability, and adds up with the result; without a suite it is empty."""
    assert evaluate(after.settings, after.classifier)["behaviour"] == {}
    asked = after.classifier.model_copy(
        update={"evaluation": after.classifier.evaluation.model_copy(update={"behaviour": "call_to_action"})}
    )
    found = evaluate(after.settings, asked)
    assert found["status"] == "new"
    held = json.loads(after.registry.get("1").tags["aufruf.behaviour"])
    assert held == found["behaviour"]
    assert all(0 <= one["passed"] <= one["of"] for one in held.values())
    assert {"negation", "upper case"} <= set(held)
    assert f"{held['negation']['passed']}</b> of {held['negation']['of']}" in Path(found["page"]).read_text("utf-8")


def test_doubted_labels_go_back_as_tasks(after, turned, tmp_path):
    """A version that turns every answer doubts most labels: the tasks are those texts, without what it said."""
    after.register_again(turned)
    queue = tmp_path / "queue.json"
    found = evaluate(after.settings, after.classifier, "2", queue=queue)
    tasks = [one["data"] for one in json.loads(queue.read_text("utf-8"))]
    frame = corpus.labelled(after.settings, after.classifier).set_index("text_id")
    said = {row["text_id"]: row for row in after.predictions(model_version="2")}
    wrong = {one for one in frame.index[frame["split"] == "test"] if said[one]["label"] != frame.loc[one, "label"]}
    assert {one["text_id"] for one in tasks} == wrong
    assert found["queued"] == found["mismatches"] == len(wrong) > 0
    margin = [said[one["text_id"]]["probabilities"][frame.loc[one["text_id"], "label"]] for one in tasks]
    assert margin == sorted(margin)
    assert {one["why"] for one in tasks} == {"mismatch"}
    assert all(set(one) == {"Text", "Identifier", "Text Type", "text_id", "why", "votes", "held_out"} for one in tasks)
    votes = after.store.read("annotations", {"text_id": tasks[0]["text_id"]})
    assert sum(tasks[0]["votes"].values()) == len(votes)
    with pytest.raises(UsageError, match="a folder"):
        evaluate(after.settings, after.classifier, queue=tmp_path)


def test_any_version_can_be_evaluated(after, turned):
    """--model VERSION measures that one; a version that is not there is wrong usage."""
    after.register_again(turned)
    found = evaluate(after.settings, after.classifier, "2")
    assert (found["model_version"], found["status"]) == ("2", "new")
    assert evaluate(after.settings, after.classifier, "1")["status"] == "unchanged"
    assert found["metrics"]["f1"]["value"] < evaluate(after.settings, after.classifier, "1")["metrics"]["f1"]["value"]
    with pytest.raises(UsageError, match="has no version '9'"):
        evaluate(after.settings, after.classifier, "9")


def test_a_version_that_gives_no_number_fails_loudly(after, spoilt):
    """NaN on the test rows is an error in words, not a metric."""
    after.register_again(spoilt)
    with pytest.raises(AufrufError, match="version 2 gives no number for"):
        evaluate(after.settings, after.classifier, "2")


def test_a_training_that_breaks_off_leaves_nothing(after, tiny_bert, tmp_path):
    """A loss that is no number ends the run in the first epoch: no version, no checkpoint, no work folder."""
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(tiny_bert, tmp_path / "broken-bert"))
    weights = load_file(broken / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    encoder = after.classifier.encoder.model_copy(update={"name": str(broken)})
    with pytest.raises(TrainingFailed, match="the loss is not a number"):
        train(after.settings, after.classifier.model_copy(update={"encoder": encoder}))
    assert after.registry.by_alias(CHALLENGER).version == "1"
    assert [path for path in after.settings.runs.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("step", [sweep, train])
def test_without_a_ledger_there_is_nothing_to_learn(after, tmp_path, step):
    """On an empty home every learning step says which commands come first, and creates no study."""
    empty = Settings.load(tmp_path / "empty", env={"AUFRUF_CLASSIFIERS": str(after.settings.classifiers)})
    with pytest.raises(NothingYet, match=r"no text has a split yet.*aufruf ingest"):
        step(empty, after.classifier)
    assert not empty.studies.exists()


def test_the_model_card_has_the_agreement_of_all_votes(after, nights):
    """Alpha of the texts that stayed undecided too: among decided ones alone annotators agree by construction."""
    card = (after.registry.fetch(after.registry.get("1")) / "README.md").read_text("utf-8")
    votes = label.counting(after.settings, after.classifier)
    decided = after.store.read("labels").dropna(subset=["label"])["text_id"]
    every = agreement.measure(votes, after.classifier.labels)
    some = agreement.measure(votes[votes["text_id"].isin(decided)], after.classifier.labels)
    assert every.alpha == nights.results[0]["label"]["alpha"] != some.alpha
    assert f"Krippendorff's alpha {every.alpha:.2f} " in card
