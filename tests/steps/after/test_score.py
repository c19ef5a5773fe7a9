"""Every text is scored exactly once by each version that is asked, by the files that were registered."""

import os
import shutil
from collections import Counter
from pathlib import Path
from urllib.parse import urlparse

import pytest

from aufruf.data.identity import digest
from aufruf.errors import BundleRefused, NothingYet, UsageError
from aufruf.release.registry import CHAMPION
from aufruf.steps.score import score


def test_only_what_is_new_is_scored(after):
    """After the nights nothing is left; one new text is scored, that one alone, and then again nothing is left."""
    before = after.store.count("predictions")
    [text_id] = after.posts("Kommt alle zum Infostand!")
    found = score(after.settings, after.classifier)
    assert (found["model_version"], found["scored"], found["already_scored"]) == ("1", 1, before)
    assert [row["text_id"] for row in after.predictions(text_id=text_id)] == [text_id]
    again = score(after.settings, after.classifier)
    assert (again["scored"], again["already_scored"], again["status"]) == (0, before + 1, "nothing to do")


def test_an_edited_text_is_scored_again(after):
    """A text that reads differently is another input: its new wording is scored, the old answer stays on record."""
    [text_id] = after.posts("Das war ein Fest")
    score(after.settings, after.classifier)
    after.posts("Geht am Sonntag wählen!")
    assert score(after.settings, after.classifier)["scored"] == 1
    assert {row["digest"] for row in after.predictions(text_id=text_id)} == {
        digest("Das war ein Fest"),
        digest("Geht am Sonntag wählen!"),
    }


def test_another_version_scores_beside(after, turned):
    """--model VERSION scores everything by that version too; the champion's rows are untouched."""
    champions = after.predictions(model_version="1")
    after.register_again(turned)
    found = score(after.settings, after.classifier, "2")
    assert (found["model_version"], found["already_scored"]) == ("2", 0)
    assert found["scored"] == after.store.count("texts") == len(after.predictions(model_version="2"))
    assert after.predictions(model_version="1") == champions
    one, other = (
        {row["text_id"]: row["probabilities"]["call"] for row in after.predictions(model_version=version)}
        for version in ("1", "2")
    )
    at = float(after.registry.get("1").tags["aufruf.threshold"])  # what was above it is as far below
    odds = [one[text] / (1 - one[text]) * other[text] / (1 - other[text]) for text in one]
    assert odds == pytest.approx([(at / (1 - at)) ** 2] * len(odds), rel=0.05)


def test_an_alias_moved_by_hand_is_followed(after, turned):
    """Whoever moves the alias in MLflow decides who scores, and that version is written on each row."""
    version = after.register_again(turned)
    after.registry.point(CHAMPION, "2")
    [text_id] = after.posts("Kommt alle zum Infostand!")
    assert score(after.settings, after.classifier)["model_version"] == "2"
    [row] = after.predictions(text_id=text_id)
    assert (row["model_version"], row["run"]) == ("2", version.run_id)


def test_a_row_is_complete(after):
    """Each row has a probability for every label, adding up to 1, its run, and whether it is sure."""
    [text_id] = after.posts("Kommt alle zum Infostand!")
    score(after.settings, after.classifier)
    [row] = after.predictions(text_id=text_id)
    threshold = float(after.registry.get("1").tags["aufruf.threshold"])
    assert list(row["probabilities"]) == ["no_call", "call"]
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert row["label"] == ("call" if row["probabilities"]["call"] >= threshold else "no_call")
    assert row["confident"] == (abs(row["probabilities"]["call"] - threshold) >= 0.1)
    assert row["run"] == after.registry.get("1").run_id


def test_odd_texts_are_scored_too(after):
    """One word, emoji, nothing but space, 1,400 words: each gets its row."""
    ids = after.posts("CSU", "🗳️", " ", "wählen " * 1400, "\u202egnp.exe", "<script>alert(1)</script>", "' or 1=1 --")
    found = score(after.settings, after.classifier)
    assert (found["scored"], found["refused"]) == (len(ids), 0)
    assert Counter(row["text_id"] for row in after.predictions(text_id=ids)) == Counter(ids)


