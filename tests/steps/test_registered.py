"""A registered version on a real MLflow server, as we load it, as MLflow does, and as transformers does."""

import json
import shutil
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from aufruf.classifier import Classifier, Energy, choose
from aufruf.errors import BundleRefused, UsageError
from aufruf.model import bundle
from aufruf.model.device import Device
from aufruf.model.predictor import Predictor
from aufruf.model.tokenization import Tokenizer
from aufruf.release.registry import Registry, Version
from aufruf.schemas import Decision
from aufruf.settings import Settings
from aufruf.steps.card import cost
from aufruf.steps.evaluate import evaluate
from aufruf.steps.promote import promote
from aufruf.steps.score import score
from aufruf.steps.serve import Answers
from aufruf.steps.train import _warn, train
from aufruf.store import Store

NAME = "call_to_action"
FILES = {
    "MLmodel",
    "README.md",
    "aufruf.json",
    "canaries.json",
    "config.json",
    "input_example.json",
    "manifest.json",
    "model.safetensors",
    "python_env.yaml",
    "requirements.txt",
    "tokenizer.json",
    "tokenizer_config.json",
}


@dataclass(frozen=True)
class Released:
    """A champion, the home in which it was made, and where its server keeps files."""

    settings: Settings
    classifier: Classifier
    artifacts: Path

    @property
    def registry(self) -> Registry:
        return Registry(self.settings, NAME)

    @property
    def version(self) -> Version:
        return self.registry.champion()

    def scored(self) -> pd.DataFrame:
        """Texts with the label and the probabilities that ``score`` has written."""
        store = Store(self.settings.lake)
        rows = store.read("predictions", {"classifier": NAME}, ["text_id", "label", "probabilities"])
        return rows.merge(store.read("texts", columns=["text_id", "text"]), on="text_id")


