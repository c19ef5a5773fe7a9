"""What a training is made of, as one value that can be logged, compared and repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from aufruf.classifier import Classifier
from aufruf.errors import TrainingFailed


@dataclass(frozen=True)
class Recipe:
    """Every number a training depends on besides its data and its encoder."""

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    warmup: float
    patience: int
    class_weights: str
    frozen_layers: int
    seed: int
    max_tokens: int
    truncation: Literal["head", "head_tail"]
    metric: str

    @classmethod
    def of(cls, classifier: Classifier, best: Mapping[str, Any] | None = None) -> "Recipe":
        """The classifier's training section, with a sweep's best hyperparameters laid over it."""
        section = classifier.training.model_dump()
        encoder = classifier.encoder
        recipe = cls(
            **section,
            max_tokens=encoder.max_tokens,
            truncation=encoder.truncation,
            metric=classifier.gate.metric,
        )
        return replace(recipe, **(best or {}))

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Examples:
    """Labelled texts: ``targets[i]`` has a 1 for each label of ``texts[i]``, in the classifier's order, else 0."""

    text_ids: Sequence[str]
    texts: Sequence[str]
    targets: Sequence[Sequence[int]]
    groups: Sequence[str]
    several: bool = False  # a text may have several labels, or none; else exactly one

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def truth(self) -> npt.NDArray[np.bool_]:
        """``targets`` as a matrix, (texts, labels)."""
        return np.asarray(self.targets, dtype=np.bool_).reshape(len(self), len(self.targets[0]) if len(self) else 0)


def check_sides(labels: tuple[str, ...], positive: int, train: Examples, validation: Examples) -> None:
    """Raise TrainingFailed where nothing could be learnt, or seen to be.

    That is where a side has no text, a label stands on none or on every training text, or the positive on no text of
    validation: each epoch and each configuration would be worth the same there.
    """
    for side, texts in (("train", train), ("validation", validation)):
        if not len(texts):
            raise TrainingFailed(f"no text is in {side}", next="Ingest more annotations; five groups fill all sides.")
    count = [sum(column) for column in zip(*train.targets, strict=True)]
    for said, n in (("no", 0), ("every", len(train))):
        if n in count:
            what = f"{said} training text is labelled {labels[count.index(n)]!r}"
            raise TrainingFailed(what, next="Ingest annotations of that label, and of texts without it.")
    if not validation.truth[:, positive].any():
        raise TrainingFailed(
            f"no text in validation is labelled {labels[positive]!r}: nothing says which model is better",
            next="Ingest annotations of that label; five groups of such texts fill all sides.",
        )
