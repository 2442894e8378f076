"""Maximal marginal relevance (Carbonell & Goldstein 1998)."""

import numpy as np

from bot.selector.pool import Pool
from kb.types import FloatArray


class MaximalMarginalRelevance:
    """gain = λ · relevance - (1 - λ) · highest cosine with those selected, λ = 1 - diversity."""

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._weighed = (1 - self._diversity) * pool.relevance
        self._closest = np.full(len(pool.relevance), -1.0, dtype=np.float32)

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        return self._weighed - self._diversity * self._closest

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        np.maximum(self._closest, cosines, out=self._closest)
