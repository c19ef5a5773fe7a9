"""How sure a share is."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


@dataclass(frozen=True)
class Interval:
    """A value with the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


def wilson(k: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of the share k / n, as (low, high) in 0..1; (0, 1) when nothing was counted.

    Both may be broken: an effective number of texts is.
    Wilson (1927), Journal of the American Statistical Association 22, 209-212; recommended for small n by
    Brown, Cai and DasGupta (2001), Statistical Science 16, 101-133, equation 4. Raises ValueError unless
    0 <= k <= n and 0 < confidence < 1.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    if n == 0:
        return 0.0, 1.0
    z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
    centre = (k + z2 / 2) / (n + z2)
    half = sqrt(z2 * (k * (n - k) / n + z2 / 4)) / (n + z2)
    # at k = 0 and k = n the bound is exact; the subtraction would leave a rounding error
    return (0.0 if k == 0 else centre - half), (1.0 if k == n else centre + half)
