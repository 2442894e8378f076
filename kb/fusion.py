"""What many entries and two kinds of retrieval say about a pair, as one number: pure functions over arrays."""

import numpy as np
from numpy.typing import NDArray

from kb.types import FloatArray

RowArray = NDArray[np.int64]


def fold(
    similarities: FloatArray, rows: RowArray, count: int, *, temperature: float, size_discount: float
) -> FloatArray:
    """Fold the similarities of entries into those of their pairs, by a soft maximum.

    temperature · log(Σ exp(similarity / temperature) / m^size_discount), over the m entries of a pair: several near
    texts say more than one, and a pair with many texts doesn't win by their number alone.

    Args:
        similarities: of the entries (e,), cosine; -inf for one that is not to count.
        rows: the pair of each entry (e,), from 0.
        count: the number n of pairs.
        temperature: towards 0 the maximum alone counts.
        size_discount: 0 sums over the entries, 1 takes their mean.

    Returns:
        (n,) float32; -inf for a pair of which no entry counts.
    """
    # Relative to the pair's highest one, so that no temperature is too low for the exponential.
    highest = best_of(similarities, rows, count, empty=-np.inf).astype(np.float64)
    base = np.where(np.isfinite(highest), highest, 0.0)
    weights = np.exp((similarities - base[rows]) / temperature)
    total = np.bincount(rows, weights=weights, minlength=count)
    size = np.maximum(np.bincount(rows, minlength=count), 1)
    with np.errstate(divide="ignore"):
        return (base + temperature * (np.log(total) - size_discount * np.log(size))).astype(np.float32)


def best_of(values: FloatArray, rows: RowArray, count: int, empty: float) -> FloatArray:
    """Return the highest value of each pair (n,); `empty` for a pair without a value."""
    best = np.full(count, empty, dtype=np.float32)
    np.maximum.at(best, rows, values)
    return best


def relative(bm25: FloatArray) -> FloatArray:
    """Return BM25 as a share of the best one (n,), in 0..1: its own scale depends on the question's length."""
    highest = float(bm25.max(initial=0.0))
    return bm25 / highest if highest > 0 else np.zeros_like(bm25)
