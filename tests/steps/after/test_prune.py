"""What is old goes when a person says so: never what an alias names, and never more than was said before."""

import os
import shutil
import time
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from aufruf.classifier import Sweep
from aufruf.cli import main
from aufruf.errors import DataRefused
from aufruf.model.leases import FileLeases
from aufruf.model.studies import Studies
from aufruf.model.sweep import Search
from aufruf.phrases import installation
from aufruf.release import artifacts, retention
from aufruf.release.registry import CHAMPION, Registry
from aufruf.release.tracking import Tracker
from aufruf.reports.index import write_index
from aufruf.sections import Retention
from aufruf.steps.prune import prune
from aufruf.steps.score import score

EVERYTHING = {"checkpoints": 0, "runs": 0, "versions": 1, "reports": 0, "tables": 0}


def asking(after, **rules):
    """The classifier with these rules."""
    return after.classifier.model_copy(update={"retention": Retention(**rules)})


def test_it_first_says_what_would_go(after):
    """Without --yes the answer is the same twice, and everything stays."""
    after.register_again()
    after.register_again()
    rules = asking(after, **EVERYTHING)
    said = prune(after.settings, rules)
    assert said["status"] == "would be done"
    assert prune(after.settings, rules) == said
    assert [one.version for one in after.registry.versions()] == ["1", "2", "3"]
    assert (said["versions"], said["runs"]) == (["2"], len(retention.old_runs(after.registry, _now())))
    assert said["bytes"] > artifacts.size_of(after.registry, after.registry.get("2").source) > 0


def test_versions_with_an_alias_stay_and_go_on_speaking(after):
    """The champion (1), the challenger (4) and one that a person named (2) stay; 3 and its files go."""
    for _ in range(3):
        after.register_again()
    after.registry.point("for-the-paper", "2")
    gone, reports = after.registry.get("3"), after.settings.reports / "call_to_action"
    (reports / "evaluation" / "3").mkdir()
    (reports / "evaluation" / "3" / "index.html").write_text("", "utf-8")
    assert "evaluation/3/" in write_index(reports, "call_to_action").read_text("utf-8")
    done = prune(after.settings, asking(after, **EVERYTHING), yes=True)
    assert done["versions"] == ["3"]
    assert [one.version for one in after.registry.versions()] == ["1", "2", "4"]
    assert "evaluation/3/" not in (reports / "index.html").read_text("utf-8")
    assert artifacts.size_of(after.registry, gone.source) == 0
    assert after.registry.by_alias(CHAMPION).version == "1"
    [text_id] = after.posts("Kommt am Samstag alle zum Infostand!")
    assert score(after.settings, after.classifier)["scored"] == 1
    assert after.predictions(text_id=text_id)[0]["model_version"] == "1"


def test_what_a_copy_was_made_of_stays(after):
    """Copied to another model, or to a new version that is champion: the first one and its files stay, and speak."""
    after.register_again()
    third, client, name = after.register_again(), after.registry.client, after.classifier.name
    for number, target in (("2", "production"), ("1", name)):
        client.copy_model_version(f"models:/{name}/{number}", target)
    after.registry.point(CHAMPION, "4")
    client.delete_registered_model_alias(name, "challenger")
    done = prune(after.settings, asking(after, **EVERYTHING), yes=True)
    assert done["versions"] == [third.version]
    assert [one.version for one in after.registry.versions()] == ["1", "2", "4"]
    assert all(artifacts.size_of(after.registry, after.registry.get(number).source) for number in ("1", "2"))
    shutil.rmtree(after.settings.bundles)
    assert score(after.settings, after.classifier)["model_version"] == "4"
    production = Registry(after.settings, "production")
    assert production.fetch(production.get("1")).is_dir()
    assert retention.old_runs(production, _now()) == []


def test_a_copy_that_goes_takes_no_files_along(after, tmp_path, monkeypatch):
    """A spare copy, and a version registered of the same files as another, are deleted; the files stay."""
    monkeypatch.chdir(tmp_path)
    name, client = after.classifier.name, after.registry.client
    first = after.registry.get("1")
    client.copy_model_version(f"models:/{name}/1", name)
    client.create_model_version(name, first.source, first.run_id)
    after.register_again()
    said = prune(after.settings, asking(after, **EVERYTHING | {"runs": None}))
    done = prune(after.settings, asking(after, **EVERYTHING | {"runs": None}), yes=True)
    assert (said["versions"], done["versions"]) == (["2", "3"], ["2", "3"])
    assert artifacts.size_of(after.registry, first.source) > 0
    assert not list(tmp_path.glob("*.db"))


def test_an_alias_given_meanwhile_protects(after):
    """Between looking and deleting somebody names the version: it stays."""
    after.register_again()
    after.register_again()
    [spare] = retention.spare_versions(after.registry, 1)
    after.registry.point("late", spare.version)
    assert not retention.delete_version(after.registry, spare)
    assert after.registry.get(spare.version).source == spare.source


