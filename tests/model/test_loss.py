"""The loss is the mean over a step's texts, each weighted by its labels; how the step is cut up changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from tests.model.conftest import hot
from transformers import AutoModelForSequenceClassification, Trainer, TrainingArguments

from aufruf.model.loss import weighted
from aufruf.model.recipe import Examples

CLASSES = [0] * 8 + [1] * 3 + [2] * 2
SETS = [[1, 0, 0]] * 5 + [[1, 1, 0]] * 4 + [[0, 1, 1]] * 2 + [[0, 0, 0]] * 2


def examples(targets, several) -> Examples:
    names = [f"t{at}" for at in range(len(targets))]
    return Examples(names, names, targets, names, several)


@pytest.fixture(params=["one of three", "several of three"])
def train(request) -> Examples:
    """Thirteen texts whose labels are not evenly many."""
    several = request.param == "several of three"
    return examples(SETS if several else hot(CLASSES, 3), several)


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(13, 3, generator=torch.Generator().manual_seed(0))


def test_a_single_label_is_weighted_cross_entropy(recipe, logits):
    """A text counts what scikit-learn's balanced weight of its class is; the sum is divided by the texts."""
    weights = compute_class_weight("balanced", classes=np.arange(3), y=CLASSES)
    truth = torch.tensor(CLASSES)
    each = torch.nn.functional.cross_entropy(logits, truth, reduction="none") * torch.tensor(weights)[truth]
    train = examples(hot(CLASSES, 3), several=False)
    found = weighted(recipe, train)({"logits": logits}, torch.tensor(train.targets))
    assert float(found) == pytest.approx(float(each.sum() / 13), abs=1e-6)


def test_several_labels_are_weighted_binary_cross_entropy(recipe, logits):
    """Each label is a question of its own; a text that has it counts texts without it / texts with it."""
    truth = torch.tensor(SETS, dtype=torch.float32)
    has = torch.tensor([9.0, 6.0, 2.0])
    probability = torch.sigmoid(logits)
    each = -((13 - has) / has * truth * probability.log() + (1 - truth) * (1 - probability).log())
    found = weighted(recipe, examples(SETS, several=True))({"logits": logits}, torch.tensor(SETS))
    assert float(found) == pytest.approx(float(each.mean()), abs=1e-6)


def test_without_weights_all_count_alike(recipe, logits, train):
    """``class_weights = "none"`` is torch's own loss of the kind."""
    truth = torch.tensor(train.targets, dtype=torch.float32)
    kind = torch.nn.BCEWithLogitsLoss() if train.several else torch.nn.CrossEntropyLoss()
    found = weighted(replace(recipe, class_weights="none"), train)({"logits": logits}, torch.tensor(train.targets))
    assert float(found) == pytest.approx(float(kind(logits, truth)), abs=1e-6)


@pytest.mark.parametrize("cut", [[13], [8, 5], [1, 12], [4, 4, 4, 1]])
def test_a_step_in_pieces_has_the_loss_of_the_whole(recipe, logits, train, cut):
    """The losses of micro-batches, even or not, add up to the loss of the batch."""
    loss, truth = weighted(recipe, train), torch.tensor(train.targets)
    parts = zip(logits.split(cut), truth.split(cut), strict=True)
    found = sum(float(loss({"logits": one}, of, torch.tensor(truth.numel()))) for one, of in parts)
    assert found == pytest.approx(float(loss({"logits": logits}, truth)), abs=1e-6)


@pytest.mark.parametrize("texts", [16, 13])
@pytest.mark.parametrize("several", [False, True])
def test_gradient_accumulation_changes_no_gradient(encoder, recipe, tmp_path, several, texts):
    """A step of the Trainer on a batch of 16, or on two micro-batches of 8 (or 8 and 5), ends in the same weights."""
    sets = (SETS + SETS)[:texts] if several else hot((CLASSES + CLASSES)[:texts], 3)
    rows = [{"input_ids": [2, 6 + at, 7 + at % 5, 3], "labels": sets[at]} for at in range(texts)]

    def step(micro: int, pieces: int) -> torch.Tensor:
        torch.manual_seed(0)
        calm = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        model = AutoModelForSequenceClassification.from_pretrained(encoder.folder, num_labels=3, **calm)
        before = torch.cat([one.detach().flatten().clone() for one in model.parameters()])
        arguments = TrainingArguments(
            output_dir=str(tmp_path),
            max_steps=1,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=pieces,
            optim="sgd",
            learning_rate=1.0,
            lr_scheduler_type="constant",
            max_grad_norm=0.0,
            use_cpu=True,
            save_strategy="no",
            disable_tqdm=True,
            report_to=[],
        )
        loss = weighted(recipe, examples(sets, several))
        Trainer(model, arguments, train_dataset=rows, compute_loss_func=loss).train()
        return before - torch.cat([one.detach().flatten() for one in model.parameters()])

    whole, pieces = step(16, 1), step(8, 2)
    assert whole.abs().max() > 1e-3
    assert (whole - pieces).abs().max() < 1e-6
