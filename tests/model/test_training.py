"""One training function: seeded, weighted, stopped when it must be, and clean behind itself."""

import hashlib
import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.model.conftest import hot

from aufruf.errors import TrainingFailed, UsageError
from aufruf.model.device import Device
from aufruf.model.evaluation import Judged, measure
from aufruf.model.loss import weighted
from aufruf.model.recipe import Examples, Recipe
from aufruf.model.training import fine_tune
from aufruf.model.watch import Watch

LABELS = ("no_call", "call")


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.fixture
def tune(encoder, recipe, examples, tmp_path):
    """Train on the usual texts, into a folder of this test; keywords replace what is usual."""

    def run(folder="run", labels=LABELS, train=None, validation=None, encoder=encoder, on_epoch=None, **changed):
        rows = (train or examples(96, 1, len(labels)), validation or examples(24, 2, len(labels)))
        return fine_tune(encoder, labels, 1, *rows, replace(recipe, **changed), tmp_path / folder, on_epoch)

    return run


def test_it_learns(trained):
    """The texts give their label away, and after four epochs the model knows."""
    assert trained.best_value > 0.9
    assert len(trained.history) == 4
    assert trained.history[-1]["train_loss"] < trained.history[0]["train_loss"]


def test_the_same_seed_gives_the_same_weights(trained, tune):
    """Two trainings of one recipe are bit-identical on this machine; another seed gives another model."""
    assert digest(tune("again").folder) == digest(trained.folder)
    assert digest(tune("other", seed=1).folder) != digest(trained.folder)


def test_nothing_but_the_model_is_left(trained):
    """No checkpoint, no optimizer state, and nothing that could hold a pickle."""
    files = [path for path in trained.folder.parent.rglob("*") if path.is_file()]
    assert {path.parent for path in files} == {trained.folder}
    assert {path.name for path in files} <= {
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "vocab.txt",
    }


def test_the_labels_travel_with_the_weights(trained):
    """The config names the labels in the classifier's order."""
    config = json.loads((trained.folder / "config.json").read_text())
    assert config["id2label"] == {"0": "no_call", "1": "call"}


def test_what_an_encoder_was_trained_for_before_does_not_travel(tune, encoder, tmp_path):
    """Whoever loads the weights without us would read a single label as several, or as a number."""
    folder = shutil.copytree(encoder.folder, tmp_path / "used")
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps(facts | {"problem_type": "multi_label_classification"}), "utf-8")
    made = tune(encoder=replace(encoder, folder=folder), epochs=1).folder
    assert json.loads((made / "config.json").read_text("utf-8"))["problem_type"] == "single_label_classification"


def test_a_tokenizer_of_another_encoder_is_refused(tune, encoder, tmp_path):
    """Tokens for which the embedding has no row are wrong usage, not an IndexError."""
    folder = shutil.copytree(encoder.folder, tmp_path / "mixed")
    facts = json.loads((folder / "config.json").read_text("utf-8"))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] = weights["embeddings.word_embeddings.weight"][:20].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(facts | {"vocab_size": 20}), "utf-8")
    with pytest.raises(UsageError, match=r"tiny-bert: its tokenizer has a token \d+, and its embedding 20 rows"):
        tune(encoder=replace(encoder, folder=folder))


