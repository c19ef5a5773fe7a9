import pytest
from scipy.stats import binomtest

from aufruf.reports.intervals import wilson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (1, 12), (54, 278), (278, 278), (0, 5000), (2500, 5000)])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_it_is_the_wilson_score_interval(k: int, n: int, confidence: float) -> None:
    """The bounds are those that scipy computes for the same counts."""
    expected = binomtest(k, n).proportion_ci(confidence_level=confidence, method="wilson")
    assert wilson(k, n, confidence) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_nothing_counted_says_nothing() -> None:
    """No text at all leaves every share possible."""
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("k", "n", "confidence"), [(3, 2, 0.95), (-1, 2, 0.95), (0, -1, 0.95), (1, 2, 1.0), (1, 2, 0.0)]
)
def test_impossible_counts_are_refused(k: int, n: int, confidence: float) -> None:
    """More calls than texts is a mistake of the caller, never an interval."""
    with pytest.raises(ValueError, match="not"):
        wilson(k, n, confidence)
