"""Measures of a list of items that serve several aspects of one request, the sooner the better, each again for less.

J (n, m) says which of n items serve which of m aspects; c_t(i) is how many items before rank i serve aspect t:

    gain(i)   = Σ_t J(i, t) · (1 - α)^c_t(i)
    α-DCG@k   = Σ_{i ≤ k} gain(i) / log2(1 + i)
    α-nDCG@k  = α-DCG@k / α-DCG@k of the greedy ideal list           (Clarke et al. 2008)
    ERR-IA@k  = Σ_{i ≤ k} gain(i) / i / (m · Σ_{i ≤ k} (1 - α)^(i - 1) / i)

The ideal list takes what gains most, then what gains most after it, out of everything that was judged: finding the best
list is NP-complete. ERR-IA (Chapelle et al. 2011) is divided by its value where every item serves every aspect, as
ndeval of TREC does, so that 1 is the most it can be.
"""

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
BoolMatrix = NDArray[np.bool_]

ALPHA = 0.5
"""What an item is worth less to an aspect for each item before it that serves the aspect."""


def alpha_dcg(serves: BoolMatrix, k: int, alpha: float = ALPHA) -> float:
    """Return α-DCG@k of a list (n, m) in the order of its ranks."""
    gain = _gains(serves[:k], alpha)
    return float(gain @ (1 / np.log2(np.arange(len(gain)) + 2.0)))


def alpha_ndcg(serves: BoolMatrix, judged: BoolMatrix, k: int, alpha: float = ALPHA) -> float:
    """Return α-nDCG@k of a list (n, m), where all judged items are (j, m); NaN where none serves anything."""
    best = alpha_dcg(judged[ideal_order(judged, k, alpha)], k, alpha)
    return alpha_dcg(serves, k, alpha) / best if best else float("nan")


def err_ia(serves: BoolMatrix, judged: BoolMatrix, k: int, alpha: float = ALPHA) -> float:
    """Return ERR-IA@k of a list (n, m) over the aspects that some judged item (j, m) serves; NaN without any."""
    count = int(judged.any(axis=0).sum())
    ranks = np.arange(k) + 1.0
    most = count * float(((1 - alpha) ** (ranks - 1) / ranks).sum())
    gain = _gains(serves[:k], alpha)
    return float(gain @ (1 / ranks[: len(gain)])) / most if most else float("nan")


def ideal_order(judged: BoolMatrix, k: int, alpha: float = ALPHA) -> IntVector:
    """Return positions of the first k of the greedy ideal list of (j, m); of equal gains the first one given."""
    left = np.ones(len(judged), dtype=bool)
    worth = np.ones(judged.shape[1])
    order: list[int] = []
    while len(order) < k and left.any():
        best = int(np.argmax(np.where(left, judged @ worth, -1.0)))
        order.append(best)
        left[best] = False
        worth = np.where(judged[best], worth * (1 - alpha), worth)
    return np.array(order, dtype=np.int64)


def _gains(serves: BoolMatrix, alpha: float) -> FloatVector:
    before: IntVector = np.cumsum(serves, axis=0) - serves
    return np.asarray((serves * (1 - alpha) ** before).sum(axis=1), dtype=np.float64)
