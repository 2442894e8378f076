"""How different the items of one list are, as one measure.

Intra-list distance (Smyth & McClave 2001) over unit vectors:

    ILD@k = mean over pairs i < j ≤ k of 1 - cosine(i, j)
"""

import numpy as np

from kb.types import FloatArray


def ild(vectors: FloatArray, k: int) -> float:
    """Return ILD@k of unit vectors (n, d) in the order of their ranks; NaN with fewer than two items."""
    first = np.asarray(vectors[:k], dtype=np.float64)
    count = len(first)
    if count < 2:
        return float("nan")
    # All pairs, both ways, are the square of the sum without each item with itself.
    together = float((first.sum(axis=0) ** 2).sum() - (first**2).sum())
    return 1.0 - together / (count * (count - 1))
