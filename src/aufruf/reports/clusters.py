"""How many independent texts the counted ones are worth: texts of one account, or of one post, are alike."""

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Spread:
    """How much a share varies from cluster to cluster; as constructed, texts that are independent."""

    clusters: int = 0  # accounts, or posts where accounts are unknown; 0: nobody looked
    ratio: float = 0.0  # variance of the share over that of as many independent texts
    effective: float = 0.0  # as many clusters of equal size say as much
    alike: float = 0.0  # correlation of two texts of one cluster, as the ratio tells it

    def worth(self, texts: float, confidence: float = 0.95) -> float:
        """Independent texts that say as much about the share as ``texts`` do; never more than there are.

        The effective sample size of Korn and Graubard (1998), Survey Methodology 24, 193-201: texts over the design
        effect, and fewer the fewer clusters the effect is known from (the quantile of t against the normal one).
        """
        if self.ratio <= 0:
            return texts
        from scipy.special import stdtrit

        tail = 0.5 + confidence / 2
        few = NormalDist().inv_cdf(tail) / float(stdtrit(max(1.0, self.effective - 1), tail))
        return min(texts, texts / self.ratio * few**2)


def spread(calls: npt.ArrayLike, texts: npt.ArrayLike, like: Spread | None = None) -> Spread:
    """Of the calls and the texts of each cluster, both (clusters,).

    The variance is that of a ratio estimator, linearized (Cochran 1977, Sampling Techniques, section 9A.1; K / (K - 1)
    for K clusters). The effective number of clusters, (sum n)^2 / sum n^2, is that of Carter, Schnepel and Steigerwald
    (2017), Review of Economics and Statistics 99, 698-709, for a mean of errors of one variance. ``alike`` solves
    ratio = 1 + (m - 1) alike for a cluster of the mean size m that a text sees (Kish 1965, Survey Sampling, 5.4).

    A share of 0 or 1 has no spread that could be seen; its texts are taken to be as alike as those of ``like``, of
    which it is a part, and for independent where nothing is given or that shows none. So are those of a single cluster.
    """
    y, n = np.asarray(calls, dtype=float), np.asarray(texts, dtype=float)
    total = n.sum()
    share = y.sum() / total if total else 0.0
    if len(n) < 2 or not total:
        return Spread(len(n))
    size = float(n @ n / total)
    if share in (0, 1):
        if like is None or like.ratio <= 0:
            return Spread(len(n))
        return Spread(len(n), 1 + (size - 1) * like.alike, like.effective, like.alike)
    left = y - share * n
    ratio = float(len(n) / (len(n) - 1) * float(left @ left) / total**2 / (share * (1 - share) / total))
    return Spread(len(n), ratio, float(total / size), max(0.0, (ratio - 1) / (size - 1)) if size > 1 else 0.0)
