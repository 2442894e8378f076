"""Similarity of a question to questions that are out of scope: what speaks against an answer.

A question's nearest text in the knowledge base says less about it where small talk, or other businesses' questions, are
as near (compare the background model of Ren et al. 2019, Likelihood Ratios for Out-of-Distribution Detection).
"""

from collections.abc import Sequence

import numpy as np

from kb.types import FloatArray


class OffTopic:
    """Unit vectors (k, d) of questions that are out of scope, and the texts of them where they still matter."""

    def __init__(self, vectors: FloatArray, texts: Sequence[str] = ()) -> None:
        """Take the vectors; with the texts, a question can be compared with all but itself."""
        self.vectors = vectors
        self._at = {text: at for at, text in enumerate(texts)}

    def similarity(self, vector: FloatArray, without: str = "") -> float:
        """Return the cosine with the nearest, from -1 to 1; 0 where there is none.

        Args:
            vector: of the question (d,).
            without: a text that doesn't count.
        """
        cosines = self.vectors @ vector
        if without in self._at:
            cosines = np.delete(cosines, self._at[without])
        return float(cosines.max()) if len(cosines) else 0.0
