"""Relevance plus diversity: arrays in, indices out.

λ = 1 - diversity. MMR (Carbonell & Goldstein 1998): next comes the candidate with the highest
λ · relevance - (1 - λ) · highest cosine with those selected.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from kb.types import FloatArray

Strategy = Literal["relevance", "mmr"]
STRATEGIES: tuple[Strategy, ...] = ("relevance", "mmr")


def select(
    vectors: FloatArray,
    relevance: FloatArray,
    k: int,
    diversity: float = 0.3,
    strategy: Strategy = "mmr",
    *,
    duplicate_similarity: float = 1.0,
) -> list[int]:
    """Return up to k positions, in the order of their selection; equal values are taken in the order given.

    Args:
        vectors: unit vectors of the candidates (n, d).
        relevance: of the candidates (n,), in 0..1.
        k: how many to select.
        diversity: 0 looks at relevance alone, 1 at difference from what was selected alone.
        strategy: `relevance` or `mmr`.
        duplicate_similarity: a candidate with a cosine above this with a selected one is left out.

    Raises:
        ValueError: the shapes don't fit, diversity is outside 0..1, or the strategy is unknown.
    """
    if vectors.ndim != 2 or relevance.shape != (len(vectors),):
        raise ValueError(f"expected vectors (n, d) and relevance (n,); got {vectors.shape} and {relevance.shape}")
    if not 0.0 <= diversity <= 1.0:
        raise ValueError(f"expected a diversity in 0..1; got {diversity}")
    if strategy not in STRATEGIES:
        raise ValueError(f"expected a strategy out of {', '.join(STRATEGIES)}; got {strategy}")
    weight = diversity if strategy == "mmr" else 0.0
    selected: list[int] = []
    closest = np.full(len(vectors), -1.0, dtype=np.float32)
    left = np.ones(len(vectors), dtype=bool)
    while len(selected) < k and left.any():
        # Nothing is selected yet, so there is nothing to differ from: relevance decides.
        value = (1 - weight) * relevance - weight * closest if selected else relevance
        best = int(np.argmax(np.where(left, value, -np.inf)))
        selected.append(best)
        closest = np.maximum(closest, _cosines(vectors, best))
        left[best] = False
        left &= closest <= duplicate_similarity
    return selected


def duplicates(vectors: FloatArray, selected: Sequence[int], duplicate_similarity: float) -> dict[int, int]:
    """Return the positions that `select` left out as duplicates, each with the selected one it is a duplicate of."""
    found: dict[int, int] = {}
    for each in selected:
        for position in np.flatnonzero(_cosines(vectors, each) > duplicate_similarity):
            if position not in selected:
                found.setdefault(int(position), each)
    return found


def _cosines(vectors: FloatArray, position: int) -> FloatArray:
    # Rounding takes the cosine of equal vectors above 1, where it would count as nearer than equal.
    return np.asarray(np.minimum(vectors @ vectors[position], 1.0), dtype=np.float32)
