"""Scoring with kill -9 at random moments, two workers at a time, and zombies: each text once, none missing."""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from aufruf.classifier import Classifier
from aufruf.data.identity import digest, group_id
from aufruf.model import bundle
from aufruf.release.registry import CHAMPION, Registry
from aufruf.release.tracking import Tracker
from aufruf.schemas import Text
from aufruf.settings import Settings
from aufruf.steps import score as step
from aufruf.store import Store

TEXTS, KILLS = 40, 30
FIRST = datetime(2026, 10, 1, tzinfo=UTC)

# Workers are forked, two at a time, from one process that has imported everything. Each dies at a function call of
# ours, chosen at random among as many as an undisturbed scoring of the first texts makes, or some milliseconds later:
# inside what it then does.
KILLER = """
import dataclasses, os, random, sys, threading
import mlflow.artifacts, mlflow.store.model_registry.sqlalchemy_store, mlflow.store.tracking.sqlalchemy_store
from transformers import AutoModelForSequenceClassification, BertForSequenceClassification, PreTrainedTokenizerFast
from aufruf.classifier import choose
from aufruf.settings import Settings
from aufruf.steps import score
from aufruf.store import Store

home, classifiers, lake, spare, kills = *sys.argv[1:5], int(sys.argv[5])
settings = Settings.load(home, env={"AUFRUF_CLASSIFIERS": classifiers, "AUFRUF_LAKE": lake})
classifier = choose(settings, None)

def dying(at, delay):
    calls = 0
    def called(frame, event, _):
        nonlocal calls
        if event != "call" or "/aufruf/" not in frame.f_code.co_filename:
            return
        calls += 1
        if calls == at:
            threading.Timer(delay, os.kill, (os.getpid(), 9)).start() if delay else os.kill(os.getpid(), 9)
    sys.setprofile(called)
    return lambda: calls

def fork(at, delay):
    child = os.fork()
    if child == 0:
        dying(at, delay)
        score.score(settings, classifier)
        sys.setprofile(None)
        os._exit(0)
    return child

def undisturbed():
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count = dying(0, 0)
        score.score(dataclasses.replace(settings, lake=spare), classifier)
        sys.setprofile(None)
        os.write(writing, str(count()).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reading, 20))

most = undisturbed()
print("CALLS", most, flush=True)
killed, round_ = 0, 0
random.seed(5460)
while killed < kills and round_ < 60:
    round_ += 1
    pair = [fork(random.randint(1, most), random.choice([0, 0, 0.002, 0.02])) for _ in range(2)]
    killed += sum(os.waitpid(child, 0)[1] == 9 for child in pair)
    print("ROUND", flush=True)
    if sys.stdin.readline() == "":
        break
print("KILLED", killed)
"""


