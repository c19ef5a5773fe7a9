"""What makes a bundle a model for MLflow, too: how to load it, what goes in and comes out, what has to be installed.

No pickle: MLflow is told the module that loads the folder, and that module is ours.
"""

import json
import logging
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import Model, ModelSignature
from mlflow.store.artifact.models_artifact_repo import REGISTERED_MODEL_META_FILE_NAME
from mlflow.types import ColSpec, DataType, Schema
from mlflow.utils.yaml_utils import read_yaml

from aufruf.release import system
from aufruf.release.registry import as_version
from aufruf.release.server import FAILURES
from aufruf.release.tracking import Run

log = logging.getLogger(__name__)
EXAMPLE = ("Geht am Sonntag wählen!", "Die Fraktion hat gestern getagt.")  # invented: those of the corpus have authors
_MODEL, _EXAMPLE, _REQUIREMENTS, _PYTHON = "MLmodel", "input_example.json", "requirements.txt", "python_env.yaml"
_LOADS = ("aufruf", "mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pandas")


def write(folder: Path, run: Run, loader: str, answers: Sequence[str]) -> None:
    """Write MLmodel, input example and requirements beside the weights; the same run gives the same bytes.

    ``loader``: the module whose ``_load_pyfunc`` MLflow calls. ``answers``: columns of numbers beside ``label``.
    """
    example = pd.DataFrame({"text": EXAMPLE})
    (folder / _EXAMPLE).write_text(json.dumps(example.to_dict("split")), encoding="utf-8")
    (folder / _REQUIREMENTS).write_text("".join(f"{name}=={system.version(name)}\n" for name in _LOADS), "utf-8")
    python = {"python": platform.python_version(), "dependencies": [f"-r {_REQUIREMENTS}"]}
    (folder / _PYTHON).write_text(json.dumps(python, indent=2), "utf-8")  # JSON is YAML, and says one thing only
    model = Model(
        run_id=run.id,
        model_uuid=run.id,
        utc_time_created=datetime.fromtimestamp(run.started / 1000, UTC).replace(tzinfo=None),
        signature=_signature(answers),
        saved_input_example_info={"artifact_path": _EXAMPLE, "type": "dataframe", "pandas_orient": "split"},
    )
    mlflow.pyfunc.add_to_model(model, loader_module=loader, python_env=_PYTHON)
    (folder / _MODEL).write_text(json.dumps(model.to_dict(), indent=2), "utf-8")


def registered_manifest(folder: Path) -> str | None:
    """The manifest's digest that the registry holds for a folder that MLflow has fetched by a version's name.

    None for any other folder, and, with a warning, where the registry does not answer: a container that was built from
    a version may run far from it. Raises BundleRefused where it answers that the version has no digest.
    """
    if not (folder / REGISTERED_MODEL_META_FILE_NAME).is_file():
        return None
    found = read_yaml(str(folder), REGISTERED_MODEL_META_FILE_NAME)
    try:
        version = MlflowClient().get_model_version(found["model_name"], str(found["model_version"]))
    except FAILURES as failure:
        log.warning("the registry does not answer (%s): only the manifest is checked", type(failure).__name__)
        return None
    return as_version(version).manifest


def _signature(answers: Sequence[str]) -> ModelSignature:
    """One column of texts, under any name or none; a label and a number for each label."""
    numbers = [ColSpec(DataType.double, name) for name in answers]
    return ModelSignature(
        inputs=Schema([ColSpec(DataType.string)]), outputs=Schema([ColSpec(DataType.string, "label"), *numbers])
    )
