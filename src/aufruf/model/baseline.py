"""The baseline every candidate must beat: TF-IDF of words and characters with logistic regression."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.model.evaluation import Judged, best_threshold, decide
from aufruf.model.recipe import Examples


def fit(train: Examples, seed: int) -> Any:
    """A scikit-learn pipeline fitted on the training texts, classes weighted as in the model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    pipeline = make_pipeline(features, LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed))
    return pipeline.fit(list(train.texts), np.asarray(train.labels))


def judge(train: Examples, validation: Examples, test: Examples, positive: int, classes: int, seed: int) -> Judged:
    """The baseline on the test rows, its threshold tuned on validation as the model's is."""
    pipeline = fit(train, seed)
    tuned = best_threshold(np.asarray(validation.labels) == positive, _all(pipeline, validation, classes)[:, positive])
    probabilities = _all(pipeline, test, classes)
    predicted = decide(probabilities, positive, tuned)
    return Judged(np.asarray(test.labels), predicted, probabilities[:, positive], positive, classes)


def _all(pipeline: Any, examples: Examples, classes: int) -> npt.NDArray[np.float64]:
    """Probabilities with a column for each class, also for one that training had no example of."""
    out = np.zeros((len(examples), classes))
    if len(examples):
        out[:, pipeline.classes_] = pipeline.predict_proba(list(examples.texts))
    return out
