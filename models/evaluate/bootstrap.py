"""Intervals by resampling questions (Efron 1979): percentiles of a measure over resamples of the test questions."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1_000
COVERAGE = 0.95


def bootstrap_interval(
    measure: Callable[[NDArray[np.int64]], float], size: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a measure.

    Args:
        measure: takes the positions of the questions of a resample (size,), each from 0 to size - 1.
        size: the number of questions.
        resamples: how often to resample.
        seed: of the resampling.
    """
    generator = np.random.default_rng(seed)
    values = np.array([measure(generator.integers(0, size, size)) for _ in range(resamples)])
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    return float(low), float(high)


def mean_interval(values: NDArray[np.float64], *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % interval of a mean over questions (n,)."""
    return bootstrap_interval(lambda positions: float(values[positions].mean()), len(values), seed=seed)


def paired_difference(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], *, seed: int = 0
) -> tuple[float, float, float]:
    """Return the mean of ours - theirs on the same questions, and its 95 % interval."""
    difference = ours - theirs
    low, high = mean_interval(difference, seed=seed)
    return float(difference.mean()), low, high
