"""The page on words is what it should be after each job, also where nothing is left to explain."""

import json
import os
from pathlib import Path

import pytest

from aufruf.release.registry import CHAMPION
from aufruf.sections import Retention
from aufruf.steps import explain as explaining
from aufruf.steps.champion import crown
from aufruf.steps.explain import explain
from aufruf.steps.forget import forget
from aufruf.steps.prune import prune
from aufruf.steps.rollback import rollback
from aufruf.steps.score import score


def nothing(after):
    """The classifier with a policy that chooses no text."""
    none = dict.fromkeys(("calls", "uncertain", "control", "mismatches"), 0)
    return after.classifier.model_copy(update={"explain": after.classifier.explain.model_copy(update=none)})


def folder(after) -> Path:
    return after.settings.reports / after.classifier.name / "words"


def told(after) -> dict:
    return json.loads((folder(after) / "words.json").read_text("utf-8"))


def explained(after, version: str) -> int:
    return after.store.count("explanations", {"classifier": after.classifier.name, "model_version": version})


def is_written_once(after) -> bool:
    """Whether the next job writes the page, and the one after it finds it as it should be."""
    first, second = (explain(after.settings, nothing(after)) for _ in range(2))
    assert [one["status"] for one in (first, second)] == ["nothing to do"] * 2
    assert "page" not in second
    return first.get("page") == str(folder(after) / "index.html")


def test_after_a_job_that_died_behind_its_last_explanation(after, monkeypatch):
    """A retry has nothing to explain, and still tells of what the job before it has stored."""

    def killed(*_):
        raise KeyboardInterrupt

    after.posts("Kommt am Sonntag zum Infostand!", "Wir danken euch allen.")
    score(after.settings, after.classifier)
    before = told(after)["explained"]
    with monkeypatch.context() as patch:
        patch.setattr(explaining, "write_words", killed)
        with pytest.raises(KeyboardInterrupt):
            explain(after.settings, after.classifier, where="author=Ada")
    assert told(after)["explained"] == before < explained(after, "1")
    for other in ({"model": "1"}, {"where": "author=nobody"}, {"dry_run": True}):
        assert "page" not in explain(after.settings, nothing(after), **other)
    assert is_written_once(after)
    assert told(after)["explained"] == explained(after, "1")


def forgotten(after) -> None:
    """Forget somebody whose text is an example."""
    shown = {one["text_id"] for word in told(after)["overall"] for one in word["examples"]}
    texts = after.store.read("texts", {"text_id": sorted(shown)}, ["author"])
    forget(after.settings, [after.classifier], texts["author"].dropna().iloc[0])


def pruned(after) -> None:
    """Prune once the page is a year old."""
    for path in folder(after).iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    rules = after.classifier.model_copy(update={"retention": Retention(reports=30)})
    prune(after.settings, rules, yes=True)


@pytest.mark.parametrize("taken", [forgotten, pruned])
def test_after_the_page_was_taken_away(after, taken):
    """It comes back with the next job, without what is gone; not for a version that has explained nothing."""
    assert (folder(after) / "index.html").is_file()
    taken(after)
    assert not (folder(after) / "index.html").exists()
    assert is_written_once(after)
    assert (told(after)["version"], told(after)["explained"]) == ("1", explained(after, "1"))
    taken(after)
    after.registry.point(CHAMPION, after.register_again().version)
    assert not is_written_once(after)


def test_after_a_rollback(after):
    """The page tells of the version that speaks again."""
    crown(after.settings, after.classifier, after.registry, after.register_again(), "hand")
    score(after.settings, after.classifier)
    explain(after.settings, after.classifier)
    assert told(after)["version"] == "2"
    rollback(after.settings, after.classifier)
    assert is_written_once(after)
    assert (told(after)["version"], told(after)["explained"]) == ("1", explained(after, "1"))
