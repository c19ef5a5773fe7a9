"""The folder that is registered: weights, tokenizer, labels, threshold, recipe - and a manifest of digests.

No pickle is written or read. Loading goes through ``verify``, which refuses a folder that is not what was registered.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aufruf.errors import BundleRefused

CARD, MANIFEST, MLMODEL = "aufruf.json", "manifest.json", "MLmodel"
LOADER = "aufruf.steps.serve"  # the only module that an MLmodel may name
_LOADS = {"loader_module", "python_version", "env"}  # what it may say of it: no code, no path, no other function
_ADDED = {"registered_model_meta"}  # MLflow's client writes name and number of a version into what it has fetched
_CODE = {".py", ".pyc", ".so", ".pyd", ".dll"}
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".ckpt", ".npy"}


@dataclass(frozen=True)
class Card:
    """What a predictor must know besides the weights."""

    labels: tuple[str, ...]
    positive: str
    threshold: float
    max_tokens: int
    truncation: str
    encoder: str
    stand_in_for: str | None
    recipe: Mapping[str, Any]
    fingerprint: str  # of the data, recipe and encoder it was made of
    multi_label: bool = False  # a text may have several of the labels, or none
    calibration: Mapping[str, Any] | None = (
        None  # what the last layer was multiplied with and shifted by; None: nothing
    )


def seal(folder: Path, card: Card) -> str:
    """Write the card and the manifest beside the model; returns the digest of the manifest."""
    (folder / CARD).write_text(json.dumps(vars(card), indent=2, ensure_ascii=False), encoding="utf-8")
    digests = {path.name: _digest(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    (folder / MANIFEST).write_text(json.dumps(digests, indent=2), encoding="utf-8")
    return _digest(folder / MANIFEST)


def verify(folder: Path, manifest_digest: str | None = None) -> Card:
    """Check every file against the manifest, and the manifest against the digest that the registry holds.

    Raises BundleRefused naming the file that is missing, changed, foreign, a pickle, or that would run code.
    """
    where = folder.name
    if not (folder / MANIFEST).is_file():
        raise BundleRefused("no manifest", where=where, next="Fetch the model again, or register another version.")
    if manifest_digest is not None and _digest(folder / MANIFEST) != manifest_digest:
        raise BundleRefused("the manifest is not the registered one", where=where, next="Do not use this model.")
    wanted: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    found -= _ADDED - set(wanted)
    for name in sorted(found | set(wanted)):
        if Path(name).suffix in _PICKLES:
            raise BundleRefused(f"{name} can hold a pickle", where=where, next="Do not use this model.")
        if Path(name).suffix in _CODE:
            raise BundleRefused(f"{name} is code", where=where, next="Do not use this model.")
        if name not in found or name not in wanted or _digest(folder / name) != wanted[name]:
            state = "is missing" if name not in found else "is foreign" if name not in wanted else "was changed"
            raise BundleRefused(f"{name} {state}", where=where, next="Fetch the model again, or roll back.")
    card = Card(**json.loads((folder / CARD).read_text(encoding="utf-8")))
    return _agreeing(folder, card)


def _agreeing(folder: Path, card: Card) -> Card:
    for path in sorted(folder.glob("*config.json")):
        if "auto_map" in json.loads(path.read_text(encoding="utf-8")):
            raise BundleRefused(
                f"{path.name} asks to run code (auto_map)", where=folder.name, next="Do not use this model."
            )
    if (folder / MLMODEL).exists() and not _loads_with_us(folder / MLMODEL):
        raise BundleRefused(f"{MLMODEL} asks to run other code", where=folder.name, next="Do not use this model.")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    named = tuple(label for _, label in sorted(config["id2label"].items(), key=lambda item: int(item[0])))
    if named != tuple(card.labels):
        raise BundleRefused(
            f"the weights' labels are {list(named)}, the card's {list(card.labels)}",
            where=folder.name,
            next="Do not use this model: its labels may be swapped.",
        )
    return card


def _loads_with_us(path: Path) -> bool:
    try:
        flavours = json.loads(path.read_text(encoding="utf-8"))["flavors"]  # we write it as JSON, which is YAML
        ours = flavours["python_function"]
        return set(flavours) == {"python_function"} and ours["loader_module"] == LOADER and set(ours) <= _LOADS
    except (ValueError, KeyError, TypeError):
        return False


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