def test_runs_go_but_those_of_versions_and_those_at_work(after):
    """Ended runs without a version go, with their files; a RUNNING one and the champion's stay."""
    tracker = Tracker(after.settings, after.classifier.name)
    at_work = tracker.start("train", {}, {})
    before = {one.run_id for one in retention.old_runs(after.registry, _now())}
    assert before
    done = prune(after.settings, asking(after, **EVERYTHING), yes=True)
    assert done["runs"] == len(before)
    assert retention.old_runs(after.registry, _now()) == []
    assert after.registry.client.get_run(at_work.id).info.status == "RUNNING"
    assert after.registry.client.get_run(after.registry.get("1").run_id).info.lifecycle_stage == "active"


def test_only_work_folders_that_lie_still_go(after):
    """A training's folder in which a file was written today stays; one that lies still for eight days goes."""
    runs, then = after.settings.runs, time.time() - 8 * 86_400
    for name in ("call_to_action-train-old", "call_to_action-train-new", "other-train-old"):
        (runs / name).mkdir(parents=True)
        (runs / name / "checkpoint").write_bytes(b"0" * 1000)
    for path in (runs / "call_to_action-train-old", runs / "other-train-old"):
        os.utime(path / "checkpoint", (then, then))
        os.utime(path, (then, then))
    done = prune(after.settings, asking(after, runs=None, versions=None, tables=None), yes=True)
    assert (done["checkpoints"], done["bytes"]) == (["call_to_action-train-old"], 1000)
    assert sorted(one.name for one in runs.iterdir()) == ["call_to_action-train-new", "other-train-old"]


def test_work_folders_of_a_classifier_with_a_longer_name_stay(after):
    """`call_to_action` does not take `call_to_action-strict-train-old` for its own."""
    [mine] = after.settings.classifiers.glob("*.toml")
    other, then = mine.with_name(f"{mine.stem}-strict.toml"), time.time() - 8 * 86_400
    folder = after.settings.runs / f"{other.stem}-train-old"
    folder.mkdir(parents=True)
    os.utime(folder, (then, then))
    rules = asking(after, runs=None, versions=None, tables=None)
    try:
        other.write_text(mine.read_text("utf-8"), "utf-8")
        assert folder.name not in prune(after.settings, rules)["checkpoints"]
    finally:
        other.unlink()
    assert folder.name in prune(after.settings, rules)["checkpoints"]
    folder.rmdir()


def test_work_folders_stay_while_a_training_may_go_on_in_one(after):
    """Whoever trains holds a lease: nothing is said to go, and nothing goes; afterwards it does."""
    folder, then = after.settings.runs / "call_to_action-train-old", time.time() - 8 * 86_400
    folder.mkdir(parents=True)
    os.utime(folder, (then, then))
    rules = asking(after, runs=None, versions=None, tables=None)
    release = Studies(after.settings.studies).leases.take("train-call_to_action")
    assert prune(after.settings, rules)["checkpoints"] == prune(after.settings, rules, yes=True)["checkpoints"] == []
    assert folder.is_dir()
    release()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileLeases, "take", None)  # who only asks takes no lease
        assert prune(after.settings, rules)["checkpoints"] == [folder.name]
    assert prune(after.settings, rules, yes=True)["checkpoints"] == [folder.name]
    assert not folder.exists()


def test_the_checkpoints_of_a_trial_that_is_being_trained_stay(after):
    """Each trial has a lease of its own: another worker's folder stays, beside it goes what nobody is at work on."""
    study, then = "call_to_action-search-data", time.time() - 8 * 86_400
    folder = after.settings.runs / study
    search = Search(Studies(after.settings.studies), study, Sweep(trials=2), "f1", (1,), folder)
    search.begin(2)
    taken = search.take(None)
    for trial in (folder / "trial-0", folder / "trial-1"):
        trial.mkdir(parents=True)
        (trial / "checkpoint").write_bytes(b"0" * 1000)
    (folder / ".DS_Store").write_bytes(b"0")  # what a desktop leaves
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (then, then))
    rules = asking(after, runs=None, versions=None, tables=None)
    for yes in (False, True):
        done = prune(after.settings, rules, yes=yes)
        assert (done["checkpoints"], done["bytes"]) == ([study], 1001)
    assert [one.name for one in folder.rglob("*")] == ["trial-0", "checkpoint"]
    os.utime(folder, (then, then))
    assert prune(after.settings, rules, yes=True)["checkpoints"] == []
    taken.release()
    assert prune(after.settings, rules, yes=True)["checkpoints"] == [study]
    assert not folder.exists()


