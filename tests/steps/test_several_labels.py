"""A text may be several kinds of call at once: from an export with many choices to predictions and a report.

The labels are those of the follow-up study on the same corpus: support, inform, interact.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aufruf.classifier import Classifier, choose
from aufruf.data.agreement import kappa
from aufruf.model.evaluation import METRICS
from aufruf.settings import Settings
from aufruf.steps import corpus
from aufruf.steps.evaluate import evaluate
from aufruf.steps.explain import explain
from aufruf.steps.ingest import ingest
from aufruf.steps.label import label
from aufruf.steps.monitor import monitor
from aufruf.steps.promote import promote
from aufruf.steps.report import report
from aufruf.steps.score import score
from aufruf.steps.split import split
from aufruf.steps.status import status
from aufruf.steps.sweep import sweep
from aufruf.steps.train import train
from aufruf.store import Store

TYPES = """
labels = ["support", "inform", "interact"]
multi_label = true
positive = "support"
question = "Types"
[spellings]
support = ["Spenden & helfen"]
inform = ["Informieren"]
interact = ["Mitmachen, liken"]
none = ["Nichts davon"]
abstain = ["Unsure"]
[votes]
minimum = 2
alpha_floor = 0.3
[checks]
most_repeated = 1.0
[split]
near_duplicate = 1.0
[encoder]
name = "{encoder}"
max_tokens = 48
[training]
epochs = 16
patience = 16
batch_size = 8
learning_rate = 4e-3
[sweep]
trials = 1
epochs = [16]
learning_rate = [4e-3]
weight_decay = [0.01]
warmup = [0.1]
batch_size = [8]
[gate]
resamples = 100
beat_baseline = false
[explain]
calls = 2
uncertain = 1
control = 1
mismatches = 0
perturbations = 50
[monitor]
minimum = 10
"""
SPELT = {"support": "Spenden & helfen", "inform": "Informieren", "interact": "Mitmachen, liken"}
SAYS = {"support": "spendet jetzt", "inform": "kommt zum infostand", "interact": "geht wählen"}
SETS = [(), ("support",), ("inform",), ("interact",), ("support", "interact")]
FILLERS = ["euch", "allen", "danken", "wir", "am", "sonntag"]


def words(some: Iterable[str], number: int) -> str:
    """A text that says which labels it has, and something that no other text says."""
    tail = " ".join(FILLERS[int(digit)] for digit in f"{number % 6}{number // 6 % 6}{number // 36 % 6}")
    return f"{' '.join(SAYS[one] for one in some) or 'die partei hat getagt'} {tail}"


def task(number: int, text: str, votes: dict[int, list[str]], **data: str) -> dict[str, Any]:
    """A Label Studio task; ``votes``: annotator -> what was chosen."""
    return {
        "id": number,
        "data": {"Text": text, "Identifier": f"P{number}", "Text Type": "Caption", **data},
        "annotations": [
            {
                "completed_by": who,
                "result": [{"from_name": "Types", "type": "choices", "value": {"choices": chosen}}],
            }
            for who, chosen in votes.items()
        ],
    }


def spelt(some: Iterable[str]) -> list[str]:
    return [SPELT[one] for one in some] or ["Nichts davon"]


@dataclass(frozen=True)
class Chain:
    """Where it happened, and what each step returned."""

    settings: Settings
    classifier: Classifier
    results: dict[str, dict[str, Any]]

    def table(self, name: str) -> pd.DataFrame:
        return Store(self.settings.lake).read(name, {"classifier": "types"})


@pytest.fixture(scope="module")
def home(tmp_path_factory, calm_bert) -> Settings:
    """A home with the classifier ``types``, and a question of its own."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "classifiers").mkdir()
    (folder / "classifiers" / "types.toml").write_text(TYPES.replace("{encoder}", calm_bert.as_posix()), "utf-8")
    return Settings.load(folder / "home", env={"AUFRUF_CLASSIFIERS": str(folder / "classifiers")})


