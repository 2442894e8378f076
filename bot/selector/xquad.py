"""xQuAD: what is served of each aspect that nothing selected serves yet (Santos, Macdonald & Ounis 2010)."""

import numpy as np

from bot.selector.neighbourhoods import weighed_aspects
from bot.selector.pool import Pool
from kb.types import FloatArray


class ExplicitQueryAspects:
    """gain = λ · relevance + (1 - λ) · Σ_a w_a · p(i, a) · Π_j (1 - p(j, a)), j over those selected, λ = 1 - diversity.

    p(i, a) = relevance_i · how far candidate i serves aspect a.
    """

    def __init__(self, pool: Pool) -> None:
        self._diversity = np.float32(pool.diversity)
        self._weighed = (1 - self._diversity) * pool.relevance
        serves, self._open = weighed_aspects(pool)
        self._served = serves * pool.relevance[:, None]

    def gains(self) -> FloatArray:
        """Return what each candidate would add (n,)."""
        return np.asarray(self._weighed + self._diversity * (self._served @ self._open), dtype=np.float32)

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected."""
        self._open = self._open * (1 - self._served[position])
