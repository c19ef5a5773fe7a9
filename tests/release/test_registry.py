"""Versions and aliases, with MLflow's real registry on SQLite."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from urllib.parse import urlparse

import pytest

from aufruf.errors import AufrufError, BundleRefused, NothingYet, UsageError
from aufruf.release.artifacts import copies
from aufruf.release.registry import CHALLENGER, CHAMPION, Registry, as_version


def test_a_registered_version_is_the_challenger(registry, register):
    """Each registration is the next number, keeps its tags, and takes the alias challenger."""
    first = register(**{"aufruf.manifest": "abc", "aufruf.none": None, "aufruf.bf16": True})
    assert (first.version, first.manifest, registry.by_alias(CHALLENGER)) == ("1", "abc", registry.get("1"))
    assert dict(first.tags) == {"aufruf.manifest": "abc", "aufruf.bf16": "True"}
    assert register().version == "2"
    assert registry.by_alias(CHALLENGER).version == "2"
    assert registry.by_alias(CHAMPION) is None


def test_one_run_registers_one_version(registry, tracker, tmp_path):
    """Whoever was killed after the version was made registers no second; an answer that was lost makes no second."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "a.json").write_text("a")
    with tracker.run("train", {}, {}) as run:
        source = run.artifacts(tmp_path / "model", "model")
        whole, made = registry.client.inner.create_model_version, []

        def lost(*args, **options):
            made.append(whole(*args, **options))
            raise ConnectionError("reset by peer")

        registry.client.inner.create_model_version = lost
        first = registry.register(run, source, {"aufruf.fingerprint": "f"})
        again = registry.register(run, source, {"aufruf.fingerprint": "f"})
    assert (first.version, again.version, len(made)) == ("1", "1", 1)
    assert registry.by_alias(CHALLENGER).version == "1"


def test_registering_again_takes_the_alias_from_no_newer_one(registry, register, tracker, tmp_path):
    """A registration that is taken up late leaves the challenger as it is when a newer version came meanwhile."""
    first = register()
    second = register()
    made = registry.register(tracker.attach_if_there(first.run_id), first.source, {})
    assert (made.version, registry.by_alias(CHALLENGER).version) == ("1", second.version)


def test_registering_again_tells_of_the_files_that_lie_there(registry, register, tracker):
    """Files written anew by a registration that is taken up have another manifest: the version's tag follows."""
    first = register("weights", **{"aufruf.manifest": "before", "aufruf.encoder": "e"})
    made = registry.register(tracker.attach_if_there(first.run_id), first.source, {"aufruf.manifest": "after"})
    assert (made.version, made.manifest, made.tags["aufruf.encoder"]) == (first.version, "after", "e")


def test_a_description_is_kept_and_replaced(registry, tracker, tmp_path):
    """A version has the description it is registered with until another is set."""
    (tmp_path / "model").mkdir()
    with tracker.run("train", {}, {}) as run:
        made = registry.register(run, run.artifacts(tmp_path / "model", "model"), {}, "# a card")
    assert made.description == "# a card"
    registry.describe(made.version, "measured")
    assert registry.get(made.version).description == "measured"


def test_without_a_champion_it_is_said(registry, register):
    """No model, no version, or an alias that was deleted: there is no champion yet, and the way to one is named."""
    with pytest.raises(NothingYet, match=r"has no champion yet.*aufruf promote"):
        registry.champion()
    register()
    registry.point(CHAMPION, "1")
    registry.client.delete_registered_model_alias(registry.name, CHAMPION)
    with pytest.raises(NothingYet, match="has no champion yet"):
        registry.champion()


def test_numbers_that_are_taken_are_passed_over(registry, tracker, tmp_path):
    """A version gets the first number that is free, the ones before it are deleted; registering again changes none."""
    (tmp_path / "model").mkdir()
    with tracker.run("train", {}, {}) as run:
        source = run.artifacts(tmp_path / "model", "model")
        made = [registry.register(run, source, {"aufruf.manifest": "m"}, taken={"1", "2", "4"}) for _ in range(2)]
    assert [one.version for one in made] == ["3", "3"]
    assert [one.version for one in registry.versions()] == ["3"]
    assert (registry.by_alias(CHALLENGER).version, made[0].manifest) == ("3", "m")


