"""Measures the tables that ``benchmarks.sweeps`` replays: every configuration of the default space, every epoch.

``python -m benchmarks.sweep_table FOLDER`` trains the first layers of the stand-in encoder 243 times on real comments
(within the hour; it goes on where it was stopped) and writes FOLDER/sweep_table.json; with ``grown`` behind it the same
on the data of a later night, in which annotators have added a tenth, and writes FOLDER/sweep_table_grown.json.
"""

import itertools
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from aufruf.classifier import Sweep
from aufruf.model import stand_in
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Recipe
from aufruf.model.training import fine_tune
from benchmarks import material

SPACE = ("epochs", "learning_rate", "weight_decay", "warmup", "batch_size")
LAYERS, TRAIN, VALIDATION = 2, 300, 300
ADDED = 30  # to either of them
RATES = 10  # times the default learning rates: so small an encoder learns nothing at those of a large one


def main(folder: Path, grown: bool = False) -> None:
    """Train what is missing; one line of JSON a configuration."""
    encoder = _encoder(folder)
    train, validation, *added = material.parts(TRAIN, VALIDATION, ADDED, ADDED)
    if grown:
        train, validation = train + added[0], validation + added[1]
    name = "sweep_table_grown" if grown else "sweep_table"
    journal = folder / f"{name}.ndjson"
    known = {tuple(json.loads(line)["config"]) for line in journal.open()} if journal.exists() else set()
    space = Sweep()
    for config in itertools.product(*(getattr(space, name) for name in SPACE)):
        if config in known:
            continue
        recipe = _recipe(dict(zip(SPACE, config, strict=True)))
        recipe = replace(recipe, learning_rate=recipe.learning_rate * RATES)
        seen = material.examples(train), material.examples(validation)
        trained = fine_tune(encoder, material.LABELS, 1, *seen, recipe, folder / f"{name}.run")
        shutil.rmtree(folder / f"{name}.run")
        curve = [round(row["macro_f1"], 4) for row in trained.history]
        with journal.open("a") as file:
            file.write(json.dumps({"config": config, "macro_f1": curve}) + "\n")
        print(config, curve, flush=True)
    rows = [json.loads(line) for line in journal.open()]
    text = ",\n".join(json.dumps(row) for row in rows)
    (folder / f"{name}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")


def _recipe(config: dict[str, Any]) -> Recipe:
    return Recipe(
        **config,
        patience=8,  # every epoch is wanted here
        class_weights="balanced",
        frozen_layers=0,
        seed=5460,
        max_tokens=48,
        truncation="head_tail",
        metric="macro_f1",
    )


def _encoder(home: Path) -> ResolvedEncoder:
    """The stand-in's first layers: a real encoder that trains in seconds."""
    from transformers import AutoModel, AutoTokenizer

    whole, cut = stand_in.convert(home / stand_in.NAME), home / "first-layers"
    if not cut.is_dir():
        model = AutoModel.from_pretrained(whole)
        model.encoder.layer = model.encoder.layer[:LAYERS]
        model.config.num_hidden_layers = LAYERS
        model.save_pretrained(cut)
        AutoTokenizer.from_pretrained(whole).save_pretrained(cut)
    return ResolvedEncoder(cut, "first layers", None, None)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["grown"])
