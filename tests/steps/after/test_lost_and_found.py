"""What somebody has spoilt, deleted or moved in MLflow stops no night, and promotes nobody by chance."""

import json
from pathlib import Path
from urllib.parse import urlparse

from aufruf.release.registry import CHALLENGER, CHAMPION
from aufruf.steps.champion import champion
from aufruf.steps.evaluate import evaluate
from aufruf.steps.promote import promote
from aufruf.steps.score import score
from aufruf.steps.train import train


def test_a_changed_local_copy_is_fetched_once_more(after, caplog):
    """The copy under home is verified at every use; where the store has the files, it is replaced, and kept."""
    [folder] = (after.settings.bundles / after.classifier.name).iterdir()
    sound = (folder / "config.json").read_text("utf-8")
    asking = after.classifier.evaluation.model_copy(update={"behaviour": "call_to_action"})
    measuring = after.classifier.model_copy(update={"evaluation": asking})
    for step in (
        lambda: champion(after.settings, after.classifier),
        lambda: score(after.settings, after.classifier, "1"),
        lambda: evaluate(after.settings, measuring, "1"),
    ):
        (folder / "config.json").write_text("{}", "utf-8")
        assert step()["model_version"] == "1"
        assert (folder / "config.json").read_text("utf-8") == sound
    assert [one.name for one in folder.parent.iterdir()] == [folder.name]
    assert "config.json was changed" in caplog.text


def test_a_champion_speaks_once_its_files_are_back(after, turned):
    """Spoilt files that were fetched meanwhile stand in nobody's way when the store has the sound ones again."""
    version = after.register_again(turned)
    weights = Path(urlparse(version.source).path) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-4] + b"\0\0\0\1")
    after.registry.point(CHAMPION, "2")
    assert score(after.settings, after.classifier)["champion_refused"]["version"] == "2"
    weights.write_bytes(whole)
    assert "champion_refused" not in score(after.settings, after.classifier)
    assert champion(after.settings, after.classifier) == {"model_version": "2"}


def test_a_run_that_is_gone_for_good_stops_no_night(after, caplog):
    """Without the run of a version it is measured and judged all the same, with a warning; so is one deleted only."""
    after.register_again()
    gone = after.registry.get("1").run_id
    after.registry.client.delete_run(after.registry.get("2").run_id)
    after.registry.client.delete_run(gone)
    after.registry.client.inner._tracking_client.store._hard_delete_run(gone)
    found = promote(after.settings, after.gate(resamples=100))
    assert (found["verdict"], found["status"]) == ("kept", "new")
    assert f"run {gone} was deleted in MLflow" in caplog.text
    assert json.loads(after.registry.get("2").tags["aufruf.metrics"])["f1"]["value"] > 0
    assert not list((after.settings.mlflow / "outbox").glob("*.refused"))


def test_the_run_judges_what_it_has_trained(after, turned):
    """Asked for a version by number the gate judges that one, wherever the alias challenger is meanwhile."""
    after.register_again()
    after.register_again(turned)
    found = promote(after.settings, after.classifier, challenger="2")
    assert (found["challenger"], found["champion"], after.registry.by_alias(CHALLENGER).version) == ("2", "1", "3")
    assert after.store.count("decisions", {"challenger": "3"}) == 0


def test_an_experiment_that_was_not_to_be_promoted_is_not(after, turned):
    """A night of nothing new gives the alias challenger back to the version that it returns, and judges that one."""
    after.register_again(turned)
    made = train(after.settings, after.classifier)
    assert (made["model_version"], made["status"]) == ("1", "unchanged")
    assert after.registry.by_alias(CHALLENGER).version == "1"
    assert promote(after.settings, after.classifier)["challenger"] == "1"
    assert after.store.count("decisions", {"challenger": "2"}) == 0