def test_a_checkpoint_that_rotates_meanwhile_stops_nothing(after, monkeypatch):
    """A file that is listed, and gone when it is looked at: its folder is in use, and stays."""
    folder, then = after.settings.runs / "call_to_action-train-new", time.time() - 8 * 86_400
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_bytes(b"0")
    os.utime(folder / "checkpoint", (then, then))
    os.utime(folder, (then, then))
    real = Path.rglob

    def listed(self, pattern):
        found = list(real(self, pattern))
        if self == folder:
            (folder / "checkpoint").unlink(missing_ok=True)
        return found

    monkeypatch.setattr(Path, "rglob", listed)
    assert prune(after.settings, asking(after, runs=None, versions=None, tables=None), yes=True)["checkpoints"] == []
    assert folder.is_dir()


def test_drafts_that_killed_steps_have_left_go_after_a_day(after):
    """Also where nothing is too old yet; one that somebody may be writing stays."""
    folder, then = after.settings.reports / after.classifier.name, time.time() - 86_401
    left = folder / "queue" / ".tasks.json.4711"
    left.parent.mkdir(exist_ok=True)
    for path in (left, folder / ".index.html.x7k2"):
        path.write_text("0" * 100, "utf-8")
    os.utime(left, (then, then))
    rules = asking(after, checkpoints=None, runs=None, versions=None, tables=None)
    assert prune(after.settings, rules, yes=True)["report_files"] == ["queue/.tasks.json.4711"]
    assert [path.name for path in folder.rglob(".*")] == [".index.html.x7k2"]


def test_old_days_of_reports_go_from_the_index_too(after):
    """The last day stays, however old; the index names no day that is gone."""
    folder = after.settings.reports / after.classifier.name
    [today] = folder.glob("????-??-??")
    old = folder / (date.fromisoformat(today.name) - timedelta(days=40)).isoformat()
    old.mkdir()
    (old / "index.html").write_text((today / "index.html").read_text("utf-8"), "utf-8")
    done = prune(after.settings, asking(after, runs=None, versions=None, tables=None, reports=30), yes=True)
    assert done["reports"] == [old.name]
    assert not old.exists()
    assert old.name not in (folder / "index.html").read_text("utf-8")
    assert today.name in (folder / "index.html").read_text("utf-8")


def test_old_files_with_texts_go_with_the_reports(after):
    """Exports, what a run saw, the queue and the page on words go by their age; younger ones and others stay."""
    folder, then = after.settings.reports / after.classifier.name, time.time() - 40 * 86_400
    old = ["predictions-1.csv", "as-of-0123abcd.csv", "queue/tasks.json", "words/words.json", "words/index.html"]
    kept = ["predictions-2.csv", "agreement.html"]
    for name in (*old, *kept):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("0" * 100, "utf-8")
        if name != "predictions-2.csv":
            os.utime(folder / name, (then, then))
    [day] = folder.glob("????-??-??/index.html")
    assert "words/index.html" in (linked := day.read_text("utf-8"))
    rules = asking(after, checkpoints=None, runs=None, versions=None, tables=None, reports=30)
    said = prune(after.settings, rules)
    assert (said["report_files"], said["bytes"]) == ([*old[:3], *reversed(old[3:])], 500)
    assert "5 files with texts" in "".join(installation.prune(said))
    assert prune(after.settings, rules, yes=True)["report_files"] == said["report_files"]
    assert [name for name in (*old, *kept) if (folder / name).exists()] == kept
    assert "words/index.html" not in (folder / "index.html").read_text("utf-8")
    assert "words/index.html" not in day.read_text("utf-8"), "no dead link on the days that stay"
    assert day.read_text("utf-8") == linked.replace(' <a href="../words/index.html">Words</a>', "")
    assert prune(after.settings, rules, yes=True)["status"] == "nothing to do"
    assert prune(after.settings, asking(after))["report_files"] == []


def test_old_checks_of_files_go_when_no_classifier_keeps_reports_for_longer(after, tmp_path):
    """They are pages too, and belong to all classifiers; what a younger file was found to be stays."""
    checks, then = after.settings.reports / "checks", time.time() - 40 * 86_400
    checks.mkdir(exist_ok=True)
    before = sorted(checks.iterdir())
    for name in ("0123456789ab.html", "0123456789ab.json"):
        (checks / name).write_text("0" * 100, "utf-8")
        os.utime(checks / name, (then, then))
    rules = {"checkpoints": None, "runs": None, "versions": None, "tables": None}
    assert prune(after.settings, asking(after, **rules))["status"] == "nothing to do"
    said = prune(after.settings, asking(after, **rules, reports=30))
    assert (said["checks"], said["bytes"]) == (2, 200)
    assert "2 files on the checks of what was taken in" in "".join(installation.prune(said))
    other = after.settings.classifiers / "other.toml"
    kept = (after.settings.classifiers / "call_to_action.toml").read_text("utf-8")
    try:
        other.write_text(kept, "utf-8")
        assert prune(after.settings, asking(after, **rules, reports=30))["status"] == "nothing to do"
    finally:
        other.unlink()
    assert prune(after.settings, asking(after, **rules, reports=30), yes=True)["checks"] == 2
    assert sorted(checks.iterdir()) == before


