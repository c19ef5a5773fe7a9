"""The baseline every candidate must beat: TF-IDF of words and characters with logistic regression."""

from typing import Any

import numpy as np
import numpy.typing as npt

from aufruf.model import calibration
from aufruf.model.evaluation import Judged, best_threshold, decide
from aufruf.model.recipe import Examples


def fit(train: Examples, seed: int) -> Any:
    """A scikit-learn pipeline fitted on the training texts, classes weighted as in the model."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
    )
    one = LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed)
    model, said = (OneVsRestClassifier(one), train.truth) if train.several else (one, train.truth.argmax(axis=1))
    return make_pipeline(features, model).fit(list(train.texts), said)


def judge(
    train: Examples,
    validation: Examples,
    test: Examples,
    positive: int,
    seed: int,
    fixed: float | None = None,
) -> Judged:
    """The baseline on the test rows, calibrated on validation as the model is.

    ``fixed``: the threshold, 0..1, where the classifier file names one; else it is tuned on validation as the model's
    is. Both models' probabilities are calibrated, so that one number asks the same of both.
    """
    pipeline = fit(train, seed)
    known, probabilities = _all(pipeline, validation), _all(pipeline, test)
    if len(validation) and (found := calibration.fit(known, validation.truth, positive, train.several)):
        known, probabilities = (found.apply(part, train.several) for part in (known, probabilities))
    threshold = best_threshold(validation.truth[:, positive], known[:, positive]) if fixed is None else fixed
    predicted = decide(probabilities, positive, threshold, train.several)
    return Judged(test.truth, predicted, probabilities[:, positive], positive)


def _all(pipeline: Any, examples: Examples) -> npt.NDArray[np.float64]:
    """Probabilities with a column for each class, also for one that training had no example of."""
    out = np.zeros(examples.truth.shape)
    if len(examples):
        out[:, pipeline.classes_] = pipeline.predict_proba(list(examples.texts))
    return out
