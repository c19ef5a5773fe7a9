"""What a training is made of, as one value that can be logged, compared and repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from aufruf.classifier import Classifier


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
    """Labelled texts: ``labels[i]`` is the index, in the classifier's order, of the label of ``texts[i]``."""

    text_ids: Sequence[str]
    texts: Sequence[str]
    labels: Sequence[int]
    groups: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)
