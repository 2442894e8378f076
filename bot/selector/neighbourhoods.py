"""Aspects where nobody named any: the neighbourhoods of relevant candidates that are far from each other."""

import numpy as np

from bot.selector.pool import Pool
from kb.types import FloatArray

_MOST, _LEAST_SIZE = 8, 4
"""Neighbourhoods, at most, and the candidates that each one needs on average."""
_AMONG = 64
"""Candidates, the most relevant ones, that one may be around."""
_TEMPERATURE = 0.1
"""Of the softmax of cosines by which a candidate belongs to neighbourhoods."""


def neighbourhoods(pool: Pool) -> FloatArray:
    """Return how far each candidate belongs to each neighbourhood (n, m); rows sum to 1.

    The first is around the most relevant candidate, each other one around the relevant candidate that is farthest from
    those before it (Gonzalez 1985).
    """
    among = np.argsort(-pool.relevance, kind="stable")[:_AMONG]
    centres = [int(among[0])]
    cosines = [pool.cosines(centres[0])]
    nearest = cosines[0][among]
    most = min(_MOST, 1 + len(among) // _LEAST_SIZE)
    while len(centres) < most and nearest.min() < 1:
        centres.append(int(among[int(np.argmin(nearest))]))
        cosines.append(pool.cosines(centres[-1]))
        nearest = np.maximum(nearest, cosines[-1][among])
    logit = np.stack(cosines, axis=1) / _TEMPERATURE
    weight = np.exp(logit - logit.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True), dtype=np.float32)


def weighed_aspects(pool: Pool) -> tuple[FloatArray, FloatArray]:
    """Return how far each candidate serves each aspect (n, m), at most 1, and the weight of each aspect (m,), sum 1.

    Those that were given, else neighbourhoods. An aspect weighs what relevance serves it.
    """
    found = pool.aspects if pool.aspects is not None else neighbourhoods(pool)
    serves = found / max(1.0, float(found.max(initial=0.0)))
    weight = pool.relevance @ serves
    total = float(weight.sum())
    even = np.full(serves.shape[1], 1 / serves.shape[1], dtype=np.float32)
    return serves, np.asarray(weight / total, dtype=np.float32) if total > 0 else even
