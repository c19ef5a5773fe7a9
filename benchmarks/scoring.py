"""Scoring: our predictor against the transformers pipeline at its best batch size, on the same texts."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import material

_BATCHES = (1, 8, 32)


def main(count: int = 400) -> None:
    """Print texts per second, their ratio, and how far the probabilities are apart."""
    from transformers import pipeline

    folder, predictor = material.loaded()
    pipe: Any = pipeline("text-classification", model=str(folder), tokenizer=str(folder), top_k=None, device=-1)
    for name, texts in (("sample", material.sample_texts()[:count]), ("tweets", material.tweets(count))):
        if not texts:
            print(f"scoring {name}: absent, not measured")
            continue
        predictor.probabilities(texts[:32])  # warm
        seconds, ours = _timed(lambda texts=texts: predictor.positives(texts))
        runs = {size: _timed(lambda texts=texts, size=size: _pipeline(pipe, texts, size)) for size in _BATCHES}
        best = min(runs, key=lambda size: runs[size][0])
        gap = float(np.abs(ours - runs[best][1]).max())
        print(
            f"scoring {name}: {len(texts) / seconds:.0f} texts/s, "
            f"pipeline {len(texts) / runs[best][0]:.0f} at batch {best}: "
            f"{runs[best][0] / seconds:.1f} times as fast, largest difference of probabilities {gap:.4f}"
        )


def _pipeline(pipe: Any, texts: list[str], size: int) -> Any:
    said = pipe(texts, batch_size=size, truncation=True, max_length=256)
    return np.array([next(one["score"] for one in row if one["label"] == "call") for row in said])


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
