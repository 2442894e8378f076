"""Intervals of ratios of means over conversations, and of differences of such ratios.

A ratio N̄ / D̄ is linearised (delta method; Owen, mcbook, ch. 9): conversation i of m moves it by
u_i = (N_i - D_i N̄/D̄) / D̄, a difference by the difference of these, and the standard error is that of their mean. With
a few heavy weights it is itself uncertain: Student's t has the degrees of freedom of Satterthwaite (1946),
2 σ⁴ / Var(s²) = 2 / (κ/m + 2/(m - 1)), κ being the excess kurtosis of the u_i, so that the interval widens as it must.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """Totals by conversation (m,): what a mean is taken of, and over how much."""

    numerator: Vector
    denominator: Vector


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """A value with its standard error and interval."""

    value: float
    standard_error: float
    low: float
    high: float


def interval(ratio: Ratio, less: Ratio | None = None, *, confidence: float = 0.95) -> Interval:
    """Return a ratio of means, or what it exceeds another one by, with its interval.

    Where nothing varies the standard error is 0, and the interval a point.

    Raises:
        ValueError: there are fewer than two conversations, or a denominator is 0 in all of them.
    """
    value, moved = _linearised(ratio)
    if less is not None:
        other, moved_other = _linearised(less)
        value, moved = value - other, moved - moved_other
    size = len(moved)
    error = float(moved.std(ddof=1) / np.sqrt(size))
    half = float(stdtrit(_degrees_of_freedom(moved), (1 + confidence) / 2)) * error if error > 0 else 0.0
    return Interval(value=value, standard_error=error, low=value - half, high=value + half)


def totals_by(conversation: NDArray[np.generic], columns: Sequence[Vector]) -> list[Vector]:
    """Return the sums (m,) of each column (n,), by conversation."""
    _, which = np.unique(conversation, return_inverse=True)
    return [np.bincount(which, weights=column).astype(np.float64) for column in columns]


def _linearised(ratio: Ratio) -> tuple[float, Vector]:
    """Return the ratio of means, and by how much each conversation moves it (m,); these sum to 0."""
    size, mean = len(ratio.numerator), float(ratio.denominator.mean())
    if size < 2 or mean <= 0:
        raise ValueError(f"expected two conversations or more, and a denominator above 0; got {size}, and {mean}")
    value = float(ratio.numerator.mean()) / mean
    return value, (ratio.numerator - value * ratio.denominator) / mean


def _degrees_of_freedom(moved: Vector) -> float:
    size = len(moved)
    # In units of the largest, lest fourth powers of small numbers vanish.
    scaled = moved / max(float(np.abs(moved).max()), np.finfo(np.float64).tiny)
    spread = float(np.mean(scaled**2))
    excess = float(np.mean(scaled**4)) / spread**2 - 3 if spread > 0 else 0.0
    # Lighter tails than the normal's give no more than the usual degrees of freedom.
    return 2 / (max(excess, 0.0) / size + 2 / (size - 1))