@pytest.fixture(scope="module")
def chain(home, tmp_path_factory) -> Chain:
    """160 texts with two votes each, one of the first twenty in dispute, and 40 posts, through every step."""
    classifier, folder = choose(home, None), tmp_path_factory.mktemp("files")
    tasks = []
    for number in range(160):
        some = SETS[number % 5]
        theirs = SETS[(number + 1) % 5] if number < 20 and number % 4 == 0 else some
        tasks.append(task(number, words(some, number), {7: spelt(some), 8: spelt(reversed(theirs))}))
    tasks.append(task(900, "wir danken euch", {7: ["Unsure"], 8: ["Unsure"]}))
    tasks.append(task(901, "wir danken allen", {7: ["Nichts davon", "Informieren"], 8: []}))
    tasks.append(task(902, "wir danken sonntag", {7: ["Spenden & helfen", "Tanzen"]}))
    annotated, posts = folder / "types.json", folder / "posts.csv"
    annotated.write_text(json.dumps(tasks), "utf-8")
    rows = [f"n{number},{words(SETS[number % 5], 500 + number)} morgen" for number in range(40)]
    posts.write_text("\n".join(["id,text", *rows]) + "\n", "utf-8")
    results = {"ingest": ingest(home, [classifier], [annotated])}
    ingest(home, [classifier], [posts], columns={"post_id": "id", "text": "text"})
    for step in (label, split, sweep, train, evaluate, promote, score, explain, report, status, monitor):
        results[step.__name__] = step(home, classifier)
    return Chain(home, classifier, results)


def test_answers_with_many_choices_are_votes(chain):
    """A set of choices, in any order, is one vote in the classifier's order; "none of these" is an answer too."""
    votes = chain.table("annotations").set_index(["text_id", "annotator"])["label"]
    said = [votes[f"instagram:P{number}:caption", "7"] for number in range(5)]
    assert said == ["none", "support", "inform", "interact", "support|interact"]
    assert votes["instagram:P24:caption", "8"] == "support|interact"
    assert votes["instagram:P900:caption", "7"] == "abstain"
    [file] = chain.results["ingest"]["files"]
    assert (file["rows"], file["kept"], file["refused"]) == (325, 322, 3)


def test_what_cannot_be_meant_is_refused_with_its_reason(chain):
    """None together with a label, no choice at all, and a choice that is not listed are no votes."""
    rows = Store(chain.settings.lake).read("quarantine")
    assert sorted(rows["reasons"]) == [
        "label 'Tanzen' is not listed under [spellings] of types.toml",
        "the annotation was skipped: no answer",
        "the answer holds 2 choices that exclude each other",
    ]


def test_labels_are_sets_and_a_dispute_on_one_leaves_a_text_undecided(chain):
    """Of the texts on which two people differ none is decided; all others have the set that both chose."""
    rows = chain.table("labels").set_index("text_id")
    disputed = {f"instagram:P{number}:caption" for number in range(0, 20, 4)}
    assert set(rows.index[rows["how"] == "tie"]) == disputed
    counts = rows.loc[rows["how"] == "unanimous", "label"].value_counts().to_dict()
    assert counts == {"none": 31, "support": 31, "inform": 31, "interact": 31, "support|interact": 31}
    found = chain.results["label"]
    assert (found["labels"], found["ties"], found["too_few_votes"]) == (155, 5, 1)
    assert found["alpha"] == pytest.approx(sum(one["alpha"] for one in found["by_label"].values()) / 3)
    assert set(found["by_label"]) == {"support", "inform", "interact"}
    votes = chain.table("annotations")
    said = votes[votes["label"] != "abstain"].pivot(index="text_id", columns="annotator", values="label").dropna()
    assert found["kappas"] == [["7", "8", pytest.approx(kappa(said["7"], said["8"])), 160]]


def test_every_side_of_the_ledger_has_every_set(chain):
    """Sets with enough texts are strata of their own."""
    frame = corpus.labelled(chain.settings, chain.classifier)
    assert len(frame) == 155
    for side in ("train", "validation", "test"):
        assert set(frame.loc[frame["split"] == side, "label"]) == {
            "none",
            "support",
            "inform",
            "interact",
            "support|interact",
        }


def test_the_model_learns_each_label(chain):
    """On test the types are told apart; the metrics are those of any classifier, and each label has its F1 beside."""
    found = chain.results["evaluate"]
    assert tuple(found["metrics"]) == METRICS
    assert found["metrics"]["macro_f1"]["value"] > 0.75
    assert found["baseline"]["macro_f1"]["value"] > 0.75
    assert list(found["f1_by_label"]) == ["support", "inform", "interact"]
    assert {name: one["value"] for name, one in found["by_label"].items()} == found["f1_by_label"]
    mean = sum(found["f1_by_label"].values()) / 3
    assert mean == pytest.approx(found["metrics"]["macro_f1"]["value"])
    assert chain.results["promote"]["verdict"] == "first"


