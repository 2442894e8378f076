"""Expected coverage: a candidate is worth what it serves and none of those selected does already.

With relevance as the probability that a candidate serves what is meant, and similarity as that of serving the same,
what is gained falls with each one selected by the chance that it has served it: the greedy step of α-nDCG's expected
gain (Clarke et al. 2008), with aspects that nobody has named.
"""

import numpy as np

from bot.selector.pool import Pool
from kb.types import FloatArray


class Coverage:
    """gain = relevance · Π_j (1 - diversity · relevance_j · cos(i, j)+), j over those selected."""

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._relevance = pool.relevance
        self._unserved = np.ones(len(pool.relevance), dtype=np.float32)

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        return self._relevance * self._unserved

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        self._unserved *= 1 - self._diversity * self._relevance[position] * np.maximum(cosines, 0.0)
