"""Which labelled texts read like a given one: the first thing to look at when a prediction surprises."""

from collections.abc import Sequence

import numpy as np

_FLOOR = 0.1  # cosine
_CHUNK = 500  # queries compared at a time: bounds memory at 500 x texts similarities


def nearest(texts: Sequence[str], queries: Sequence[str], most: int) -> list[list[tuple[int, float]]]:
    """For each query the texts most like it: at most ``most`` pairs (position, cosine 0..1), the most similar first.

    Compared are TF-IDF vectors of words. Parts of words would find compounds too, but take ten times as long. Texts
    less alike than 0.1 are left out: they share little but common words.
    """
    if not (texts and queries and most):
        return [[] for _ in queries]
    from sklearn.feature_extraction.text import TfidfVectorizer

    features = TfidfVectorizer(sublinear_tf=True, dtype=np.float32)
    try:
        known = features.fit_transform(texts)
    except ValueError:  # no text has a word
        return [[] for _ in queries]
    found = []
    for start in range(0, len(queries), _CHUNK):
        alike = (features.transform(queries[start : start + _CHUNK]) @ known.T).toarray()
        order = np.argsort(-alike, axis=1, kind="stable")[:, :most]
        found += [
            [(int(at), min(float(row[at]), 1.0)) for at in best if row[at] >= _FLOOR]
            for row, best in zip(alike, order, strict=True)
        ]
    return found
