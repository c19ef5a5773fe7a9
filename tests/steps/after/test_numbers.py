"""A registry made anew counts from 1 again: no model takes over what the lake holds of another one."""

from dataclasses import replace

import pytest

from aufruf.errors import BundleRefused
from aufruf.release.registry import CHALLENGER, CHAMPION
from aufruf.steps import numbers
from aufruf.steps.champion import champion
from aufruf.steps.evaluate import evaluate
from aufruf.steps.explain import explain
from aufruf.steps.promote import promote
from aufruf.steps.score import score
from aufruf.steps.train import train


@pytest.fixture
def anew(after):
    """Version 1 has spoken; somebody has deleted the registered model with all that was in it."""
    after.registry.client.delete_registered_model(after.classifier.name)
    return after


@pytest.fixture
def collided(after, turned):
    """A version whose number, 1, is that of another one in the lake, registered by a program that did not look."""
    after.register_again(turned)
    made = after.registry.get("2")
    after.registry.client.delete_registered_model(after.classifier.name)
    after.registry.client.create_registered_model(after.classifier.name)
    tags = dict(made.tags)
    after.registry.client.create_model_version(after.classifier.name, made.source, made.run_id, tags=tags)
    after.registry.point(CHALLENGER, "1")
    return after


def test_a_new_model_gets_a_number_that_the_lake_does_not_know(anew):
    """It is measured, judged and scores by itself; what stands under the old number stays as it was."""
    after, old = anew, anew.predictions(model_version="1")
    made = train(after.settings, after.classifier)
    assert (made["model_version"], [one.version for one in after.registry.versions()]) == ("2", ["2"])
    found = promote(after.settings, after.classifier)
    assert (found["verdict"], found["challenger"], found["status"]) == ("first", "2", "new")
    done = score(after.settings, after.classifier)
    assert done["already_scored"] + done["scored"] == after.store.count("texts")
    rows = after.predictions(model_version="2")
    assert {row["run"] for row in rows} == {made["run_id"]}
    assert after.predictions(model_version="1") == old
    assert len(rows) == len(old)


def test_numbers_of_all_tables_are_taken_but_those_of_the_run(after):
    """Predictions, explanations, decisions and champions know numbers; those of the run's own version are free."""
    mine = after.registry.get("1").run_id
    store, name = after.store, after.classifier.name
    rows = store.read("decisions")
    store.add("decisions", rows.assign(challenger="7"))
    store.add("champions", store.read("champions").assign(version="8", since=rows["at"]))
    store.add("explanations", store.read("explanations").assign(model_version="9"))
    store.add("predictions", store.read("predictions").assign(model_version="10", run="another"))
    assert numbers.taken(store, name, "0" * 32) == {"1", "7", "8", "9", "10"}
    assert numbers.taken(store, name, mine) == {"7", "8", "9", "10"}
    assert numbers.taken(store, "other", mine) == set()


def test_a_version_with_a_number_of_another_does_not_speak(collided):
    """Measuring, judging, scoring, explaining and promoting it are refused, each naming the number and the way out."""
    known = (collided.settings, collided.classifier)
    asked = [
        lambda: evaluate(*known),
        lambda: promote(*known),
        lambda: promote(*known, "1"),
        lambda: score(*known, "1"),
        lambda: explain(*known, "Kommt zum Infostand!", model="1"),
    ]
    for step in asked:
        with pytest.raises(BundleRefused, match=r"of another model, of run .* under number 1\. Delete version 1 in"):
            step()
    assert collided.registry.by_alias(CHAMPION) is None


def test_what_it_says_to_do_helps(collided):
    """Deleted as the refusal says, the next training takes a number that is free, and the gate judges it."""
    collided.registry.client.delete_model_version(collided.classifier.name, "1")
    assert train(collided.settings, collided.classifier)["model_version"] == "2"
    assert promote(collided.settings, collided.classifier)["challenger"] == "2"


def test_a_champion_with_a_number_of_another_is_refused(collided, tmp_path):
    """Crowned in MLflow, it answers nothing: no row of the old one counts as its own."""
    collided.registry.point(CHAMPION, "1")
    collided.posts("Kommt alle zum Infostand!")
    before = collided.store.version("predictions")
    with pytest.raises(BundleRefused, match="answers of another model"):
        champion(collided.settings, collided.classifier)
    with pytest.raises(BundleRefused, match="answers of another model"):
        score(collided.settings, collided.classifier)
    assert collided.store.version("predictions") == before
    for name in (collided.classifier.name, "zweite"):  # of several the advice names the one that is meant
        (tmp_path / f"{name}.toml").touch()
    with pytest.raises(BundleRefused, match="`aufruf train --classifier call_to_action`"):
        numbers.check(
            replace(collided.settings, classifiers=tmp_path), collided.classifier.name, collided.registry.get("1")
        )