def test_a_taken_number_that_was_given_before_a_kill_is_given_back(registry, tracker, tmp_path):
    """Killed between making a version and deleting it, the next try deletes it; one that an alias names stays."""
    (tmp_path / "model").mkdir()
    with tracker.run("train", {}, {}) as run:
        source = run.artifacts(tmp_path / "model", "model")
        registry.client.create_registered_model(registry.name)
        registry.client.create_model_version(registry.name, source, run.id)
        assert registry.register(run, source, {}, taken={"1"}).version == "2"
        assert registry.register(run, source, {}, taken={"1", "2"}).version == "2"
    assert [one.version for one in registry.versions()] == ["2"]


def test_a_registry_that_gives_a_number_twice_is_refused(registry, tracker, tmp_path):
    """MLflow counts on after a deletion; where it does not, that is said, and there is no end without one."""
    (tmp_path / "model").mkdir()
    whole, inner = registry.client.inner.create_model_version, registry.client.inner

    def anew(*args, **options):
        inner.delete_registered_model(registry.name)
        inner.create_registered_model(registry.name)
        return whole(*args, **options)

    inner.create_model_version = anew
    with tracker.run("train", {}, {}) as run, pytest.raises(AufrufError, match="gives number 1 again"):
        registry.register(run, run.artifacts(tmp_path / "model", "model"), {}, taken={"1"})


def test_an_unknown_version_names_those_there_are(registry, register):
    """The newest ten by number, and how many are older; without any, the command that makes one."""
    with pytest.raises(UsageError, match=r"has no version '7'\. There is none yet: run `aufruf train`\."):
        registry.get("7")
    for _ in range(12):
        register()
    with pytest.raises(UsageError, match=r"the newest first: 12, 11, 10, 9, 8, 7, 6, 5, 4, 3 and 2 older\."):
        registry.get("99")


@pytest.mark.parametrize("version", ["99", "0", "no_such_alias", "", "v1", "²", "9" * 30, "a b", "-1"])
def test_an_unknown_version_is_wrong_usage(registry, register, version):
    """A number or an alias that is not there is answered in words."""
    register()
    with pytest.raises(UsageError, match=r"has no version"):
        registry.get(version)


def test_a_deleted_version_is_unknown(registry, register):
    """A version deleted in MLflow is gone, by number and by alias."""
    register()
    registry.point(CHAMPION, "1")
    registry.client.delete_model_version(registry.name, "1")
    with pytest.raises(UsageError, match="has no version '1'"):
        registry.get("1")
    with pytest.raises(NothingYet):
        registry.champion()


def test_an_alias_is_a_version(registry, register):
    """Whoever asks by alias gets the version it points to at this moment."""
    register(), register()
    registry.point("mine", "1")
    assert registry.get("mine").version == "1"
    registry.point("mine", "2")
    assert registry.get("mine").version == "2"


def test_the_newest_of_what_was_made_of_the_same(registry, register):
    """A fingerprint finds the newest version made of it, tenth after ninth, and nothing else."""
    for n in range(11):
        register(**{"aufruf.fingerprint": "same" if n in (1, 9) else f"other{n}"})
    assert registry.made_of("same").version == "10"
    assert registry.made_of("unheard of") is None


def test_tags_are_written_and_read(registry, register):
    """What an evaluation writes on a version is there for the next step."""
    register()
    registry.tag("1", {"aufruf.metrics": '{"f1": 0.8}', "aufruf.test_rows": 5})
    assert registry.get("1").tags["aufruf.metrics"] == '{"f1": 0.8}'
    assert registry.get("1").tags["aufruf.test_rows"] == "5"


