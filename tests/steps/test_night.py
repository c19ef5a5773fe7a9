"""The whole night in one process, on a slice of the sample campaign, with a real two-layer BERT."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from aufruf.classifier import choose
from aufruf.errors import NothingYet
from aufruf.release.registry import Registry
from aufruf.steps.night import night
from aufruf.steps.status import status
from aufruf.store import Store

ORDER = ["ingest", "label", "split", "sweep", "train", "evaluate", "promote", "score", "explain", "report"]
CONTRACT = {
    "ingest": {"files"},
    "label": {"labels", "ties", "too_few_votes", "alpha"},
    "split": {"ledger_version", "train", "validation", "test", "groups", "added"},
    "sweep": {"study", "trials", "pruned", "best", "best_value", "status"},
    "train": {"run_id", "model_version", "status"},
    "evaluate": {"model_version", "split", "n", "metrics"},
    "promote": {"verdict", "champion", "challenger", "difference", "reasons"},
    "score": {"model_version", "scored", "already_scored", "refused"},
    "explain": {"model_version", "explained", "seconds"},
    "report": {"path"},
}


def test_the_night_runs_every_step_in_order(nights):
    """One object per step, in the order run, each with the keys other programs rely on."""
    first, second = nights.results
    assert list(first) == list(second) == ORDER
    assert {step: keys - set(first[step]) for step, keys in CONTRACT.items()} == {step: set() for step in ORDER}


def test_the_objects_are_json_without_texts(nights):
    """What a step returns can travel through XCom: JSON, small, and no post text in it."""
    written = json.dumps(nights.results[0])
    texts = Store(nights.settings.lake).read("texts", columns=["text"])["text"]
    assert len(written) < 20_000
    assert [text for text in texts if len(text) > 25 and text in written] == []


def test_the_first_challenger_becomes_champion(nights):
    """With no champion in use, a challenger that passes the gate is the first champion, and the alias says so."""
    promoted = nights.results[0]["promote"]
    champion = Registry(nights.settings, nights.classifier.name).champion()
    assert (promoted["verdict"], promoted["champion"], champion.version) == ("first", "1", "1")


def test_every_text_is_scored_once(nights):
    """Each text has exactly one prediction by the champion's version: those of the test set are not scored twice."""
    store = Store(nights.settings.lake)
    texts, said = store.read("texts", columns=["text_id"]), store.read("predictions")
    assert sorted(said["text_id"]) == sorted(texts["text_id"])
    assert set(said["model_version"]) == {"1"}
    assert all(abs(sum(one.values()) - 1) < 1e-6 for one in said["probabilities"])


def test_the_second_night_finds_nothing_to_do(nights):
    """Nothing came in, so nothing is ingested, labelled, searched, trained, scored or explained again."""
    second = nights.results[1]
    idle = {step: second[step]["status"] for step in ORDER if step != "report"}
    assert set(idle.values()) == {"nothing to do", "unchanged"}, idle
    assert Store(nights.settings.lake).count("decisions") == 1


def test_a_finished_run_leaves_no_work_folder(nights):
    """Checkpoints and trial folders are gone; what remains is the registered model."""
    assert [path for path in nights.settings.runs.rglob("*") if path.is_file()] == []


def test_no_run_stays_open(nights):
    """Every MLflow run has ended: the sweep with its nested trials, and the training."""
    client = Registry(nights.settings, nights.classifier.name).client
    experiment = client.get_experiment_by_name("call_to_action")
    runs = client.search_runs([experiment.experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert (len(runs), len(nested)) == (4, 2)


def test_no_pickle_is_kept(nights):
    """Nothing in the registry or among the local bundles can hold a pickle."""
    kept = [p for folder in ("mlflow", "bundles") for p in (nights.settings.home / folder).rglob("*") if p.is_file()]
    assert any(path.suffix == ".safetensors" for path in kept)
    assert [path for path in kept if path.suffix in {".bin", ".pt", ".pkl", ".pickle", ".pth"}] == []


def test_the_report_names_version_and_calls(nights):
    """The page of the day exists, names the champion, and shows as many explained findings as were explained."""
    page = Path(nights.results[0]["report"]["path"])
    text = page.read_text("utf-8")
    assert page.name == "index.html"
    assert "version 1" in text.lower()
    assert nights.results[0]["explain"]["explained"] == Store(nights.settings.lake).count("explanations")


def test_status_says_what_is_where(nights):
    """Status names the champion with its interval, counts posts nobody annotated, and what comes next."""
    found = status(nights.settings, nights.classifier)
    splits = Store(nights.settings.lake).count("splits")
    texts = Store(nights.settings.lake).count("texts")
    assert found["champion"]["version"] == "1"
    assert set(found["champion"]["metrics"]["f1"]) == {"value", "low", "high"}
    assert found["scored"] == texts - splits
    assert found["next"].startswith("Nothing is due")


def test_the_command_prints_one_json_object(nights):
    """`aufruf explain TEXT --json` prints one object on standard output and nothing else there."""
    env = {**os.environ, "AUFRUF_CLASSIFIERS": str(nights.settings.classifiers)}
    command = ["explain", "Geht am Sonntag wählen!", "--json", "--home", str(nights.settings.home)]
    asked = subprocess.run(
        [sys.executable, "-m", "aufruf.cli", *command],
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    found = json.loads(asked.stdout)
    assert asked.returncode == 0, asked.stderr
    assert {"label", "probabilities", "words", "fit", "stability"} <= set(found)
    assert {word for word, _ in found["words"]} == {"Geht", "am", "Sonntag", "wählen"}


def test_the_inbox_is_everybodys(settings, write_classifier, fill_inbox):
    """The night of one classifier stores the votes for another too; with a broken file they also stay for it."""
    two = write_classifier("zwei") / "zwei.toml"
    two.write_text(two.read_text("utf-8").replace("Call to Action", "Andere Frage"), "utf-8")
    write_classifier("drei", "unknown = 1\n")
    fill_inbox(settings.home, 20)
    waiting = sorted(path.name for path in settings.inbox_annotations.iterdir())
    with pytest.raises(NothingYet) as failure:
        night(settings, choose(settings, "zwei"))
    assert failure.value.done["ingest"]["annotations"] > 0
    assert set(Store(settings.lake).read("annotations")["classifier"]) == {"call_to_action"}
    assert sorted(path.name for path in settings.inbox_annotations.iterdir()) == waiting
    (settings.classifiers / "drei.toml").unlink()
    with pytest.raises(NothingYet):
        night(settings, choose(settings, "zwei"))
    assert not [path for path in settings.inbox_annotations.iterdir() if path.is_file()]
