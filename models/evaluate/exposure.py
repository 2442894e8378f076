"""What all lists together show of a catalogue of n items: how little known, how much of it, and how evenly.

    novelty             = mean over shown items of -log2 p, p the item's share of all interactions    (Zhou et al. 2010)
    catalogue coverage  = distinct items shown / n                                                    (Ge et al. 2010)
    Gini                = Σ_i (2i - n - 1) x_i / (n Σ_i x_i), x_1 ≤ ... ≤ x_n how often each is shown

Gini is 0 where all items are shown alike, and (n - 1) / n where one alone is.
"""

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]


def novelty(shown: IntVector, interactions: FloatVector) -> float:
    """Return the mean self-information in bits of shown items (s,), by how often each item (n,) was taken before.

    One is added to every count, so that what was never taken is very novel, and not infinitely; NaN without items.
    """
    smoothed = interactions + 1.0
    return float(np.mean(-np.log2(smoothed[shown] / smoothed.sum()))) if len(shown) else float("nan")


def catalogue_coverage(shown: IntVector, size: int) -> float:
    """Return the share of a catalogue that was shown at all; shown are items (s,), an item as often as it was."""
    return len(np.unique(shown)) / size if size else float("nan")


def gini(shown: IntVector, size: int) -> float:
    """Return how unevenly the items of a catalogue were shown, from 0 on; NaN where none was."""
    if not len(shown):
        return float("nan")
    counts = np.sort(np.bincount(shown, minlength=size)).astype(np.float64)
    ranks = np.arange(1, size + 1)
    return float((2 * ranks - size - 1) @ counts / (size * counts.sum()))
