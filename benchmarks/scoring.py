"""Scoring, side by side in one run: ours, the transformers pipeline at its best batch size, one big padded batch, and
what the machine's matrix products could do at most.

``python -m benchmarks.scoring [TEXTS [sample|tweets|C2A ...]]``. Each is timed in turn, several times over, and the
fastest counts: on a machine that others use too, that is the time with the least of the others in it. "Processor" is
the time that the process itself has computed, which others do not lengthen; on a GPU it is the clock's.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from aufruf.model import device
from aufruf.model.layout import HEADS
from aufruf.model.predictor import Predictor
from benchmarks import material, products

_GPU = device.find().kind == "cuda"  # of several GPUs one, before anything else asks for them
_BATCHES = (32, 128, 512) if _GPU else (1, 8, 32)
_ROUNDS = 3
_CHUNK = 1000 if _GPU else 100  # texts of the notebook's one padded batch: all at once do not fit into memory
_SHAPES = ((2048, 1), (2048, 4))  # tokens, and how many times wider than the hidden size a layer's product is


@dataclass
class Timed:
    """The best seconds of all rounds, by the clock and by the processor, and the last answer."""

    clock: float
    processor: float
    answer: Any


def main(count: int = 200, only: Sequence[str] = ()) -> None:
    """Print ratios, label agreement, the largest difference of probabilities, and the share of the peak."""
    from transformers import pipeline

    folder, predictor = material.loaded()
    saved = material.as_saved(folder)
    where = 0 if _GPU else -1
    pipe: Any = pipeline("text-classification", model=str(folder), tokenizer=str(folder), top_k=None, device=where)
    precision = predictor.device.precision
    kind = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    peak = products.peak(kind) if _GPU else _peak(predictor, kind)
    print(f"scoring: {predictor.device.name}, {torch.get_num_threads()} threads, {precision}")
    sources = {
        "sample": material.sample_texts()[:count],
        "tweets": material.tweets(count),
        "C2A": [text for text, _ in material.comments(count)],
    }
    for name, texts in sources.items():
        if only and name not in only:
            continue
        if not texts:
            print(f"scoring {name}: absent, not measured")
            continue
        ways: dict[str, Callable[[], Any]] = {"ours": lambda texts=texts: predictor.positives(texts)}
        for size in _BATCHES:
            ways[f"pipeline, batch {size}"] = lambda texts=texts, size=size: _pipeline(pipe, texts, size)
        ways["one padded batch"] = lambda texts=texts: _padded(saved, predictor, texts)
        _tell(name, texts, predictor, _raced(ways), peak)


def _tell(name: str, texts: Sequence[str], predictor: Predictor, found: dict[str, Timed], peak: float) -> None:
    ours = found.pop("ours")
    lengths = [len(ids) for ids in predictor.tokenizer(texts).ids]
    flops = _flops(predictor.model, lengths)
    print(
        f"scoring {name}: {len(texts)} texts of {np.mean(lengths):.0f} tokens (longest {max(lengths)}), "
        f"{len(texts) / ours.clock:.1f} texts/s by the clock, {len(texts) / ours.processor:.1f} by the processor; "
        f"{flops / ours.processor / 1e9:.0f} GFLOP/s useful of {peak / 1e9:.0f} measured at most in its products, "
        f"{flops / ours.processor / peak:.0%}"
    )
    whole = np.array(lengths) < predictor.tokenizer.max_tokens  # of longer ones the others keep the head only
    at_work = products.measured(lambda: predictor.positives(texts))
    cores = 1 if _GPU else torch.get_num_threads()
    rate = _flops(predictor.model, lengths, attention=False) / at_work.seconds / cores
    print(
        f"  while products run: {rate / 1e9:.0f} GFLOP/s useful, {rate / peak:.0%} of that; they are "
        f"{at_work.share:.0%} of the time, fused attention {at_work.fused / at_work.whole:.0%}"
    )
    best = min((way for way in found if way.startswith("pipeline")), key=lambda way: found[way].processor)
    for way in (best, "one padded batch"):
        other, gap = found[way], np.abs(ours.answer - found[way].answer)[whole]
        same = np.mean(((ours.answer >= 0.5) == (other.answer >= 0.5))[whole])
        print(
            f"  {way}: ours is {other.clock / ours.clock:.2f} times as fast by the clock, "
            f"{other.processor / ours.processor:.2f} by the processor; same label {same:.1%}, "
            f"largest difference of probabilities {gap.max():.6f} ({whole.sum()} texts that nobody cuts, "
            f"{np.mean(ours.answer[whole] >= 0.5):.0%} calls)"
        )


def _raced(ways: dict[str, Callable[[], Any]]) -> dict[str, Timed]:
    """Every way once a round, so that a busy minute of the machine meets all of them alike."""
    found: dict[str, Timed] = {}
    for _ in range(_ROUNDS):
        for name, way in ways.items():
            clock, processor = time.perf_counter(), products.clock()
            answer = way()
            spent = Timed(time.perf_counter() - clock, products.clock() - processor, answer)
            known = found.get(name, spent)
            found[name] = Timed(min(spent.clock, known.clock), min(spent.processor, known.processor), answer)
    return found


def _pipeline(pipe: Any, texts: Sequence[str], size: int) -> Any:
    with products.others():
        said = pipe(list(texts), batch_size=size, truncation=True, max_length=256)
    return np.array([next(one["score"] for one in row if one["label"] == "call") for row in said])


def _padded(saved: Any, predictor: Predictor, texts: Sequence[str]) -> Any:
    """The notebook's way: every text padded to the longest of all, in fp32."""
    inner, found = predictor.tokenizer.inner, []
    whole = inner(list(texts), padding=True, truncation=True, max_length=256, return_tensors="pt")
    for at in range(0, len(texts), _CHUNK):
        part = {key: value[at : at + _CHUNK].to(predictor.device.kind) for key, value in whole.items()}
        with torch.no_grad(), products.others():
            logits = saved(**part).logits.double().cpu()
        found.append(torch.softmax(logits, dim=1)[:, predictor.positive].numpy())
    return np.concatenate(found)


def _flops(model: Any, lengths: Sequence[int], attention: bool = True) -> float:
    """Of the encoder's matrix products, two a multiplication: four projections, two layers, and attention."""
    layers, hidden, inner = (
        getattr(model.config, name) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
    )
    tokens = np.asarray(lengths, dtype=np.float64)
    pairs = 2 * tokens**2 * hidden if attention else 0.0
    whole = 2 * layers * np.sum(tokens * (4 * hidden**2 + 2 * hidden * inner) + pairs)
    left_out = tokens - 1 if model.config.model_type in HEADS else 0 * tokens  # behind the last block's attention
    return float(whole - 2 * np.sum(left_out * (hidden**2 + 2 * hidden * inner)))


def _peak(predictor: Predictor, kind: torch.dtype) -> float:
    """The best rate (FLOP a second of the processor) of products as large as a full batch's, in the same precision."""
    hidden, best = predictor.model.config.hidden_size, 0.0
    for tokens, times in _SHAPES:
        left = torch.randn(tokens, hidden).to(predictor.device.kind, kind)
        right = torch.randn(hidden * times, hidden).to(predictor.device.kind, kind)
        for _ in range(20):
            start = products.clock()
            for _ in range(5):
                torch.nn.functional.linear(left, right)
            spent = products.clock() - start
            best = max(best, 5 * 2 * tokens * hidden**2 * times / spent)
    return best


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]), only=sys.argv[2:])
