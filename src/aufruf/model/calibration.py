"""Probabilities that mean what they say: fitted on validation, and folded into the last layer of the model.

A calibration multiplies the logit of each label by a positive scale and adds a shift. That is what the last layer
computes anyway, so the saved weights give calibrated probabilities to whoever loads them.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from aufruf.model.evaluation import probabilities_of
from aufruf.model.metrics import Flags, Floats

log = logging.getLogger(__name__)
_LEAST = 1e-12  # probability below which a logit is not read off any more
_SCALE_SD, _SHIFT_SD = 1.0, 3.0  # of log scale and of shift, a priori: a few texts move them little
_FURTHEST = 10.0  # no scale above it, nor below its inverse


@dataclass(frozen=True)
class Calibration:
    """What happens to the logits: ``scale[k] * logit + shift[k]``, one of each a label."""

    method: Literal["platt", "temperature"]
    scale: Sequence[float]
    shift: Sequence[float]
    texts: int  # that it was fitted on

    def as_dict(self) -> dict[str, Any]:
        return {**vars(self), "scale": list(self.scale), "shift": list(self.shift)}

    def apply(self, probabilities: Floats, several: bool) -> Floats:
        """Calibrated probabilities from those of the model, (texts, labels); what is impossible stays so."""
        return probabilities_of(_logits(probabilities, several) * np.array(self.scale) + np.array(self.shift), several)


def fit(probabilities: Floats, truth: Flags, positive: int, several: bool) -> Calibration | None:
    """The calibration that (texts, labels) probabilities of a model need; None where the texts tell of none.

    Two labels: Platt scaling of the difference of their logits (Platt 1999; smoothed targets as in Lin, Lin and Weng
    2007). Several labels to a text: the same of each. Else: one temperature (Guo et al. 2017). A prior around "as it
    is" and the limits of the scale keep a few texts from turning probabilities round or blowing them up; a fit that
    makes the plain log loss no better is none.
    """
    logits, (texts, labels) = _logits(np.clip(probabilities, _LEAST, 1 - _LEAST), several), truth.shape
    scale, shift = np.ones(labels), np.zeros(labels)
    if several:
        for at in range(labels):
            scale[at], shift[at] = _platt(logits[:, at], truth[:, at])
    elif labels == 2:
        other = 1 - positive
        scale[:], shift[positive] = _platt(logits[:, positive] - logits[:, other], truth[:, positive])
    else:
        scale[:] = _temperature(logits, truth)
    if (scale == 1).all() and (shift == 0).all():
        return None
    method: Literal["platt", "temperature"] = "platt" if several or labels == 2 else "temperature"
    return Calibration(method, scale.tolist(), shift.tolist(), texts)


def fold(folder: Path, model: Any, found: Calibration) -> bool:
    """Change the last layer of the weights in ``folder``; False, and nothing changed, where it cannot hold them.

    ``model``: the same weights, loaded. The last linear layer with an output a label is the one whose outputs are the
    logits, in BERT, DistilBERT, ModernBERT (``classifier``) and XLM-R (``classifier.out_proj``) alike.
    """
    from safetensors.torch import load_file, save_file

    name = _head(model, len(found.scale))
    file = _file_with(folder, f"{name}.weight") if name else None
    if name is None or file is None or model.get_submodule(name).bias is None:
        log.warning("the model's last layer cannot hold a calibration; its probabilities stay as they are")
        return False
    weights = load_file(file)
    scale, shift = (weights[f"{name}.bias"].new_tensor(list(part)) for part in (found.scale, found.shift))
    weights[f"{name}.weight"] = weights[f"{name}.weight"] * scale[:, None]
    weights[f"{name}.bias"] = weights[f"{name}.bias"] * scale + shift
    passing = file.with_name(f".{file.name}")
    save_file(weights, passing, metadata={"format": "pt"})
    passing.replace(file)  # not written in place: loaded tensors may still be read from the old file
    return True


def _head(model: Any, labels: int) -> str | None:
    import torch

    linear = [(name, part) for name, part in model.named_modules() if isinstance(part, torch.nn.Linear)]
    return next((name for name, part in reversed(linear) if part.out_features == labels), None)


def _file_with(folder: Path, tensor: str) -> Path | None:
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as held:
            if tensor in held.keys():  # noqa: SIM118 - it is no mapping
                return path
    return None


def _logits(probabilities: Floats, several: bool) -> Floats:
    """What a softmax or logistic function made ``probabilities`` of; of a softmax but for a constant a text."""
    with np.errstate(divide="ignore"):  # the logit of 0 is minus infinity, and stays it
        return np.log(probabilities) - np.log1p(-probabilities) if several else np.log(probabilities)


def _platt(logits: Floats, truth: Flags) -> tuple[float, float]:
    """Scale and shift of the logits of yes-or-no questions; (1, 0) where one of the answers does not occur."""
    yes, no = int(truth.sum()), int((~truth).sum())
    if not yes or not no:
        return 1.0, 0.0
    target = np.where(truth, (yes + 1) / (yes + 2), 1 / (no + 2))

    def loss(at: Floats) -> float:
        z = np.exp(at[0]) * logits + at[1]
        prior = (at[0] / _SCALE_SD) ** 2 / 2 + (at[1] / _SHIFT_SD) ** 2 / 2
        return float(np.sum(np.logaddexp(0.0, z) - target * z) + prior)

    log_scale, shift = _least(loss, 2)
    scale = float(np.exp(log_scale))

    def plain(a: float, b: float) -> float:
        return float(np.sum(np.logaddexp(0.0, np.where(truth, -1.0, 1.0) * (a * logits + b))))

    return (scale, float(shift)) if plain(scale, float(shift)) < plain(1.0, 0.0) else (1.0, 0.0)


def _temperature(logits: Floats, truth: Flags) -> float:
    """The scale, one over the temperature, of all logits; 1 where fewer than two labels occur."""
    if truth.any(axis=0).sum() < 2:
        return 1.0

    def plain(scale: float) -> float:
        z = scale * logits
        return float(np.sum(np.logaddexp.reduce(z, axis=1) - z[truth]))

    (log_scale,) = _least(lambda at: plain(float(np.exp(at[0]))) + (at[0] / _SCALE_SD) ** 2 / 2, 1)
    scale = float(np.exp(log_scale))
    return scale if plain(scale) < plain(1.0) else 1.0


def _least(loss: Any, parameters: int) -> Floats:
    """Where a loss is least; the first parameter is the logarithm of a scale."""
    from scipy.optimize import minimize

    limit = float(np.log(_FURTHEST))
    bounds = [(-limit, limit), (-100.0, 100.0)][:parameters]
    found: Floats = minimize(loss, np.zeros(parameters), method="L-BFGS-B", bounds=bounds).x
    return found