def test_the_kept_weights_are_the_best_epochs(tune, examples, monkeypatch):
    """What is saved scores on validation what the best epoch scored, not what the last one did."""
    from transformers import AutoModelForSequenceClassification

    from aufruf.model.tokenization import Tokenizer

    monkeypatch.setattr("aufruf.model.device.find", lambda: Device("cpu", "fp32", False))  # for equal digits
    validation = examples(24, 2)
    # half of the labels wrong: the value goes up and down from epoch to epoch
    noisy = replace(examples(48, 1), targets=hot(n // 2 % 2 for n in range(48)))
    for seed in range(6):  # one of them ends below its best
        found = tune(
            f"seed-{seed}",
            train=noisy,
            validation=validation,
            epochs=6,
            patience=6,
            metric="average_precision",
            seed=seed,
        )
        values = [row["average_precision"] for row in found.history]
        if max(values) > values[-1] + 0.01:
            break
    assert found.best_value == max(values) > values[-1] + 0.01
    model = AutoModelForSequenceClassification.from_pretrained(found.folder, dtype=torch.float32).eval()
    tokenizer = Tokenizer(found.folder, 32, "head_tail")
    with torch.inference_mode():
        logits = torch.cat([model(torch.tensor([ids])).logits for ids in tokenizer(validation.texts).ids])
    scores = torch.softmax(logits, -1)[:, 1].double().numpy()
    again = measure(Judged(validation.truth, logits.numpy() > 0, scores, 1))["average_precision"]
    assert again == pytest.approx(found.best_value, abs=1e-3)
    assert again != pytest.approx(values[-1], abs=1e-3)


def test_three_labels_are_one_code_path(tune, examples):
    """A classifier of three labels trains and learns like one of two."""
    found = tune(labels=("support", "inform", "none"), train=examples(180, 1, 3), epochs=8, patience=8)
    assert found.best_value > 0.8


def test_a_missing_class_fails_loudly(tune, examples):
    """A label without a training text is named before anything is computed."""
    only_no = replace(examples(8, 1), targets=hot([0] * 8))
    with pytest.raises(TrainingFailed, match="no training text is labelled 'call'"):
        tune(train=only_no)


def test_a_validation_without_the_positive_fails_loudly(tune, examples):
    """Each epoch and each configuration would be worth the same there, so it is said before anything is computed."""
    only_no = replace(examples(8, 1), targets=hot([0] * 8))
    with pytest.raises(TrainingFailed, match=r"no text in validation is labelled 'call'.*five groups of such texts"):
        tune(validation=only_no)
    several = replace(examples(8, 1), targets=[[0, 0, 1], [1, 0, 1]] * 4, several=True)
    with pytest.raises(TrainingFailed, match="no text in validation is labelled 'b'"):
        tune(labels=("a", "b", "c"), train=examples(96, 1, 3), validation=several)


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_side_without_texts_fails_loudly(encoder, recipe, examples, tmp_path, side):
    """A corpus of a single group leaves sides empty: which one is said before anything is computed."""
    none = Examples([], [], [], [])
    rows = (none, examples(8, 1)) if side == "train" else (examples(8, 1), none)
    with pytest.raises(TrainingFailed, match=f"no text is in {side}"):
        fine_tune(encoder, LABELS, 1, *rows, recipe, tmp_path / "run")


def test_a_loss_that_is_no_number_fails_loudly(tune, encoder, tmp_path):
    """A NaN anywhere in the network ends the run in the first epoch; it is never smoothed over."""
    from safetensors.torch import load_file, save_file

    folder = Path(shutil.copytree(encoder.folder, tmp_path / "broken"))
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    epochs = []
    with pytest.raises(TrainingFailed, match="the loss is not a number"):
        tune(encoder=replace(encoder, folder=folder), on_epoch=lambda epoch, row: epochs.append(epoch))
    assert epochs == []


def test_a_loss_on_validation_that_is_no_number_fails_loudly(recipe):
    """As one on the training texts does: nobody hears of that epoch."""
    epochs = []
    watch = Watch(lambda epoch, row: epochs.append(epoch), recipe, "", 8, 0.0)
    watch.epoch_done(1.0, {"eval_loss": 0.5, "eval_f1": 0.5})
    with pytest.raises(TrainingFailed, match="the loss on validation is not a number"):
        watch.epoch_done(2.0, {"eval_loss": float("nan"), "eval_f1": 1.0})
    assert epochs == [1]


class Enough(Exception):
    pass


def test_who_watches_may_stop_it(tune):
    """What ``on_epoch`` raises ends the training at that epoch, and comes out as it was raised."""
    seen = []

    def watch(epoch: int, row: dict[str, float]) -> None:
        seen.append((epoch, row["f1"]))
        if epoch == 2:
            raise Enough

    with pytest.raises(Enough):
        tune(on_epoch=watch)
    assert [epoch for epoch, _ in seen] == [1, 2]
    assert all(0 <= value <= 1 for _, value in seen)


def test_it_stops_early(tune):
    """Without a better value for ``patience`` evaluations no further epoch is run, but half of them always are."""
    found = tune(learning_rate=1e-9, epochs=8, patience=2)
    assert len(found.history) == 6


def test_cut_texts_are_counted(tune):
    """Truncation is never silent: the result says how many training texts were cut, and how many tokens that cost."""
    cut, shorter, whole = (tune(f"cut{most}", max_tokens=most, epochs=1) for most in (8, 7, 48))
    assert (cut.truncated > 0, whole.truncated, whole.truncated_tokens) == (True, 0, 0)
    assert cut.truncated_tokens >= cut.truncated
    assert shorter.truncated_tokens == cut.truncated_tokens + shorter.truncated  # a token more of each that is cut


@pytest.mark.parametrize("weighting", ["balanced", "none"])
def test_class_weights(recipe, weighting):
    """Balanced: a class counts n / (classes * its n), as scikit-learn's formula has it; none: all count alike."""
    from sklearn.utils.class_weight import compute_class_weight

    labels = [0] * 9 + [1] * 3
    train = Examples(["a"] * 12, ["x"] * 12, hot(labels), ["a"] * 12)
    logits, truth = torch.randn(12, 2, generator=torch.Generator().manual_seed(0)), torch.tensor(labels)
    weights = compute_class_weight("balanced", classes=np.array([0, 1]), y=labels)
    weights = torch.tensor(weights if weighting == "balanced" else [1, 1], dtype=torch.float32)
    expected = torch.nn.CrossEntropyLoss(weight=weights)(logits, truth)
    found = weighted(replace(recipe, class_weights=weighting), train)({"logits": logits}, torch.tensor(hot(labels)))
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    assert Counter(labels) == {0: 9, 1: 3}


def test_a_recipe_is_the_classifier_with_the_best_laid_over(classifier):
    """The sweep's hyperparameters replace the training section's; everything else stays the classifier's."""
    plain, best = Recipe.of(classifier), Recipe.of(classifier, {"epochs": 9, "batch_size": 4})
    assert best == replace(plain, epochs=9, batch_size=4)
    assert (plain.max_tokens, plain.metric, plain.seed) == (48, "f1", 5460)


def test_of_more_frozen_layers_than_there_are_all_stay_and_it_is_said(tune, encoder, caplog):
    """A preset's half of twelve freezes the whole of a small encoder: its head learns, with a warning."""
    made = tune(epochs=1, frozen_layers=3)
    assert "frozen_layers is 3 and the encoder has 2: only its head learns" in caplog.text
    before = load_file(encoder.folder / "model.safetensors")
    after = {name.removeprefix("bert."): value for name, value in load_file(made.folder / "model.safetensors").items()}
    kept = [name for name in before if name.startswith("encoder.layer.") and name in after]
    assert kept
    assert all(torch.equal(before[name], after[name]) for name in kept)


def test_frozen_layers_stay_as_they_were(tune, encoder):
    """With one layer frozen, embeddings and lowest layer come out as they went in; the layer above has learnt."""
    made = tune(epochs=1, frozen_layers=1)
    before = load_file(encoder.folder / "model.safetensors")
    after = {name.removeprefix("bert."): value for name, value in load_file(made.folder / "model.safetensors").items()}
    same = {name for name, value in before.items() if name in after and torch.equal(value, after[name])}
    assert {name for name in before if name.startswith(("encoder.layer.0.", "embeddings."))} <= same
    assert "encoder.layer.1.attention.self.query.weight" not in same
