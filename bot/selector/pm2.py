"""PM-2: aspects get places in proportion to their weights, by the Sainte-Laguë method (Dang & Croft 2012)."""

import numpy as np

from bot.selector.neighbourhoods import weighed_aspects
from bot.selector.pool import Pool
from kb.types import FloatArray

_NEXT = 0.5
"""Share of the aspect whose turn it is in what a candidate serves; the others share the rest."""


class ProportionalModel:
    """gain = λ · relevance + (1 - λ) · Σ_a c_a · q_a · p(i, a), q_a = w_a / (2 · places_a + 1), λ = 1 - diversity.

    c is one half for the aspect with the highest quotient q and one half for all others; p(i, a) = relevance_i · how
    far candidate i serves aspect a; a candidate's place is shared among the aspects that it serves.
    """

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._weighed = (1 - self._diversity) * pool.relevance
        serves, self._weight = weighed_aspects(pool)
        self._served = serves * pool.relevance[:, None]
        self._places = np.zeros_like(self._weight)

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        quotient = self._quotient()
        share = np.full(len(quotient), 1 - _NEXT, dtype=np.float32)
        share[int(np.argmax(quotient))] = _NEXT
        return np.asarray(self._weighed + self._diversity * (self._served @ (share * quotient)), dtype=np.float32)

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        served = self._served[position]
        self._places = self._places + served / max(float(served.sum()), float(np.finfo(np.float32).tiny))

    def _quotient(self) -> FloatArray:
        return np.asarray(self._weight / (2 * self._places + 1), dtype=np.float32)