def test_sets_have_a_page_and_tasks_like_labels(chain, tmp_path):
    """Slices and doubted sets of several labels; each label is calibrated for itself; tasks are the doubts."""
    queue = tmp_path / "queue.json"
    found = evaluate(chain.settings, chain.classifier, queue=queue)
    assert (found["status"], found["queued"]) == ("unchanged", found["mismatches"])
    told = json.loads(Path(found["page"]).with_name("evaluation.json").read_text("utf-8"))
    assert {one["dimension"] for one in told["slices"]} == {"text_type", "length"}
    assert len(told["mismatches"]) == found["mismatches"]
    assert [one["data"]["text_id"] for one in json.loads(queue.read_text("utf-8"))] == [
        one["text_id"] for one in told["mismatches"]
    ]
    page = Path(found["page"]).read_text("utf-8")
    assert all(f"<bdi>{label}</bdi>" in page for label in chain.classifier.labels)
    held = json.loads(_version(chain).tags["aufruf.calibration"])
    assert (held["method"], len(held["scale"]), len(held["shift"])) == ("platt", 3, 3)
    assert min(held["scale"]) > 0


def test_predictions_hold_sets_and_a_probability_for_each_label(chain):
    """A prediction's label is the set of the labels from 0.5 on, the positive from its own threshold on."""
    rows = chain.table("predictions")
    assert chain.results["score"]["scored"] + chain.results["score"]["already_scored"] == len(rows) == 201
    threshold = float(_version(chain).tags["aufruf.threshold"])
    for row in rows.to_dict("records"):
        odds = row["probabilities"]
        named = [one for one in chain.classifier.labels if odds[one] >= (threshold if one == "support" else 0.5)]
        assert row["label"] == chain.classifier.value_of(named)
        assert row["confident"] == (abs(odds["support"] - threshold) >= 0.1)
    assert {"none", "support|interact"} <= set(rows["label"])
    assert max(sum(row.values()) for row in rows["probabilities"]) > 1.2


def test_a_call_is_a_text_whose_set_holds_the_positive(chain):
    """Counts, explanations and the report take a text with support and interact for a call like one with support."""
    posts = chain.table("predictions")
    posts = posts[~posts["text_id"].isin(chain.table("splits")["text_id"])]
    calls = [value for value in posts["label"] if "support" in value.split("|")]
    assert len(calls) > len(posts[posts["label"] == "support"]) > 0
    assert chain.results["report"]["calls"] == chain.results["status"]["calls"] == len(calls)
    assert "support|interact" in Path(chain.results["report"]["path"]).read_text("utf-8")
    explained = chain.table("explanations")
    assert all("support" in value.split("|") for value in explained.loc[explained["chosen"] == "call", "label"])
    assert chain.results["explain"]["explained"] == 4


def test_one_text_is_explained_with_its_set(chain):
    """``aufruf explain TEXT`` gives the set, and a probability for each label."""
    found = explain(chain.settings, chain.classifier, text="spendet jetzt geht wählen euch allen sonntag")
    assert chain.classifier.is_value(found["label"])
    assert list(found["probabilities"]) == ["support", "inform", "interact"]


def test_posts_like_the_training_texts_have_not_moved(chain):
    """Labels are compared one by one, with those that have none."""
    assert chain.results["monitor"]["labels"] < 0.2


def test_folds_and_audit_count_sets_at_each_label(chain, tmp_path):
    """A text with two labels is counted at both; positives are the texts whose set holds the positive."""
    found = split(chain.settings, chain.classifier, audit=True, folds=3, out=tmp_path / "folds.csv")
    sizes = found["audit"]["sizes"]
    total = {name: sum(side["labels"][name] for side in sizes.values()) for name in ("support", "interact", "none")}
    assert total == {"support": 62, "interact": 62, "none": 31}
    inside = sum(sizes[side]["labels"]["support"] for side in ("train", "validation"))
    assert sum(fold["positives"] for fold in found["folds"]) == inside
    assert found["chosen"] == 0
    store = Store(chain.settings.lake)
    votes = store.read("annotations")
    ledger = store.read("splits").set_index("text_id")["split"]
    taught = votes[votes["text_id"].map(ledger).isin(["train", "test"])].assign(why="teach")
    store.put("annotations", taught)
    folded = {one for one in taught["text_id"] if ledger[one] == "train"}
    told = split(chain.settings, chain.classifier, folds=3)
    assert told["chosen"] == len(folded) > 0
    store.put("annotations", votes)
    assert found["audit"]["power"]["positives"] == sizes["test"]["labels"]["support"]