@pytest.fixture(scope="module", autouse=True)
def _full_precision():
    """Half precision differs in the third digit from batch to batch; what is compared here is not that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aufruf.model.device.find", lambda: Device("cpu", "fp32", False))
        yield


def release(corpus_home, home: Path, server) -> Released:
    """Train, evaluate, promote and score on a server."""
    shutil.copytree(corpus_home.lake, home / "lake")
    settings = replace(Settings.load(home, env={}), classifiers=corpus_home.classifiers, tracking_uri=server.uri)
    classifier = choose(settings, None)
    gate = classifier.gate.model_copy(update={"floors": {"party=Nobody": 0.9}, "behaviour": {"juggling": 1.0}})
    classifier = classifier.model_copy(update={"gate": gate})
    looked = Decision(NAME, "0", None, datetime.now(UTC), "kept", "[]", "{}", None, None, None, None, 10**6, "")
    Store(settings.lake).add("decisions", [looked])
    for step in (train, evaluate, promote, score):
        step(settings, classifier)
    return Released(settings, classifier, server.folder / "served")


@pytest.fixture(scope="module")
def on_sqlite(corpus_home, tmp_path_factory, new_server) -> Released:
    return release(corpus_home, tmp_path_factory.mktemp("sqlite"), new_server())


@pytest.fixture(scope="module")
def on_postgresql(corpus_home, tmp_path_factory, new_server, new_database) -> Released:
    return release(corpus_home, tmp_path_factory.mktemp("postgresql"), new_server(new_database))


@pytest.fixture(params=["on_sqlite", "on_postgresql"])
def released(request) -> Released:
    return request.getfixturevalue(request.param)


@contextmanager
def told(settings: Settings):
    """MLflow told where the server is, as a user does."""
    mlflow.set_tracking_uri(settings.tracking_uri)
    mlflow.set_registry_uri(settings.tracking_uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)


@pytest.fixture
def by_name(released):
    with told(released.settings):
        yield released


def test_a_version_holds_everything(released):
    """Weights, tokenizer, labels, threshold, recipe, manifest, signature, example, card; tags; no pickle."""
    version = released.version
    folder = released.registry.fetch(version)
    assert {path.name for path in folder.iterdir()} == FILES
    card = bundle.verify(folder, version.manifest)
    assert card.recipe["epochs"] == 3
    assert float(version.tags["aufruf.threshold"]) == card.threshold
    baseline = json.loads(version.tags["aufruf.baseline"])["f1"]["value"]
    assert float(version.tags["aufruf.baseline_f1"]) == baseline
    assert version.tags["aufruf.ledger_version"] == str(Store(released.settings.lake).version("splits"))
    assert {"aufruf.encoder", "aufruf.git_commit", "aufruf.fingerprint"} <= version.tags.keys()


def test_the_description_is_the_card_with_what_was_measured(released):
    """MLflow shows data, use and test figures within its limit; the run has all of it; the sealed card is of before."""
    version = released.version
    metrics = json.loads(version.tags["aufruf.metrics"])
    f1 = metrics["f1"]
    row = f"| f1 | {f1['value']:.3f} | {f1['low']:.3f} to {f1['high']:.3f} |"
    assert row in version.description
    assert len(version.description) <= 5000
    kept = released.registry.client.download_artifacts(version.run_id, "model_card.md")
    whole = Path(kept).read_text("utf-8")
    assert row in whole
    for heading in ("Use", "Limits", "Data", "Votes and agreement", "Training"):
        assert f"\n## {heading}\n" in whole
    sealed = (released.registry.fetch(version) / "README.md").read_text("utf-8")
    assert "Not yet." in sealed
    assert row not in sealed


def test_a_decision_counts_looks_and_says_what_was_not_checked(released):
    """Another challenger was judged before, so this was the second look; floors of what is not there are named."""
    rows = Store(released.settings.lake).read("decisions", {"challenger": released.version.version})
    [row] = rows.to_dict("records")
    assert (row["verdict"], row["looks"], row["step"]) == ("first", 2, 0)
    assert json.loads(row["reasons"])[-2:] == [
        "not checked: party=Nobody has no test texts, or too few",
        "not checked: no tests of juggling",
    ]


def test_figures_say_how_often_the_test_set_was_looked_at(released):
    """What the gate counts stands with the figures: in the result, on the page, in the JSON and on the card."""
    found = evaluate(released.settings, released.classifier, released.version.version)
    page = Path(found["page"])
    assert found["looks"] == json.loads(page.with_name("evaluation.json").read_text("utf-8"))["looks"] == 2
    assert "2 looks at this test set so far" in page.read_text("utf-8")
    assert "2 looks at these texts" in released.registry.get(released.version.version).description


def test_mlflow_gives_the_answers_of_score(by_name):
    """Loaded by the alias champion: for a list, a frame of any name, and the example the same labels and numbers."""
    model = mlflow.pyfunc.load_model(f"models:/{NAME}@champion")
    rows = by_name.scored()
    listed, framed = model.predict(rows["text"].tolist()), model.predict(rows[["text"]].rename(columns={"text": "x"}))
    assert list(listed.columns) == ["label", "probability_no_call", "probability_call"]
    assert listed["label"].tolist() == rows["label"].tolist() == framed["label"].tolist()
    expected = [one["call"] for one in rows["probabilities"]]
    assert listed["probability_call"].tolist() == pytest.approx(expected, abs=1e-4)
    assert framed["probability_call"].tolist() == pytest.approx(expected, abs=1e-4)
    example = model.input_example
    answered = model.predict(example)
    assert len(answered) == len(example) == 2
    assert model.metadata.get_output_schema().input_names() == list(answered.columns)


def test_no_text_is_no_question(on_sqlite):
    """A number, a missing text and a second column are refused; nothing at all has no answer."""
    answers = Answers(Predictor.load(on_sqlite.registry.fetch(on_sqlite.version)))
    for asked in (["a", None], [1], pd.DataFrame({"a": ["x"], "b": ["y"]})):
        with pytest.raises(UsageError, match="not a column of texts"):
            answers.predict(asked)
    assert answers.predict(pd.DataFrame({"text": []}, dtype=str)).empty


def test_transformers_gives_the_answers_of_score(on_sqlite):
    """A pipeline on the folder: the same probabilities, and at the threshold the same labels, for texts of any length
    that fits; with ``truncation=True`` longer ones are cut to as many tokens.
    """
    from transformers import pipeline

    version, rows = on_sqlite.version, on_sqlite.scored()
    folder = on_sqlite.registry.fetch(version)
    ask = pipeline("text-classification", model=str(folder), top_k=None, device="cpu")
    whole = Tokenizer(folder, 10**6, "head")(rows["text"].tolist()).ids
    short = [len(ids) <= 48 for ids in whole]
    fits = rows[short]
    assert 5 < len(fits) < len(rows)
    said = [{one["label"]: one["score"] for one in odds} for odds in ask(fits["text"].tolist())]
    expected = [one["call"] for one in fits["probabilities"]]
    assert [one["call"] for one in said] == pytest.approx(expected, abs=1e-4)
    threshold = bundle.verify(folder).threshold
    labels = ["call" if one["call"] >= threshold else "no_call" for one in said]
    assert labels == fits["label"].tolist()
    cut = ask(rows.loc[[not one for one in short], "text"].tolist()[:3], truncation=True)
    assert [len(odds) for odds in cut] == [2, 2, 2]
    assert ask.tokenizer.model_max_length == 48


def change_json(path: Path, **changed) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **changed}), "utf-8")


def other_weights(folder: Path) -> None:
    raw = bytearray((folder / "model.safetensors").read_bytes())
    raw[-1] ^= 1
    (folder / "model.safetensors").write_bytes(raw)


def other_tokenizer(folder: Path) -> None:
    """The same pieces under each other's numbers."""
    found = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    pieces = found["model"]["vocab"]
    pieces["a"], pieces["b"] = pieces["b"], pieces["a"]
    (folder / "tokenizer.json").write_text(json.dumps(found), "utf-8")


