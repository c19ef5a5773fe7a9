"""Fine-tuning: one function and one recipe, for trials and for the model that is kept."""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aufruf.errors import TrainingFailed
from aufruf.model import device, resume
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
    *,
    resumable: bool = False,
) -> Trained:
    """Fine-tune ``encoder`` on ``train``, keep the epoch that is best on ``validation``, and save it under ``folder``.

    Seeds are set before the head is made. ``on_epoch(epoch, metrics)`` may raise to stop the run. ``resumable``: a
    training that was killed goes on after its last whole epoch when it is called again with the same arguments, and
    ends in the same weights. Raises TrainingFailed on a class without examples or a loss that is not finite.
    """
    from transformers import EarlyStoppingCallback, PrinterCallback, Trainer, set_seed

    _check_classes(labels, train)
    mark = _mark(encoder, labels, positive, recipe, train, validation)
    if resumable and (facts := resume.finished(folder, mark)):
        return Trained(folder / "model", **facts | {"device": device.Device(**facts["device"])})
    set_seed(recipe.seed)
    tokenizer = Tokenizer(encoder.folder, recipe.max_tokens, recipe.truncation)
    rows, truncated = _dataset(tokenizer, train)
    where, checkpoints = device.find(), folder / "checkpoints"
    known = resume.newest(checkpoints, mark)  # what cannot be gone on from is removed
    known = known if resumable else None
    epochs = resume.epochs(known, recipe.epochs, recipe.patience, recipe.metric)
    watch = _Watch(on_epoch, recipe.metric, mark if resumable else "")
    trainer = Trainer(
        model_init=lambda: _frozen(_model(encoder, labels), recipe.frozen_layers),
        args=_arguments(replace(recipe, epochs=epochs), checkpoints, where, resumable),
        train_dataset=rows,
        eval_dataset=_dataset(tokenizer, validation)[0],
        data_collator=_collator(tokenizer),
        compute_metrics=trainer_metrics(positive, len(labels)),
        compute_loss_func=_loss(recipe, train, len(labels)),
        callbacks=[EarlyStoppingCallback(early_stopping_patience=recipe.patience), watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    start = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(known) if known else None)
    seconds = time.perf_counter() - start
    _save(trainer, tokenizer, folder / "model")
    best = max(watch.history, key=lambda row: row[recipe.metric])
    rate = len(train) * watch.epochs / seconds
    trained = Trained(
        folder / "model", watch.history, best[recipe.metric], best["epoch"], truncated, seconds, rate, where
    )
    if resumable:
        resume.finish(folder, mark, {key: value for key, value in asdict(trained).items() if key != "folder"})
    shutil.rmtree(checkpoints, ignore_errors=True)
    return trained


def _save(trainer: Any, tokenizer: Tokenizer, folder: Path) -> None:
    trainer.save_model(str(folder))
    tokenizer.inner.save_pretrained(str(folder))
    (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle


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


def _mark(
    encoder: ResolvedEncoder,
    labels: tuple[str, ...],
    positive: int,
    recipe: Recipe,
    train: Examples,
    validation: Examples,
) -> str:
    rows = [(part.text_ids, part.texts, part.labels) for part in (train, validation)]
    of = (str(encoder.folder), encoder.name, encoder.revision)
    return resume.mark(
        encoder=of, labels=labels, positive=positive, recipe=recipe.as_dict(), rows=rows, torch=torch.__version__
    )


def _arguments(recipe: Recipe, folder: Path, where: device.Device, resumable: bool) -> Any:
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
        save_only_model=not resumable,
        restore_callback_states_from_checkpoint=resumable,
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

    def __init__(self, on_epoch: OnEpoch | None, metric: str, mark: str) -> None:
        self.on_epoch, self.metric, self.mark = on_epoch, metric, mark
        self.history: list[dict[str, float]] = []
        self.epochs = 0  # of this process
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
        self.epochs += 1
        log.info("epoch %g: loss %.3f, validation %s %.3f", epoch, self.loss, self.metric, row[self.metric])
        if self.on_epoch:
            self.on_epoch(len(self.history), row)

    def taken_up(self, logged: list[dict[str, float]]) -> None:
        """Make up for the epochs before a training was killed, from what its checkpoint has logged."""
        on_epoch, self.on_epoch = self.on_epoch, None
        for row in logged:
            self.log_seen(row)
            if f"eval_{self.metric}" in row:
                self.epoch_done(row["epoch"], row)
        self.on_epoch, self.epochs = on_epoch, 0

    def callback(self) -> Any:
        from transformers import TrainerCallback

        watch = self

        class Callback(TrainerCallback):
            def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                watch.taken_up(state.log_history)

            def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
                if watch.mark:
                    resume.seal(Path(args.output_dir) / f"checkpoint-{state.global_step}", watch.mark)

            def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
                watch.log_seen(logs or {})

            def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
                watch.epoch_done(float(state.epoch), metrics or {})

        return Callback()