def test_nothing_is_done_twice(chain):
    """The same votes, labels and version again: every step says that there was nothing to do."""
    settings, classifier = chain.settings, chain.classifier
    for step, said in (
        (label, "nothing to do"),
        (split, "nothing to do"),
        (train, "unchanged"),
        (score, "nothing to do"),
    ):
        assert step(settings, classifier)["status"] == said, step.__name__


def test_a_queue_comes_back_as_votes(home, chain, tmp_path):
    """Undecided texts go out as tasks; a third annotator's export of many choices decides them, label by label."""
    queue = tmp_path / "queue.json"
    label(home, chain.classifier, queue=queue)
    tasks = json.loads(queue.read_text("utf-8"))
    assert {one["data"]["why"] for one in tasks} == {"tie", "too_few_votes"}
    disputed = [one for one in tasks if one["data"]["why"] == "tie"]
    for number, one in enumerate(disputed):
        one |= {"id": number, "annotations": task(0, "", {9: [SPELT["interact"], SPELT["support"]]})["annotations"]}
    (tmp_path / "third.json").write_text(json.dumps(disputed), "utf-8")
    ingest(home, [chain.classifier], [tmp_path / "third.json"])
    found = label(home, chain.classifier)
    assert (found["ties"], found["labels"]) == (0, 160)
    rows = chain.table("labels").set_index("text_id")
    votes = chain.table("annotations")
    for text_id in {one["data"]["text_id"] for one in disputed}:
        sets = [set(value.split("|")) for value in votes.loc[votes["text_id"] == text_id, "label"]]
        named = [one for one in chain.classifier.labels if sum(one in some for some in sets) >= 2]
        assert rows.loc[text_id, "label"] == chain.classifier.value_of(named)
        assert rows.loc[text_id, "margin"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("support|interact", "support|interact"),
        ("interact|support", "support|interact"),
        ("Mitmachen, liken", "interact"),
        ("Spenden & helfen; Mitmachen, liken", "support|interact"),
        ("support, Informieren", "support|inform"),
        ("none", "none"),
        ("Nichts davon", "none"),
    ],
)
def test_a_flat_table_may_hold_several_labels_in_a_cell(tmp_path, home, cell, expected):
    """The canonical form, or spellings between semicolons or commas; a comma inside a spelling is none between two."""
    settings = Settings.load(tmp_path / "home", env={"AUFRUF_CLASSIFIERS": str(home.classifiers)})
    classifier = choose(settings, None)
    (tmp_path / "truth.tsv").write_text(f"words\ttypes\nSpendet jetzt!\t{cell}\n", "utf-8")
    ingest(settings, [classifier], [tmp_path / "truth.tsv"], columns={"text": "words", "label": "types"})
    label(settings, classifier)
    assert Store(settings.lake).read("labels")["label"].tolist() == [expected]


@pytest.mark.parametrize(("name", "mark"), [("x.csv", ","), ("x.tsv", "\t"), ("x.json", "")])
def test_the_flat_exports_hold_sets_too(tmp_path, home, name, mark):
    """JSON-MIN's object of choices and the JSON text in a cell of a CSV or TSV are the same vote."""
    settings = Settings.load(tmp_path / "home", env={"AUFRUF_CLASSIFIERS": str(home.classifiers)})
    row = {
        "Text": "Spendet!",
        "annotator": 7,
        "annotation_id": 1,
        "Types": {"choices": [SPELT["interact"], "Informieren"]},
    }
    if mark:
        cells = ["Spendet!", "7", "1", '"' + json.dumps(row["Types"]).replace('"', '""') + '"']
        (tmp_path / name).write_text(f"{mark.join(row)}\n{mark.join(cells)}\n", "utf-8")
    else:
        (tmp_path / name).write_text(json.dumps([row]), "utf-8")
    ingest(settings, [choose(settings, None)], [tmp_path / name])
    assert Store(settings.lake).read("annotations")["label"].tolist() == ["inform|interact"]


def _version(chain: Chain):
    from aufruf.release.registry import Registry

    return Registry(chain.settings, "types").champion()