def other_labels(folder: Path) -> None:
    change_json(folder / "config.json", id2label={"0": "call", "1": "no_call"}, label2id={"call": 0, "no_call": 1})
    change_json(folder / "aufruf.json", labels=["call", "no_call"])


def made_again(change):
    """An attacker's change, with a manifest made to match."""

    def tamper(folder: Path) -> None:
        change(folder)
        bundle.seal(folder, bundle.Card(**json.loads((folder / bundle.CARD).read_text("utf-8"))))

    return tamper


REMADE = "the manifest is not the registered one"
TAMPERED = {
    "weights": (other_weights, "model.safetensors was changed"),
    "tokenizer": (other_tokenizer, "tokenizer.json was changed"),
    "labels": (other_labels, "aufruf.json was changed"),
    "a pickle": (lambda folder: (folder / "head.pkl").write_bytes(b"\x80\x04."), "head.pkl can hold a pickle"),
    "code": (
        lambda folder: change_json(folder / "config.json", auto_map={"AutoModel": "x.Y"}),
        "config.json was changed",
    ),
    "another way to load": (lambda folder: change_json(folder / "MLmodel", flavors={}), "MLmodel was changed"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "weights, manifest made again": (made_again(other_weights), REMADE),
    "tokenizer, manifest made again": (made_again(other_tokenizer), REMADE),
    "labels, manifest made again": (made_again(other_labels), REMADE),
}


@pytest.fixture
def stored(on_sqlite, corpus_home, tmp_path):
    """The files of the champion on the server, put back afterwards, and a home that has never fetched them."""
    [folder] = on_sqlite.artifacts.glob(f"*/{on_sqlite.version.run_id}/artifacts/model")
    shutil.copytree(folder, tmp_path / "before")
    shutil.copytree(corpus_home.lake, tmp_path / "home" / "lake")
    elsewhere = Settings.load(tmp_path / "home", env={})
    yield folder, replace(on_sqlite.settings, home=elsewhere.home, lake=elsewhere.lake)
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "before", folder)


@pytest.mark.parametrize("case", TAMPERED)
def test_what_was_tampered_with_scores_nothing(on_sqlite, stored, case):
    """Whatever somebody with the artifact store has changed is refused in words, also with a manifest to match."""
    folder, settings = stored
    tamper, told = TAMPERED[case]
    tamper(folder)
    with pytest.raises(BundleRefused, match=told):
        score(settings, on_sqlite.classifier)
    assert Store(settings.lake).count("predictions") == 0


def test_mlflow_refuses_it_too(on_sqlite, stored):
    """Fetched by name, the folder is checked against the digest in the registry, not only against its own manifest."""
    made_again(other_weights)(stored[0])
    with told(on_sqlite.settings), pytest.raises(BundleRefused, match=REMADE):
        mlflow.pyfunc.load_model(f"models:/{NAME}@champion")


def test_a_version_of_before_there_were_cards_still_scores(on_sqlite, stored):
    """Without MLmodel, card and requirements a bundle is loaded as before, and evaluating it adds no card."""
    folder, settings = stored
    for name in ("MLmodel", "README.md", "input_example.json", "requirements.txt", "python_env.yaml"):
        (folder / name).unlink()
    digest = bundle.seal(folder, bundle.Card(**json.loads((folder / bundle.CARD).read_text("utf-8"))))
    registry, version = on_sqlite.registry, on_sqlite.version
    registry.tag(version.version, {"aufruf.manifest": digest})
    registry.describe(version.version, "seen by Ada")
    try:
        found = score(settings, on_sqlite.classifier)
        evaluate(settings, on_sqlite.classifier, version.version)
        assert registry.champion().description == "seen by Ada"
    finally:
        registry.tag(version.version, {"aufruf.manifest": version.manifest})
        registry.describe(version.version, version.description)
    assert found["scored"] == len(on_sqlite.scored())


def test_an_hour_at_a_kilowatt():
    """Energy is time by power; a GPU has a power of its own."""
    rule = Energy(watts=1000, gpu_watts=500, grams_per_kwh=300)
    assert cost(3600, "cpu", rule) == {"watts": 1000, "kwh": 1.0, "grams_per_kwh": 300, "grams": 300.0}
    assert cost(3600, "cuda", rule)["kwh"] == 0.5


@pytest.mark.parametrize(("values", "told"), [((0.0, 0.0), True), ((0.0, 0.2), False), ((0.4, 0.0), False)])
def test_a_model_that_has_learnt_nothing_is_said(
    values: tuple[float, float], told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """One label for all texts in every epoch is a warning that says what to change; one epoch's luck is none."""
    _warn([{"epoch": 1.0 + at, "f1": value} for at, value in enumerate(values)], "call")
    assert ("'call'" in caplog.text and "learning_rate" in caplog.text) is told
