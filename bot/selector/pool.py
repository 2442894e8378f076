"""What is selected from, checked once for all strategies."""

from dataclasses import dataclass

import numpy as np

from kb.types import FloatArray

_UNIT = 1e-4
"""So far from 1 the squared length of a unit vector may be, by rounding."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """Unit vectors of the candidates (n, d), 0 for those without length, relevance (n,) in 0..1, aspects (n, m)."""

    vectors: FloatArray
    relevance: FloatArray
    diversity: float
    aspects: FloatArray | None = None

    def cosines(self, position: int) -> FloatArray:
        """Return the cosines of all candidates with one (n,), at most 1."""
        # Rounding takes the cosine of equal vectors above 1, where it would count as nearer than equal.
        return np.asarray(np.minimum(self.vectors @ self.vectors[position], 1.0), dtype=np.float32)


def pool_of(vectors: FloatArray, relevance: FloatArray, diversity: float, aspects: FloatArray | None) -> Pool:
    """Return the pool of what was given.

    Raises:
        ValueError: shapes don't fit, or a value is no number or out of its range.
    """
    given = np.asarray(vectors, dtype=np.float32)
    values = np.asarray(relevance, dtype=np.float32)
    if given.ndim != 2 or values.shape != (len(given),):
        raise ValueError(f"expected vectors (n, d) and relevance (n,); got {given.shape} and {values.shape}")
    if not 0.0 <= diversity <= 1.0:
        raise ValueError(f"expected a diversity in 0..1; got {diversity}")
    if not np.isfinite(given).all():
        raise ValueError("expected vectors of finite numbers; got NaN or infinity")
    if not ((values >= 0.0) & (values <= 1.0)).all():
        raise ValueError(f"expected relevance in 0..1; got {values[~((values >= 0) & (values <= 1))][0]}")
    return Pool(vectors=_unit(given), relevance=values, diversity=diversity, aspects=_checked(aspects, len(given)))


def _unit(vectors: FloatArray) -> FloatArray:
    squared = np.einsum("nd,nd->n", vectors, vectors)
    if np.all(np.abs(squared - 1.0) < _UNIT):
        return vectors
    # By the largest part first: squares of very large or small numbers are out of range.
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
    scaled = vectors / np.where(largest > 0, largest, 1.0)
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    return np.asarray(scaled / np.where(length > 0, length, 1.0), dtype=np.float32)


def _checked(aspects: FloatArray | None, count: int) -> FloatArray | None:
    if aspects is None:
        return None
    found = np.asarray(aspects, dtype=np.float32)
    if found.ndim != 2 or len(found) != count:
        raise ValueError(f"expected aspects ({count}, m); got {found.shape}")
    if not (np.isfinite(found).all() and (found >= 0).all()):
        raise ValueError("expected aspects from 0; got a negative value, NaN or infinity")
    return found if found.shape[1] else None
