"""What a question may mean: the aspects that its candidates serve, for strategies that cover aspects.

Two kinds side by side, each column from 0 to 1: the candidates' topics, as the organisation sorted them, and clusters
of the candidates, by the questions that are nearest to each: candidates whose questions lie together answer the same.
"""

from collections.abc import Sequence

import numpy as np

from bot.selector.neighbourhoods import neighbourhoods
from bot.selector.pool import pool_of
from kb.types import FloatArray


def aspects_of(topics: Sequence[str], vectors: FloatArray, relevance: FloatArray) -> FloatArray:
    """Return how far each candidate serves each aspect (n, m), 0 to 1; topics first, then clusters.

    Args:
        topics: of the candidates; one without a topic serves none.
        vectors: of the candidates' questions (n, d).
        relevance: of the candidates (n,), in 0..1: clusters are around relevant ones.
    """
    if not len(topics):
        return np.empty((0, 0), dtype=np.float32)
    named = sorted({topic for topic in topics if topic})
    by_topic = np.array([[topic == name for name in named] for topic in topics], dtype=np.float32).reshape(
        len(topics), -1
    )
    clusters = neighbourhoods(pool_of(vectors, relevance, 0.0, None))
    # One topic, or one cluster, tells nothing apart.
    kept = [each for each in (by_topic, clusters) if each.shape[1] > 1]
    return np.concatenate(kept, axis=1) if kept else clusters
