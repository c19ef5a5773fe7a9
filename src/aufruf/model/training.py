"""Fine-tuning: one function and one recipe, for trials and for the model that is kept."""

import gc
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from aufruf.errors import MemoryFull, UsageError
from aufruf.model import cpu, device, resume
from aufruf.model.batches import collator, dataset
from aufruf.model.encoders import SPOILT, ResolvedEncoder, unread
from aufruf.model.evaluation import trainer_metrics
from aufruf.model.head import new_classifier
from aufruf.model.layout import stack
from aufruf.model.loss import weighted
from aufruf.model.recipe import Examples, Recipe, check_sides
from aufruf.model.tokenization import Tokenizer
from aufruf.model.vocabulary import Vocabulary, decay
from aufruf.model.watch import OnEpoch, Watch

log = logging.getLogger(__name__)
_JUDGED = 32  # texts of validation at once, while there is room


@dataclass(frozen=True)
class Trained:
    """A finished training: the folder with the best epoch's model, and how it went."""

    folder: Path
    history: list[dict[str, float]]  # per epoch: epoch, loss, validation metrics
    best_value: float  # of the recipe's metric, on validation, at the likeliest label
    best_epoch: float
    truncated: int  # training texts that were cut
    truncated_tokens: int  # that these have lost
    seconds: float  # of all its epochs, also those before it was killed
    texts_per_second: float
    micro_batch: int  # texts that went through the model at once; fewer than a batch when the memory was short
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
    ends in the same weights. Raises TrainingFailed where a side or class lacks examples, or a number is not finite,
    MemoryFull where not a single text fits, OSError where a disk is full.
    """
    check_sides(labels, positive, train, validation)
    mark = _mark(encoder, labels, positive, recipe, train, validation)
    if resumable and (facts := resume.finished(folder, mark)):
        return Trained(folder / "model", **facts | {"device": device.Device(**facts["device"])})
    tokenizer = Tokenizer(encoder.folder, recipe.max_tokens, recipe.truncation)
    tokens = [tokenizer(part.texts) for part in (train, validation)]
    always = [tokenizer.pad_id, *range(unread(encoder.folder))]  # where positions hang on the padding's id it keeps it
    words, where = Vocabulary(chain.from_iterable(part.ids for part in tokens), always), device.find()
    job = _Job(
        encoder=encoder,
        labels=labels,
        recipe=recipe,
        folder=folder / "checkpoints",
        mark=mark if resumable else "",
        where=where,
        words=words,
        rows=[dataset(words, part.ids, of) for part, of in zip(tokens, (train, validation), strict=True)],
        collate=collator(words.place(tokenizer.pad_id), where.width),
        metrics=trainer_metrics(positive, train.several),
        loss=weighted(recipe, train),
        several=train.several,
    )
    with resume.writing(folder):
        trainer, watch = _trained(job, on_epoch)
        seconds = watch.seconds
        _save(trainer, job, tokenizer, folder / "model")
    best = max(watch.history, key=lambda row: row[recipe.metric])
    trained = Trained(
        folder=folder / "model",
        history=watch.history,
        best_value=best[recipe.metric],
        best_epoch=best["epoch"],
        truncated=tokens[0].truncated,
        truncated_tokens=tokens[0].cut,
        seconds=seconds,
        texts_per_second=len(train) * len(watch.history) / seconds,
        micro_batch=watch.micro,
        device=job.where,
    )
    if resumable:
        resume.finish(folder, mark, {key: value for key, value in asdict(trained).items() if key != "folder"})
    shutil.rmtree(job.folder, ignore_errors=True)
    return trained


@dataclass(frozen=True)
class _Job:
    """What every try at one training shares."""

    encoder: ResolvedEncoder
    labels: tuple[str, ...]
    recipe: Recipe
    folder: Path  # of the checkpoints
    mark: str  # "" when it cannot be gone on from
    where: device.Device
    words: Vocabulary
    rows: list[Any]  # of train and of validation
    collate: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]]
    metrics: Callable[[Any], dict[str, float]]
    loss: Callable[..., torch.Tensor]
    several: bool  # a text may have several labels

    def model(self) -> Any:
        """The encoder with a new head, with the vocabulary that occurs, and on a CPU with the parts that suit one."""
        model = _frozen(new_classifier(self.encoder, self.labels, None), self.recipe.frozen_layers)
        if (token := int(self.words.ids[-1])) >= (rows := model.get_input_embeddings().num_embeddings):
            raise UsageError(
                f"its tokenizer has a token {token}, and its embedding {rows} rows: they are of different encoders",
                where=self.encoder.name,
                next=SPOILT,
            )
        model = self.words.shrink(model)
        return cpu.suited(model) if self.where.kind == "cpu" else model


def _trained(job: _Job, on_epoch: OnEpoch | None) -> tuple[Any, Watch]:
    """The trainer when it is done, with as many texts at once as the memory holds.

    A training that goes on cuts its batches as it did before: with other masks of dropout it would end elsewhere.
    """
    for micro, judged in _sizes(job.recipe.batch_size):
        known = resume.newest(job.folder, job.mark)  # what cannot be gone on from is removed
        if micro > resume.told(known).get("micro", micro):
            continue
        try:
            return _try(job, on_epoch, known, micro, judged)
        except RuntimeError as error:
            if not device.is_full(error):
                raise
            log.warning("the memory of %s does not hold %d texts at once", job.where.name, micro)
        gc.collect()
        torch.cuda.empty_cache()
    raise MemoryFull(
        f"the memory of {job.where.name} does not hold a single text",
        next="Free the GPU and try again: it goes on from the last epoch. Or lower [encoder] max_tokens, or choose a "
        "smaller encoder.",
    )


def _try(
    job: _Job, on_epoch: OnEpoch | None, known: Path | None, micro: int, judged: int, strict: bool = True
) -> tuple[Any, Watch]:
    from transformers import PrinterCallback, Trainer, set_seed

    recipe = job.recipe
    set_seed(recipe.seed)
    epochs = resume.epochs(known, recipe.epochs, recipe.patience, recipe.metric)
    watch = Watch(on_epoch, recipe, job.mark, micro, resume.told(known).get("seconds", 0.0))
    trainer = Trainer(
        model_init=job.model,
        args=_arguments(replace(recipe, epochs=epochs), job.folder, job.where, micro, judged, bool(job.mark)),
        train_dataset=job.rows[0],
        eval_dataset=job.rows[1],
        data_collator=job.collate,
        compute_metrics=job.metrics,
        compute_loss_func=job.loss,
        callbacks=[watch.callback()],
    )
    trainer.remove_callback(PrinterCallback)
    try:
        with job.where.repeatable(strict):
            trainer.train(resume_from_checkpoint=str(known) if known else None)
        return trainer, watch
    except RuntimeError as error:
        if not strict or "determinis" not in str(error):
            raise
        log.warning("the same seed may give other weights next time: %s", str(error).partition("\n")[0])
    del trainer  # the memory has no room for two
    return _try(job, on_epoch, known, micro, judged, strict=False)


def _sizes(batch: int) -> Iterator[tuple[int, int]]:
    """How many texts to train on and to judge at once: the batch, then its largest divisors up to half of it."""
    judged = _JUDGED
    yield batch, judged
    while judged > 1:
        batch = judged = next((size for size in range(batch // 2, 0, -1) if batch % size == 0), 1)
        yield batch, judged


def _save(trainer: Any, job: _Job, tokenizer: Tokenizer, folder: Path) -> None:
    """The best epoch's model, whole again: the rows of the vocabulary that were left out have only decayed."""
    whole = new_classifier(job.encoder, job.labels, "eager").get_input_embeddings()
    state = trainer.state
    steps = state.best_global_step or state.global_step
    trainer.lr_scheduler = None  # it ends early where patience had ended a training that was killed afterwards
    planned = trainer.create_scheduler(state.max_steps // state.num_train_epochs * job.recipe.epochs)
    shrunk = 1.0 if job.recipe.frozen_layers else decay(planned, job.recipe.weight_decay, steps)
    job.words.grow(trainer.model.cpu(), whole, shrunk)
    kind = "multi_label" if job.several else "single_label"  # whatever the encoder was trained for before
    trainer.model.config.problem_type = f"{kind}_classification"  # for whoever loads the weights without us
    trainer.save_model(str(folder))
    tokenizer.inner.model_max_length = tokenizer.max_tokens  # for whoever cuts texts without us
    tokenizer.inner.save_pretrained(str(folder))
    (folder / "training_args.bin").unlink(missing_ok=True)  # a pickle


def _frozen(model: Any, layers: int) -> Any:
    """The model with its lowest layers, and all below them, left as pretrained: half the layers, half the time."""
    if layers > (known := len(stack(model))):  # a preset's for a small encoder, or a stand-in for a large one
        log.warning("[training] frozen_layers is %d and the encoder has %d: only its head learns", layers, known)
    if layers:
        *_, last = stack(model)[:layers].parameters()
        for parameter in model.base_model.parameters():
            parameter.requires_grad_(False)
            if parameter is last:
                break
    return model


def _mark(
    encoder: ResolvedEncoder,
    labels: tuple[str, ...],
    positive: int,
    recipe: Recipe,
    train: Examples,
    validation: Examples,
) -> str:
    rows = [(part.text_ids, part.texts, part.targets, part.several) for part in (train, validation)]
    where = device.find()
    return resume.mark(
        encoder=(str(encoder.folder), encoder.name, encoder.revision),
        labels=labels,
        positive=positive,
        recipe=recipe.as_dict(),
        rows=rows,
        computed=(where.kind, where.bf16, torch.__version__, metadata.version("transformers"))
        + ((cpu.REVISION, torch.get_num_threads()) if where.kind == "cpu" else ()),
    )


def _arguments(recipe: Recipe, folder: Path, where: device.Device, micro: int, judged: int, resumable: bool) -> Any:
    from transformers import TrainingArguments

    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=recipe.epochs,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=recipe.batch_size // micro,
        per_device_eval_batch_size=judged,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        warmup_steps=recipe.warmup,  # below 1 it is a share of all steps
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,  # else a NaN is averaged away before anybody sees it
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
    arguments._n_gpu = min(arguments.n_gpu, 1)  # of several that it sees it would use all, for as many times the batch
    return arguments
