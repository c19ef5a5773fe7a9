"""Training: our recipe against the notebook's procedure and against a plain Trainer, on the same texts and seeds."""

import math
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from aufruf.model import device, stand_in
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.evaluation import trainer_metrics
from aufruf.model.recipe import Examples, Recipe
from aufruf.model.training import fine_tune
from benchmarks import material, products

RECIPE = Recipe(
    epochs=2,
    batch_size=16,
    learning_rate=1e-4,
    weight_decay=0.05,
    warmup=0.1,
    patience=3,
    class_weights="balanced",
    frozen_layers=0,
    seed=0,
    max_tokens=256,
    truncation="head",
    metric="macro_f1",
)
_BATCHES = (8, 16, 32)


def main(texts: int = 400, seeds: int = 5) -> None:
    """Print texts per second, ratios, macro-F1 of paired seeds, and the share of the machine's peak.

    Rates are of two epochs of ours with loading and checkpoints, and of some steps of the others without.
    """
    device.find()  # of several GPUs one, before anything asks for them
    home = Path(tempfile.mkdtemp(prefix="aufruf-bench-"))
    try:
        _compare(home, texts, seeds)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _compare(home: Path, texts: int, seeds: int) -> None:
    rows = material.comments(texts + texts // 2)
    if not rows:
        print("training: the comments are absent, not measured")
        return
    train, validation = material.examples(rows[:texts]), material.examples(rows[texts:])
    encoder = ResolvedEncoder(stand_in.convert(home / stand_in.NAME), stand_in.FULL_NAME, None, None)
    lengths = _lengths(encoder, train.texts)
    print(
        f"training: {len(train)} comments, {np.median(lengths):.0f} tokens at the median, {lengths.max()} at most; "
        f"{RECIPE.epochs} epochs, {seeds} seeds, {stand_in.FULL_NAME}"
    )
    best = max(_BATCHES, key=lambda size: _rate(encoder, train, size, home / "n", steps=160 // size))
    print(f"training: a plain Trainer is fastest at batch {best}")
    few = material.examples(_balanced(rows[texts:]))
    seen: list[tuple[float, float, float]] = []  # texts/s: ours, plain, the notebook's
    for seed in range(seeds):  # all of them for each seed: a machine is not as fast at each hour
        rate, _ = _ours(encoder, train, few, seed, home / "ours")
        other = _rate(encoder, train, best, home / "n", steps=160 // best)
        notebook = _rate(encoder, train, RECIPE.batch_size, home / "n", steps=4, longest=int(lengths.max()))
        seen.append((rate, other, notebook))
        print(
            f"training seed {seed}: {rate:.1f} texts/s ours, {other:.1f} plain, {notebook:.2f} the notebook's: "
            f"{rate / notebook:.1f} and {rate / other:.1f} times",
            flush=True,
        )
    rate, other, notebook = (statistics.median(column) for column in zip(*seen, strict=True))
    print(
        f"training: {rate:.1f} texts/s; {rate / notebook:.1f} times the notebook's procedure ({notebook:.2f}), "
        f"{rate / other:.1f} times the plain Trainer ({other:.1f})"
    )
    whole, gains = [], []
    for seed in range(seeds):
        with_evaluation, f1 = _ours(encoder, train, validation, seed, home / "ours")
        same = _plain(encoder, train, validation, seed, home / "plain")
        whole.append(with_evaluation)
        gains.append(f1 - same)
        print(f"training seed {seed}: macro-F1 {f1:.3f} ours, {same:.3f} plain", flush=True)
    rate = statistics.median(whole)
    print(f"training: {rate:.1f} texts/s with an evaluation of {len(validation)} texts after each epoch")
    print(f"training: macro-F1 ours minus plain at batch {RECIPE.batch_size} {_interval(gains)}")
    kind = torch.bfloat16 if device.find().bf16 else torch.float32
    peak, done = products.peak(kind), _flops(encoder, lengths) * rate / len(train)
    print(
        f"training: {done / 1e9:.0f} GFLOP/s without padding, {done / peak:.0%} of a {kind} product's {peak / 1e9:.0f}"
    )
    once = replace(RECIPE, epochs=1)
    at_work = products.measured(lambda: fine_tune(encoder, material.LABELS, 1, train, validation, once, home / "few"))
    rate = at_work.flops / at_work.seconds
    print(
        f"training: while products run, {rate / 1e9:.0f} GFLOP/s, {rate / peak:.0%} of that; "
        f"they are {at_work.share:.0%} of the time"
    )


def _lengths(encoder: ResolvedEncoder, texts: Any) -> Any:
    from aufruf.model.tokenization import Tokenizer

    return np.array([len(ids) for ids in Tokenizer(encoder.folder, RECIPE.max_tokens, "head")(texts).ids])


def _ours(
    encoder: ResolvedEncoder, train: Examples, validation: Examples, seed: int, folder: Path
) -> tuple[float, float]:
    recipe = Recipe(**{**RECIPE.as_dict(), "seed": seed})
    trained = fine_tune(encoder, material.LABELS, 1, train, validation, recipe, folder)
    shutil.rmtree(folder)
    return trained.texts_per_second, trained.best_value


def _balanced(rows: list[tuple[str, bool]]) -> list[tuple[str, bool]]:
    """A few rows of each label, so that hardly any time goes to evaluation: the others are timed without."""
    calls, others = ([row for row in rows if row[1] is call] for call in (True, False))
    return [*calls[:8], *others[:8]]


def _plain(encoder: ResolvedEncoder, train: Examples, validation: Examples, seed: int, folder: Path) -> float:
    """Macro-F1 of a Trainer as its tutorial has it, with our batch, rate, loss, seed, epochs and choice of the best.

    The notebook's batch: a larger one makes fewer steps, and learns less in them.
    """
    trainer = _trainer(encoder, train, validation, seed, RECIPE.batch_size, folder)
    with products.others():
        trainer.train()
    shutil.rmtree(folder)
    return max(row["eval_macro_f1"] for row in trainer.state.log_history if "eval_macro_f1" in row)


def _rate(
    encoder: ResolvedEncoder, train: Examples, batch: int, folder: Path, steps: int, longest: int | None = None
) -> float:
    """Texts a second of the training steps alone; with ``longest`` all padded to it, as the notebook does."""
    trainer = _trainer(encoder, train, None, 0, batch, folder, steps, longest)
    start = time.perf_counter()
    with products.others():
        trainer.train()
    seconds = time.perf_counter() - start
    shutil.rmtree(folder, ignore_errors=True)
    return steps * batch / seconds


def _trainer(
    encoder: ResolvedEncoder,
    train: Examples,
    validation: Examples | None,
    seed: int,
    batch: int,
    folder: Path,
    steps: int = -1,
    longest: int | None = None,
) -> Any:
    from datasets import Dataset
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        PrinterCallback,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    tokenizer: Any = AutoTokenizer.from_pretrained(encoder.folder)
    padding = {"padding": "max_length", "max_length": longest} if longest else {"max_length": RECIPE.max_tokens}

    def dataset(part: Examples) -> Any:
        return Dataset.from_dict(
            {
                **tokenizer(list(part.texts), truncation=True, **padding),
                "labels": [int(call) for _, call in part.targets],
            }
        )

    def head() -> Any:
        return AutoModelForSequenceClassification.from_pretrained(encoder.folder, num_labels=2, dtype=torch.float32)

    weights = torch.tensor(len(train) / (2 * train.truth.sum(axis=0)), dtype=torch.float32)

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"]
        return torch.nn.functional.cross_entropy(logits, labels, weight=weights.to(logits.device))

    set_seed(seed)
    epochs = "no" if validation is None else "epoch"
    arguments = TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=RECIPE.epochs,
        max_steps=steps,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=32,
        learning_rate=RECIPE.learning_rate * math.sqrt(batch / RECIPE.batch_size),  # another batch, another noise
        weight_decay=RECIPE.weight_decay,
        warmup_steps=RECIPE.warmup,
        eval_strategy=epochs,
        save_strategy=epochs,
        save_total_limit=1,
        use_cpu=not torch.cuda.is_available(),
        seed=seed,
        disable_tqdm=True,
        report_to=[],
    )
    trainer = Trainer(
        model_init=head,
        args=arguments,
        train_dataset=dataset(train),
        eval_dataset=None if validation is None else dataset(validation),
        data_collator=DataCollatorWithPadding(tokenizer),
        compute_metrics=_metrics,
        compute_loss_func=loss,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _metrics(prediction: Any) -> dict[str, float]:
    truth = np.eye(2, dtype=int)[prediction.label_ids]
    return trainer_metrics(1, several=False)(type(prediction)(prediction.predictions, truth))


def _flops(encoder: ResolvedEncoder, lengths: Any) -> float:
    """Of the encoder's products in one epoch of training, backward twice as many as forward, padding not counted."""
    import json

    config = json.loads((encoder.folder / "config.json").read_text("utf-8"))
    size, inner, layers = config["hidden_size"], config["intermediate_size"], config["num_hidden_layers"]
    linear = 2 * float(lengths.sum()) * (4 * size * size + 2 * size * inner)
    attention = 4 * float((lengths.astype(float) ** 2).sum()) * size
    return 3 * layers * (linear + attention)


def _interval(differences: list[float]) -> str:
    """Mean and Student's 95 % interval of paired differences."""
    mean, n = statistics.mean(differences), len(differences)
    half = stats.t.ppf(0.975, n - 1) * statistics.stdev(differences) / math.sqrt(n) if n > 2 else float("nan")
    return f"{mean:+.3f} [{mean - half:+.3f}, {mean + half:+.3f}]"


if __name__ == "__main__":
    import sys

    main(*(int(part) for part in sys.argv[1:]))
