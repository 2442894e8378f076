"""How ambiguous a question is, from the relevance of its candidates: what diversity is good for.

With the share p_i of each candidate, were one of them meant (`models.ties`, whose sharpness is fitted on questions of
the knowledge base itself), ambiguity is the mean of two entropies, each as a share of the greatest that it could be:

    H = -Σ p_i log p_i / log n  over the candidates, and the same over their topics, where there are several

A question that certainly means one pair has 0, one that may mean any pair of any topic 1.
"""

from collections.abc import Sequence

import numpy as np

from kb.types import FloatArray
from models.ties import shares


def ambiguity(relevance: FloatArray, topics: Sequence[str], sharpness: float) -> float:
    """Return how ambiguous a question is, 0 to 1.

    Args:
        relevance: of its candidates (n,), in 0..1.
        topics: of the candidates; empty ones count as one topic.
        sharpness: of the shares, see `models.ties`.
    """
    if len(relevance) < 2:
        return 0.0
    share = shares(relevance, sharpness).astype(np.float64)
    _, of_topic = np.unique(np.asarray(topics, dtype=str), return_inverse=True)
    entropies = [_entropy(share)]
    if of_topic.max() > 0:
        entropies.append(_entropy(np.bincount(of_topic, weights=share)))
    return float(np.mean(entropies))


def _entropy(share: np.ndarray) -> float:
    """Return the entropy of shares, as a share of that of as many equal ones."""
    some = share[share > 0]
    return float(-(some * np.log(some)).sum() / np.log(len(share)))