def test_fetching_copies_once(registry, register, settings):
    """A version's files are copied under home/bundles, named after version and run; the second time none are."""
    version = register("first")
    folder = registry.fetch(version)
    assert folder == settings.bundles / registry.name / f"1-{version.run_id[:8]}"
    assert (folder / "model.safetensors").read_text() == "first"
    stamp = folder.stat().st_mtime_ns
    assert registry.fetch(version) == folder
    assert folder.stat().st_mtime_ns == stamp
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_what_a_killed_fetch_has_left_is_removed(registry, register, settings):
    """The half copy of a process that was killed goes with the next fetch, a day later; one under way stays."""
    beside = settings.bundles / registry.name
    for name, days in ((".fetch-old", 2), (".fetch-young", 0)):
        (beside / name / "model").mkdir(parents=True)
        os.utime(beside / name, (time.time() - days * 86400,) * 2)
    registry.fetch(register())
    assert [one.name for one in beside.glob(".fetch-*")] == [".fetch-young"]


def test_a_copy_in_mlflow_is_fetched_as_what_it_was_copied_from(registry, register, tmp_path, monkeypatch):
    """The files of a copy, and of its copy, are the first one's; no database is made in the working folder."""
    monkeypatch.chdir(tmp_path)
    version = register("first")
    for _ in range(2):
        registry.client.copy_model_version(f"models:/{registry.name}/{version.version}", f"{registry.name}-staging")
        version = as_version(registry.client.copy_model_version(f"models:/{registry.name}-staging/1", registry.name))
    assert (version.version, version.source) == ("3", f"models:/{registry.name}-staging/1")
    assert (registry.fetch(version) / "model.safetensors").read_text() == "first"
    assert not list(tmp_path.glob("*.db"))


def test_files_of_copies_are_looked_into_once(registry, register, tmp_path, monkeypatch):
    """Whoever looks through all files finds those of a version once, however often it was copied."""
    monkeypatch.chdir(tmp_path)
    version = register("first")
    registry.client.copy_model_version(f"models:/{registry.name}/1", registry.name)
    assert [place for place, _ in copies(registry, {".safetensors"})] == [f"{version.source}/model.safetensors"]
    assert [path for _, path in copies(registry, {".csv"})] == [None]
    assert not list(tmp_path.glob("*.db"))


def test_a_copy_is_replaced_by_a_sound_one_only(registry, register):
    """The new files take the place of the old ones once they pass; else the old ones stay, and nothing beside them."""
    version = register("first")
    folder = registry.fetch(version)
    (folder / "model.safetensors").write_text("spoilt")

    def refuse(_: Path) -> None:
        raise BundleRefused("no better")

    with pytest.raises(BundleRefused, match="no better"):
        registry.fetch_again(version, refuse)
    assert (folder / "model.safetensors").read_text() == "spoilt"
    assert registry.fetch_again(version, lambda copied: copied / "model.safetensors") == folder
    assert (folder / "model.safetensors").read_text() == "first"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_run_that_is_gone_has_no_page(registry, settings, tracker, register):
    """With pages to show, a run that MLflow no longer knows gives no link, and a known one does."""
    shown = Registry(replace(settings, mlflow_url="http://127.0.0.1:5000"), registry.name)
    version = register()
    assert shown.url(version).endswith(version.run_id)
    assert shown.url(replace(version, run_id="0" * 32)) is None


def test_lost_files_are_refused_in_words(registry, register):
    """When the artifact store has lost a version, that is said with what to do, and no half copy stays."""
    version = register()
    shutil.rmtree(urlparse(version.source).path)
    with pytest.raises(BundleRefused, match=r"the files of version 1 cannot be fetched.*Restore the artifact store"):
        registry.fetch(version)
    assert list((registry.settings.bundles / registry.name).iterdir()) == []


def test_several_may_fetch_at_once(registry, register, settings):
    """Whoever fetches one version at one moment gets the same sound copy, with nothing foreign in it."""
    version, ready = register("x" * 1_000_000), Barrier(4)

    def fetch(_: int) -> Path:
        mine = Registry(settings, registry.name)
        ready.wait()
        return mine.fetch(version)

    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(fetch, range(4)))
    [folder] = folders
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*")] == ["model.safetensors"]
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
