"""Facility location: each candidate that may be meant has one near it among those selected (Lin & Bilmes 2011)."""

import numpy as np

from bot.selector.pool import Pool
from kb.types import FloatArray

_MOST = 128
"""Candidates, the most relevant ones, that are to be represented."""


class FacilityLocation:
    """gain = λ · relevance + (1 - λ) · Σ_j w_j · (cos(i, j) - nearest_j)+, with λ = 1 - diversity.

    j goes over what may be meant, w are its shares of relevance, and nearest_j the highest cosine with those selected.
    """

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._weighed = (1 - self._diversity) * pool.relevance
        meant = np.argsort(-pool.relevance, kind="stable")[:_MOST]
        weight = pool.relevance[meant]
        self._weight = weight / max(float(weight.sum()), float(np.finfo(np.float32).tiny))
        self._similar = np.maximum(pool.vectors @ pool.vectors[meant].T, 0.0)
        self._nearest = np.zeros(len(meant), dtype=np.float32)

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        nearer = np.maximum(self._similar - self._nearest, 0.0)
        return np.asarray(self._weighed + self._diversity * (nearer @ self._weight), dtype=np.float32)

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        np.maximum(self._nearest, self._similar[position], out=self._nearest)
