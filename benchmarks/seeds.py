"""How alike two trainings are that differ in their seed only: what the simulation of the gate takes for nights."""

import shutil
import sys
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np

from aufruf.model import bundle, evaluation, stand_in
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.predictor import Predictor
from aufruf.model.training import fine_tune
from benchmarks import material
from benchmarks.training import RECIPE


def main(texts: int = 400, test: int = 500, seeds: int = 3) -> None:
    """Print the F1 of each seed on the same test rows, and how often two seeds err on the same rows."""
    train, rows = material.enriched(texts + 100, test)
    kept, validation = (_part(train, 0, texts), _part(train, texts, texts + 100))
    home = Path(tempfile.mkdtemp(prefix="aufruf-bench-"))
    said, scores = [], []
    try:
        encoder = ResolvedEncoder(stand_in.convert(home / stand_in.NAME), stand_in.FULL_NAME, None, None)
        for seed in range(seeds):
            recipe = replace(RECIPE, seed=seed, epochs=2, max_tokens=64, metric="f1")
            made = fine_tune(encoder, material.LABELS, 1, kept, validation, recipe, home / "run")
            card = bundle.Card(material.LABELS, "call", 0.5, 64, "head", encoder.name, None, recipe.as_dict(), "")
            bundle.seal(made.folder, card)
            said.append(Predictor.load(made.folder).positives(rows.texts) >= 0.5)
            one = np.stack([~said[-1], said[-1]], axis=1)
            scores.append(evaluation.measure(evaluation.Judged(rows.truth, one, said[-1].astype(float), 1))["f1"])
            print(f"seed {seed}: F1 {100 * scores[-1]:.1f} on {len(rows)} comments", flush=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    wrong = [one != rows.truth[:, 1] for one in said]
    for a, b in combinations(range(seeds), 2):
        both = np.mean(wrong[a] & wrong[b])
        print(
            f"seeds {a} and {b}: {np.mean(said[a] != said[b]):.1%} of the rows differ; of the errors of the one "
            f"{both / np.mean(wrong[a]):.0%} are the other's; correlation {np.corrcoef(wrong[a], wrong[b])[0, 1]:.2f}"
        )
    print(f"F1 from seed to seed: standard deviation {100 * np.std(scores, ddof=1):.1f} points")


def _part(rows, start: int, end: int):  # type: ignore[no-untyped-def]
    names = rows.text_ids[start:end]
    return type(rows)(names, rows.texts[start:end], rows.targets[start:end], names)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