def register(settings: Settings, tiny_bert: Path, threshold: float) -> str:
    """The tiny BERT with a head that nobody trained, sealed and registered; returns its version."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder = settings.home / "made"
    torch.manual_seed(int(threshold * 100))
    names = {0: "no_call", 1: "call"}
    untrained = AutoModelForSequenceClassification.from_pretrained(
        tiny_bert, num_labels=2, id2label=names, label2id={v: k for k, v in names.items()}
    )
    untrained.save_pretrained(folder)
    AutoTokenizer.from_pretrained(tiny_bert).save_pretrained(folder)
    card = bundle.Card(("no_call", "call"), "call", threshold, 48, "head_tail", "tiny-bert", None, {}, str(threshold))
    tags = {"aufruf.manifest": bundle.seal(folder, card), "aufruf.threshold": threshold}
    registry = Registry(settings, "call_to_action")
    with Tracker(settings, "call_to_action").run("train", {}, {}) as run:
        made = registry.register(run, run.artifacts(folder, "model"), tags)
    shutil.rmtree(folder)
    return made.version


def put(store: Store, numbers: range) -> None:
    """Texts of as many days as there are; every seventh says what another one says."""
    rows = []
    for n in numbers:
        words = f"Kommt zum Infostand Nummer {n - n % 7}"
        at = FIRST + timedelta(days=n)
        about = ("caption", "post", "instagram", "Ada", "SPD", at, at)
        rows.append(Text(f"t{n:04}", f"p{n}", words, *about, digest(words), group_id(words), "f"))
    store.put("texts", rows)


@pytest.fixture(scope="module")
def registered(tmp_path_factory, classifier_toml, tiny_bert) -> Settings:
    """A home with two versions."""
    folder = tmp_path_factory.mktemp("registered")
    (folder / "classifiers").mkdir()
    toml = classifier_toml + "[scoring]\nshard_size = 5\n"
    (folder / "classifiers" / "call_to_action.toml").write_text(toml)
    settings = Settings.load(folder / "home", env={"AUFRUF_CLASSIFIERS": str(folder / "classifiers")})
    for threshold in (0.5, 0.4):
        register(settings, tiny_bert, threshold)
    return settings


@pytest.fixture
def scored_home(tmp_path, registered) -> Settings:
    """That home with a lake of its own: the first version is champion, and nobody has scored the texts."""
    settings = replace(registered, lake=str(tmp_path / "lake"))
    Registry(settings, "call_to_action").point(CHAMPION, "1")
    put(Store(settings.lake), range(TEXTS))
    return settings


@pytest.fixture
def classifier(scored_home) -> Classifier:
    from aufruf.classifier import choose

    return choose(scored_home, None)


def keys(settings: Settings) -> Counter:
    """How often each (text, wording, version) has a prediction."""
    rows = Store(settings.lake).read("predictions")
    return Counter(zip(rows["text_id"], rows["digest"], rows["model_version"], strict=True))


def wanted(settings: Settings, version: str) -> set[tuple[str, str, str]]:
    rows = Store(settings.lake).read("texts", columns=["text_id", "digest"])
    return {(name, mark, version) for name, mark in zip(rows["text_id"], rows["digest"], strict=True)}


def test_30_random_kills_lose_and_double_nothing(scored_home, classifier, tmp_path):
    """Workers die at 30 random moments while texts arrive; the next whole run leaves each text once, none missing.

    In some rounds a part of what was missing is published and a part is not: else the test would prove nothing.
    """
    spare = str(tmp_path / "spare")
    shutil.copytree(scored_home.lake, spare)
    arguments = [str(scored_home.home), str(scored_home.classifiers), scored_home.lake, spare, str(KILLS)]
    killer = subprocess.Popen(
        [sys.executable, "-c", KILLER, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    store, size, seen, killed, growing = Store(scored_home.lake), TEXTS, [], 0, random.Random(1)
    missing = TEXTS
    for line in killer.stdout:
        if line.startswith("KILLED"):
            killed = int(line.split()[1])
        elif line.startswith("ROUND"):
            counts = keys(scored_home)
            seen.append((missing, size - len(counts)))
            assert set(counts.values()) <= {1}
            more = growing.randint(5, 20)
            put(store, range(size, size + more))
            size, missing = size + more, size + more - len(counts)
            killer.stdin.write("\n")
            killer.stdin.flush()
    assert (killer.wait(), killed >= KILLS) == (0, True)
    print("missing before and after each round:", seen)
    assert any(0 < after < before for before, after in seen)
    told = step.score(scored_home, classifier)
    assert told["already_scored"] + told["scored"] == size
    assert keys(scored_home) == Counter(wanted(scored_home, "1"))
    assert step.score(scored_home, classifier)["status"] == "nothing to do"
    assert json.dumps(told)


def test_a_zombie_that_finishes_after_its_replacement_changes_nothing(scored_home, classifier, monkeypatch):
    """A worker that stalls before it publishes, and comes back when another has done everything, adds no row, and
    claims none."""
    publish, stalled = Store.add, []

    def stalling(self, table, rows, allowed=None):
        if table == "predictions" and not stalled:
            stalled.append(len(rows))
            assert step.score(scored_home, classifier)["scored"] == TEXTS
            before = Store(scored_home.lake).read("predictions").sort_values("text_id")["scored_at"].tolist()
            assert publish(self, table, rows) == 0
            after = Store(scored_home.lake).read("predictions").sort_values("text_id")["scored_at"].tolist()
            assert before == after
            return 0
        return publish(self, table, rows)

    monkeypatch.setattr(Store, "add", stalling)
    assert step.score(scored_home, classifier)["scored"] == 0
    assert stalled
    assert keys(scored_home) == Counter(wanted(scored_home, "1"))


def test_a_champion_that_changes_meanwhile_starts_the_next_run(scored_home, classifier, monkeypatch):
    """The alias moves in the middle of a run: the run ends with the version it began with, and says who comes next."""
    publish, registry = Store.add, Registry(scored_home, "call_to_action")

    def moving(self, table, rows, allowed=None):
        registry.point(CHAMPION, "2")
        return publish(self, table, rows)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "add", moving)
        told = step.score(scored_home, classifier)
    assert (told["model_version"], told["scored"]) == ("1", TEXTS)
    assert "version 2 has become champion" in told["next"]
    assert keys(scored_home) == Counter(wanted(scored_home, "1"))
    again = step.score(scored_home, classifier)
    assert (again["model_version"], again["scored"], "next" in again) == ("2", TEXTS, False)
    assert keys(scored_home) == Counter(wanted(scored_home, "1") | wanted(scored_home, "2"))


def test_the_parts_score_what_the_whole_does(scored_home, classifier):
    """Opened, its shards in any order and one of them twice, closed: each text once; what is returned is counts."""
    run = json.loads(json.dumps(step.opened(scored_home, classifier)))
    shards = run.pop("shards")
    assert len(shards) >= TEXTS // 5
    done = [step.shard(scored_home, classifier, run, one) for one in [shards[3], *reversed(shards)]]
    assert [one["status"] for one in done].count("nothing to do") == 1
    assert sum(one["scored"] for one in done) == TEXTS
    told = step.closed(scored_home, classifier, run)
    assert (told["scored"], told["refused"], told["already_scored"]) == (TEXTS, 0, 0)
    assert keys(scored_home) == Counter(wanted(scored_home, "1"))


def test_a_new_champion_scores_its_window_again(scored_home, classifier):
    """With window_days the new champion leaves old texts to the record, but not those that nobody has scored."""
    from aufruf.steps.why import why

    step.score(scored_home, classifier)
    store, registry = Store(scored_home.lake), Registry(scored_home, "call_to_action")
    now = datetime.now(UTC)
    days = (now - (FIRST + timedelta(days=TEXTS - 10))).days
    scoring = classifier.scoring.model_copy(update={"window_days": max(1, days)})
    narrow = classifier.model_copy(update={"scoring": scoring})
    registry.point(CHAMPION, "2")
    day = step.window(narrow, now)
    old = [n for n in range(TEXTS) if str((FIRST + timedelta(days=n)).date()) < day]
    put(store, range(-1, 0))
    told = step.score(scored_home, narrow)
    assert (told["scored"], told["outside_window"]) == (TEXTS - len(old) + 1, len(old))
    assert why(scored_home, narrow, f"t{old[0]:04}")["state"] == "outside the window"
    beside = step.score(scored_home, narrow, "2")
    assert (beside["scored"], beside["outside_window"]) == (len(old), 0)