def test_old_versions_of_tables_say_that_they_are_gone(after):
    """After a rewrite the newest version reads as before; an older one is refused with a reason, never half read."""
    rows, old = after.store.read("labels"), after.store.version("labels")
    after.store.put("labels", rows.assign(margin=rows["margin"] / 2))
    done = prune(after.settings, asking(after, runs=None, versions=None, tables=0), yes=True)
    assert done["tables"]["labels"] > 0
    assert len(after.store.read("labels")) == len(rows)
    with pytest.raises(DataRefused, match="kept no longer"):
        after.store.read("labels", version=old)
    assert (
        prune(after.settings, asking(after, runs=None, versions=None, tables=0), yes=True)["status"] == "nothing to do"
    )


def test_what_people_wrote_goes_when_it_is_too_old(after):
    """Of two old posts the one that nobody annotated goes, with all that was said of it; so do originals and rows."""
    store, year = after.store, pd.Timedelta(days=365)
    [new] = after.posts("Ein neuer Text über Radwege und Brücken.")
    texts = store.read("texts")
    store.put("texts", texts[texts["text_id"] != new].assign(collected_at=texts["collected_at"] - year))
    annotated = set(store.read("annotations")["text_id"])
    old = set(texts["text_id"]) - annotated - {new}
    for table in ("files", "quarantine"):
        column = {"files": "ingested_at", "quarantine": "refused_at"}[table]
        rows = store.read(table)
        store.put(table, rows.assign(**{column: rows[column] - year}))
    rules = asking(after, runs=None, versions=None, tables=None, originals=300, texts=300)
    said = prune(after.settings, rules)
    assert (said["texts"], said["originals"]) == (len(old), len(list(after.settings.raw.iterdir())))
    assert old
    assert prune(after.settings, rules, yes=True)["texts"] == len(old)
    assert set(store.read("texts")["text_id"]) == annotated | {new}
    for table in ("predictions", "explanations"):
        assert not set(store.read(table)["text_id"]) & old
    assert (list(after.settings.raw.iterdir()), store.count("quarantine")) == ([], 0)
    assert prune(after.settings, rules, yes=True)["status"] == "nothing to do"


def test_without_a_word_nothing_that_people_wrote_goes(after):
    """The defaults keep originals and texts, and one classifier without a limit keeps them for all."""
    assert {key: prune(after.settings, asking(after))[key] for key in ("originals", "texts", "quarantine")} == {
        "originals": 0,
        "texts": 0,
        "quarantine": 0,
    }


def test_what_another_classifier_keeps_stays(after, tmp_path):
    """Tables are shared: while one classifier keeps them for ever, none of their versions goes."""
    [mine] = after.settings.classifiers.glob("*.toml")
    rows = after.store.read("labels")
    after.store.put("labels", rows.assign(margin=rows["margin"] / 2))
    kept = mine.with_name("keeper.toml")
    try:
        kept.write_text(mine.read_text("utf-8") + "[retention]\ntables = 36500\n", "utf-8")
        assert prune(after.settings, asking(after, runs=None, versions=None, tables=0))["status"] == "nothing to do"
    finally:
        kept.unlink()


def test_the_command_says_it_in_sentences(after, capfd, monkeypatch):
    """By the defaults of a classifier file nothing of two nights is old."""
    monkeypatch.setenv("AUFRUF_CLASSIFIERS", str(after.settings.classifiers))
    assert main(["prune", "--home", str(after.settings.home)]) == 0
    assert "older" in capfd.readouterr().out


def _now() -> int:
    return int(time.time() * 1000) + 1


def test_many_small_files_become_large_ones(after):
    """First it says how many; then the rows are the same, their versions too, and nothing is left to do."""
    for n in range(21):
        after.posts(f"Kommt am Samstag um {n} Uhr alle zum Infostand!", start=100 + n)
    rules, version, before = asking(after, tables=None), after.store.version("texts"), after.store.read("texts")
    said = prune(after.settings, rules)
    assert said["status"] == "would be done"
    assert said["compacted"]["texts"] > 20
    assert "small files that would be written into large ones" in "".join(installation.prune(said))
    assert after.store.version("texts") == version
    assert prune(after.settings, rules, yes=True)["compacted"] == said["compacted"]
    for at in (None, version):
        rows = after.store.read("texts", version=at)
        assert sorted(rows["text_id"]) == sorted(before["text_id"])
    assert prune(after.settings, rules)["compacted"] == {}
