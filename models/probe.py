"""A kernel ridge classifier from texts to their pairs, fitted in closed form when the index is built.

Similarity asks which single text is nearest; the probe asks what all texts of all pairs together say, and so learns
which directions tell neighbouring pairs apart. With K_ij = exp(-gamma |x_i - x_j|²) over unit vectors, one-hot rows Y
and C = (K + ridge I)⁻¹, the coefficients are A = C Y and a question's values are k(x)ᵀ A (Saunders et al. 1998; for
classification Rifkin et al. 2003). What the probe would say without a group G of its texts is exact and costs no
second fit: the coefficients then are A - C_:G C_GG⁻¹ A_G.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kb.types import FloatArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeConfig:
    """What the probe depends on."""

    gamma: float = 2.0
    """Of the Gaussian kernel: 1 / squared distance of unit vectors."""
    ridge: float = 0.5
    """Added to the diagonal of the kernel."""
    weight: float = 1.5
    """Of the probe's value beside the retriever's evidence; 0 does without a probe."""
    most_texts: int = 6_000
    """Texts that are fitted, evenly over the pairs: the fit takes their number to the third power."""
    most_pairs: int = 5_000
    """With more pairs there is no probe: its coefficients are texts times pairs."""


class Probe:
    """Values of all pairs for a question: about 1 for the right one, about 0 for the others."""

    def __init__(self, texts: FloatArray, coefficients: FloatArray, gamma: float) -> None:
        """Take unit vectors (m, d) of the fitted texts, coefficients (m, n), and the kernel's gamma."""
        self._texts = texts
        self._gamma = gamma
        self.coefficients = coefficients

    def values(self, vectors: FloatArray) -> FloatArray:
        """Return the values (q, n) of the pairs for unit vectors (q, d)."""
        return _kernel(vectors, self._texts, self._gamma) @ self.coefficients


class FittedProbe(Probe):
    """A probe that was just fitted, and can still tell what it would say without some of its texts."""

    def __init__(self, texts: FloatArray, rows: IntArray, count: int, config: ProbeConfig) -> None:
        """Fit unit vectors (m, d) of texts to their pairs (m,), which number `count`."""
        kernel = _kernel(texts, texts, config.gamma)
        kernel[np.diag_indices(len(texts))] += np.float32(config.ridge)
        self._inverse = _inverse(kernel)
        targets = np.zeros((len(texts), count), dtype=np.float32)
        targets[np.arange(len(texts)), rows] = 1.0
        super().__init__(texts, (self._inverse @ targets).astype(np.float32), config.gamma)

    def without(self, vectors: FloatArray, group: Sequence[int]) -> FloatArray:
        """Return the values (q, n) for unit vectors (q, d), had a group of the texts, by position, not been fitted."""
        kernel = _kernel(vectors, self._texts, self._gamma)
        values = kernel @ self.coefficients
        if not len(group):
            return values
        members = np.asarray(group, dtype=np.int64)
        missed = np.linalg.solve(self._inverse[np.ix_(members, members)], self.coefficients[members])
        return np.asarray(values - (kernel @ self._inverse[:, members]) @ missed, dtype=np.float32)


def choose_texts(rows: IntArray, most: int) -> IntArray:
    """Return positions of at most `most` texts, evenly over the pairs: the first of each, then the second, ..."""
    order = np.argsort(rows, kind="stable")
    _, starts, counts = np.unique(rows[order], return_index=True, return_counts=True)
    turn = np.empty(len(rows), dtype=np.int64)
    turn[order] = np.arange(len(rows)) - np.repeat(starts, counts)
    return np.sort(np.argsort(turn, kind="stable")[:most])


def _inverse(kernel: FloatArray) -> FloatArray:
    """Return the inverse of a positive definite matrix, in its place: half the work and memory of a general one."""
    from scipy.linalg import lapack

    # LAPACK wants columns; the transpose of a symmetric matrix is itself.
    factor, failed = lapack.spotrf(kernel.T, lower=1, overwrite_a=1)
    assert not failed, "a kernel with a ridge is positive definite"
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    lower += np.tril(inverse, -1).T
    return np.ascontiguousarray(lower)


def _kernel(left: FloatArray, right: FloatArray, gamma: float) -> FloatArray:
    # Of unit vectors, |x - y|² = 2 - 2 x·y.
    kernel = left @ right.T
    kernel -= 1.0
    kernel *= np.float32(2.0 * gamma)
    return np.asarray(np.exp(kernel, out=kernel), dtype=np.float32)
