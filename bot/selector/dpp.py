"""Greedy MAP of a determinantal point process, by incremental Cholesky factors (Chen, Zhang & Zhou 2018).

Of a set R the objective is λ · Σ relevance + (1 - λ) · log det S, S the cosines within R and λ = 1 - diversity: what
the quality-diversity kernel diag(q) S diag(q) with log q = relevance · λ / (2 (1 - λ)) gives, up to a factor.
"""

import numpy as np

from bot.selector.pool import Pool
from kb.types import FloatArray

_LEAST = 1e-6
"""Of the share of a vector that those selected don't span: the logarithm of nothing would outweigh everything."""


class DeterminantalPointProcess:
    """gain = λ · relevance + (1 - λ) · log d², d² what those selected leave unexplained of a candidate's vector."""

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._weighed = (1 - self._diversity) * pool.relevance
        self._left = np.ones(len(pool.relevance), dtype=np.float32)
        self._factors: list[FloatArray] = []

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        unexplained = np.log(np.maximum(self._left, np.float32(_LEAST)))
        return np.asarray(self._weighed + self._diversity * unexplained, dtype=np.float32)

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        explained = np.zeros_like(cosines)
        for factor in self._factors:
            explained += factor * factor[position]
        scale = np.sqrt(max(float(self._left[position]), _LEAST))
        factor = np.asarray((cosines - explained) / scale, dtype=np.float32)
        self._factors.append(factor)
        self._left -= factor * factor