def test_shards_cover_everything(after):
    """In shards of two texts the same rows come out."""
    scoring = after.classifier.scoring.model_copy(update={"shard_size": 2})
    ids = after.posts(*(f"Kommt zum Infostand Nummer {n}" for n in range(5)))
    assert score(after.settings, after.classifier.model_copy(update={"scoring": scoring}))["scored"] == 5
    assert len(after.predictions(text_id=ids)) == 5


def test_output_that_is_no_number_is_quarantined(after, spoilt):
    """A version that answers NaN writes no prediction: the texts are counted as refused and lie in quarantine."""
    after.register_again(spoilt)
    found = score(after.settings, after.classifier, "2")
    assert (found["scored"], found["refused"]) == (0, after.store.count("texts"))
    assert after.predictions(model_version="2") == []
    rows = after.store.read("quarantine", {"file": "score:call_to_action:2"})
    assert len(rows) == found["refused"]
    assert set(rows["reasons"]) == {"the model's output is not a number"}
    score(after.settings, after.classifier, "2")
    assert after.store.count("quarantine", {"file": "score:call_to_action:2"}) == found["refused"]


def artifact(after, name: str = "model.safetensors") -> Path:
    return Path(urlparse(after.registry.get("1").source).path) / name


def test_weights_changed_in_the_store_are_refused(after):
    """One changed byte in the artifact store: nothing is scored by that version, and nothing is written."""
    shutil.rmtree(after.settings.bundles)
    raw = bytearray(artifact(after).read_bytes())
    raw[-1] ^= 1
    artifact(after).write_bytes(raw)
    after.posts("Kommt alle zum Infostand!")
    before = after.store.version("predictions")
    with pytest.raises(BundleRefused, match=r"model\.safetensors was changed"):
        score(after.settings, after.classifier)
    assert after.store.version("predictions") == before


def test_a_changed_local_copy_is_refused(after):
    """The copy under home is verified at every use; where the store has no better one, nothing is scored."""
    [folder] = (after.settings.bundles / after.classifier.name).iterdir()
    for spoilt in (folder, artifact(after).parent):
        (spoilt / "config.json").write_text("{}")
    after.posts("Kommt alle zum Infostand!")
    with pytest.raises(BundleRefused, match=r"config\.json was changed"):
        score(after.settings, after.classifier)


def test_lost_files_are_refused(after):
    """A champion whose files are gone is said in words; nothing else is used in its stead."""
    shutil.rmtree(after.settings.bundles)
    shutil.rmtree(artifact(after).parent)
    after.posts("Kommt alle zum Infostand!")
    with pytest.raises(BundleRefused, match="the files of version 1 cannot be fetched"):
        score(after.settings, after.classifier)


def test_without_a_champion_nothing_is_scored(after):
    """A deleted alias is NothingYet; a version that is not there is wrong usage."""
    after.registry.client.delete_registered_model_alias("call_to_action", CHAMPION)
    with pytest.raises(NothingYet, match="has no champion yet"):
        score(after.settings, after.classifier)
    with pytest.raises(UsageError, match="has no version '7'"):
        score(after.settings, after.classifier, "7")


def test_two_at_once_score_each_text_once(after, forks):
    """Two processes that score the same texts leave one prediction of each."""
    ids = after.posts(*(f"Kommt zum Infostand Nummer {n}" for n in range(40)))
    env = {**os.environ, "AUFRUF_CLASSIFIERS": str(after.settings.classifiers)}
    command = "import sys; from aufruf.cli import main; sys.exit(main(sys.argv[1:]))"
    both = [forks.start(command, "score", "--home", after.settings.home, env=env) for _ in range(2)]
    assert [forks.wait(one) for one in both] == [0, 0]
    assert Counter(row["text_id"] for row in after.predictions(text_id=ids)) == Counter(ids)
