"""A registered version for programs that know MLflow and not us: ``mlflow.pyfunc.load_model(...).predict(texts)``.

MLflow imports this module by the name that a bundle's MLmodel gives, and calls ``_load_pyfunc``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from aufruf.errors import UsageError
from aufruf.model.predictor import Predictor
from aufruf.release.flavour import registered_manifest
from aufruf.schemas import JOINT, NONE


def columns(labels: Sequence[str]) -> list[str]:
    """The columns of the answer beside ``label``: one probability for each label, in the model's order."""
    return [f"probability_{label}" for label in labels]


class Answers:
    """The answers of one version, the same as ``aufruf score`` writes."""

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    def predict(self, texts: Any, params: Any = None) -> pd.DataFrame:
        """``texts``: a frame of one column, or a list. One row a text: its label, and a probability for each label.

        Raises UsageError for more than one column and for what is no text.
        """
        frame = pd.DataFrame(texts)
        asked: list[Any] = frame.iloc[:, 0].tolist() if frame.shape[1] == 1 else [None]
        if not all(isinstance(text, str) for text in asked):
            raise UsageError("not a column of texts", next="Give a list of texts, or a frame with one column of them.")
        odds = self.predictor.probabilities(asked)
        said = [JOINT.join(labels) or NONE for labels in self.predictor.said(odds)]
        answer = pd.DataFrame(odds, columns=columns(self.predictor.card.labels), index=frame.index)
        answer.insert(0, "label", said)
        return answer


def _load_pyfunc(folder: str) -> Answers:
    """Verify and load the bundle in ``folder``; a version fetched by name also against the registry's digest."""
    return Answers(Predictor.load(Path(folder), registered_manifest(Path(folder))))
