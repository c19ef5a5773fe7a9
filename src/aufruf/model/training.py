"""Fine-tuning: one function and one recipe, for trials and for the model that is kept."""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aufruf.errors import TrainingFailed
from aufruf.model import device
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.evaluation import trainer_metrics
from aufruf.model.recipe import Examples, Recipe
from aufruf.model.tokenization import Tokenizer

log = logging.getLogger(__name__)
OnEpoch = Callable[[int, dict[str, float]], None]


@dataclass(frozen=True)
class Trained:
    """A finished training: the folder with the best epoch's model, and how it went."""

    folder: Path
    history: list[dict[str, float]]  # per epoch: epoch, loss, validation metrics
    best_value: float  # of the recipe's metric, on validation, at the likeliest label
    best_epoch: float
    truncated: int  # training texts that were cut
    seconds: float
    texts_per_second: float
    device: device.Device


def fine_tune(
    encoder: ResolvedEncoder,
    labels: tuple[str, ...],
    positive: int,
    train: Examples,
    validation: Examples,
    recipe: Recipe,
    folder: Path,
    on_epoch: OnEpoch | None = None,
) -> Trained:
    """Fine-tune ``encoder`` on ``train``, keep the epoch that is best on ``validation``, and save it under ``folder``.

    Seeds are set before the head is made. ``on_epoch(epoch, metrics)`` may raise to stop the run.
    Raises TrainingFailed on a class without examples or a loss that is not finite.
    """
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, set_seed

    _check_classes(labels, train)
    set_seed(recipe.seed)
    tokenizer = Tokenizer(encoder.folder, recipe.max_tokens, recipe.truncation)
    rows, validation_rows = _dataset(tokenizer, train), _dataset(tokenizer, validation)
    where = device.find()
    watch = _Watch(on_epoch, recipe.metric)
    trainer = Trainer(
        model_init=lambda: _frozen(_model(encoder, labels), recipe.frozen_layers),
        args=_arguments(recipe, folder / "checkpoints", where),
        train_dataset=rows[0],
        eval_dataset=validation_rows[0],
        data_collator=_collator(tokenizer),
        compute_metrics=trainer_metrics(positive, len(labels)),
        compute_loss_func=_loss(recipe, train, len(labels)),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=recipe.patience), watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    start = time.perf_counter()
    trainer.train()
    seconds = time.perf_counter() - start
    out = folder / "model"
    trainer.save_model(str(out))
    tokenizer.inner.save_pretrained(str(out))
    (out / "training_args.bin").unlink(missing_ok=True)  # a pickle
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    best = max(watch.history, key=lambda row: row[recipe.metric])
    rate = len(train) * len(watch.history) / seconds
    return Trained(out, watch.history, best[recipe.metric], best["epoch"], rows[1], seconds, rate, where)


def _check_classes(labels: tuple[str, ...], train: Examples) -> None:
    for index, label in enumerate(labels):
        if index not in set(train.labels):
            raise TrainingFailed(f"no training text is labelled {label!r}", next="Ingest annotations of that label.")


def _model(encoder: ResolvedEncoder, labels: tuple[str, ...]) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(
        encoder.folder,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        dtype=torch.float32,  # half-precision weights do not train on a CPU
        use_safetensors=True,
        trust_remote_code=False,
    )


def _frozen(model: Any, layers: int) -> Any:
    """The model with its embeddings and lowest layers left as they were pretrained: half the layers, half the time."""
    if layers:
        stack = next(part for part in model.base_model.modules() if isinstance(part, torch.nn.ModuleList))
        for part in (model.base_model.embeddings, *stack[:layers]):
            part.requires_grad_(False)
    return model


def _dataset(tokenizer: Tokenizer, examples: Examples) -> tuple[Any, int]:
    from datasets import Dataset

    tokens = tokenizer(examples.texts)
    table = {
        "input_ids": tokens.ids,
        "labels": list(examples.labels),
        "length": [len(ids) for ids in tokens.ids],
    }
    return Dataset.from_dict(table), tokens.truncated


def _collator(tokenizer: Tokenizer) -> Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]:
    """Pads to the longest text of the batch, not of the data."""

    def collate(rows: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        ids = torch.full((len(rows), longest), tokenizer.pad_id)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
            mask[i, : len(row["input_ids"])] = 1
        return {
            "input_ids": ids,
            "attention_mask": mask,
            "labels": torch.tensor([row["labels"] for row in rows]),
        }

    return collate


def _loss(recipe: Recipe, train: Examples, classes: int) -> Callable[..., torch.Tensor]:
    """Cross-entropy; with balanced weights a class counts n / (classes * its n), as scikit-learn has it."""
    counts = np.bincount(train.labels, minlength=classes)
    weights = len(train) / (classes * counts) if recipe.class_weights == "balanced" else np.ones(classes)
    weight = torch.tensor(weights, dtype=torch.float32)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].float()
        return torch.nn.functional.cross_entropy(logits, labels, weight=weight.to(logits.device))

    return loss


def _arguments(recipe: Recipe, folder: Path, where: device.Device) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=recipe.batch_size,
        per_device_eval_batch_size=32,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,  # below 1 it is a share of all steps
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # else a NaN is averaged away before anybody sees it
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model=recipe.metric,
        greater_is_better=True,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        bf16=where.bf16,
        use_cpu=where.kind == "cpu",
        dataloader_pin_memory=where.kind == "cuda",
        remove_unused_columns=False,
        seed=recipe.seed,
        data_seed=recipe.seed,
        disable_tqdm=True,
        report_to=[],
    )


class _Watch:
    """Collects the history, passes each epoch on, and stops a run whose loss is no number."""

    def __init__(self, on_epoch: OnEpoch | None, metric: str) -> None:
        self.on_epoch, self.metric = on_epoch, metric
        self.history: list[dict[str, float]] = []
        self.loss = float("nan")

    def log_seen(self, logs: dict[str, float]) -> None:
        if "loss" not in logs:
            return
        self.loss = float(logs["loss"])
        if not np.isfinite(self.loss):
            raise TrainingFailed("the loss is not a number", next="Lower the learning rate.")

    def epoch_done(self, epoch: float, metrics: dict[str, float]) -> None:
        row = {name.removeprefix("eval_"): float(value) for name, value in metrics.items() if name.startswith("eval_")}
        row = {name: value for name, value in row.items() if not name.endswith("_second") and name != "runtime"}
        row = {"epoch": epoch, "train_loss": self.loss, **row}
        self.history.append(row)
        log.info("epoch %g: loss %.3f, validation %s %.3f", epoch, self.loss, self.metric, row[self.metric])
        if self.on_epoch:
            self.on_epoch(len(self.history), row)

    def callback(self) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                watch.log_seen(logs or {})

            def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
                watch.epoch_done(float(state.epoch), metrics or {})

        return Callback()
