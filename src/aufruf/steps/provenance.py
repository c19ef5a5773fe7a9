"""What a training or a trial is made of, as the tags and the parameters of its run in MLflow."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aufruf
from aufruf.classifier import Classifier
from aufruf.model.encoders import ResolvedEncoder
from aufruf.model.recipe import Recipe
from aufruf.settings import Settings
from aufruf.steps import corpus


def tags(settings: Settings, encoder: ResolvedEncoder, at: Mapping[str, int]) -> dict[str, Any]:
    """Encoder, code, the Delta version of each table in ``at``, and where whoever started the command shows it."""
    return {
        "aufruf.encoder": encoder.name,
        "aufruf.encoder_revision": encoder.revision,
        "aufruf.stand_in_for": encoder.stand_in_for,
        "aufruf.version": aufruf.__version__,
        "aufruf.git_commit": _git_commit(),
        "aufruf.ledger_version": at.get("splits"),
        "aufruf.run_url": settings.run_url,
        **corpus.data_seen(at),
    }


def params(classifier: Classifier, encoder: ResolvedEncoder, recipe: Recipe) -> dict[str, Any]:
    """All that a training must be told to be repeated."""
    return {**recipe.as_dict(), "encoder": encoder.name, "labels": ", ".join(classifier.labels)}


def _git_commit() -> str | None:
    """The commit of the checkout this package runs from; None when it is installed without one, into another's too."""
    here = Path(__file__).resolve()
    try:
        for words in (["ls-files", "--error-unmatch", here.name], ["rev-parse", "HEAD"]):
            asked = subprocess.run(
                ["git", *words], cwd=here.parent, capture_output=True, text=True, check=True, timeout=10
            )
    except (OSError, subprocess.SubprocessError):
        return None
    return asked.stdout.strip() or None
