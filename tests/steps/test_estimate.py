"""What a job of explanations costs, reckoned with models of which is known what they take."""

import time

import numpy as np
import pandas as pd
import pytest

from aufruf.model.explain import Effort
from aufruf.steps.estimate import estimate

LONG = "Kommt am Sonntag alle zum Infostand am Markt, wir freuen uns sehr auf euch und eure Fragen!"


def chosen(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"text_id": [f"t{n}" for n in range(len(texts))], "text": list(texts)})


def slow(texts):
    """A millisecond for each distinct text, as a model takes that reads equal ones once."""
    time.sleep(0.001 * len(set(texts)))
    return np.full(len(texts), 0.5)


def test_the_rate_is_that_of_distinct_texts(classifier):
    """Of a text of two words there are four variants, however many are drawn: no rate is quicker than the model."""
    found = estimate(chosen("Geht wählen", "Kommt alle"), None, classifier, slow, Effort())
    assert found["perturbations"] == 8
    assert 0 < found["rate"] <= 1000


@pytest.mark.parametrize(("texts", "beside"), [((), 0), (("a",), 2), (("a", "b", "c"), 6)])
def test_swapped_words_of_before_are_counted(classifier, texts, beside):
    """The page on words is of all explanations: each text that names a suspect is asked about with and without it."""
    quiet = classifier.model_copy(update={"explain": classifier.explain.model_copy(update={"faithfulness": 0})})
    before = pd.DataFrame(
        [(text, '[["#CDU", 0.1], ["cdu", 0.2], ["ja", 0.3]]') for text in texts], columns=["text_id", "words"]
    )
    assert estimate(chosen("Geht"), before, quiet, slow, Effort())["beside"] == beside


def test_what_is_reckoned_beside_the_model_counts(classifier):
    """A model that takes no time leaves the draws, the fits and the resamples."""
    quick = estimate(chosen(*[LONG] * 50), None, classifier, lambda texts: np.full(len(texts), 0.5), Effort(400))
    assert quick["perturbations"] == 50 * 400
    assert quick["at_most_seconds"] > 2 * (quick["perturbations"] + quick["beside"]) / quick["rate"]
