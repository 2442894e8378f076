"""Does a confidence of 0.8 mean that 80 % are right? Bins of equal mass, and the expected calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
BoolVector = NDArray[np.bool_]

_Z = 1.959964
"""Of the normal distribution, for 95 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reliability:
    """Bins by ascending confidence; all arrays are (b,)."""

    confidence: FloatVector
    """Mean confidence of the bin."""
    accuracy: FloatVector
    """Share of the bin that is right."""
    count: IntVector

    @property
    def ece(self) -> float:
        """Return the expected calibration error: Σ_b count_b / n · |accuracy_b - confidence_b| (Naeini et al. 2015)."""
        return float(np.average(np.abs(self.accuracy - self.confidence), weights=self.count))


def reliability(confidence: FloatVector, right: BoolVector, bins: int = 10) -> Reliability:
    """Return bins that hold about as many questions each (Nguyen & O'Connor 2015).

    Equal confidences share a bin, whatever the order of the questions, so that there may be fewer bins.

    Args:
        confidence: of at least one question (n,).
        right: whether its answer is right (n,).
        bins: at most so many.
    """
    order = np.argsort(confidence, kind="stable")
    sure, hit = confidence[order], right[order].astype(np.float64)
    size = len(sure)
    ends = np.ceil(np.arange(1, bins + 1) * size / bins).astype(np.int64)
    ends = np.unique(np.searchsorted(sure, sure[ends - 1], side="right"))
    starts = np.concatenate([[0], ends[:-1]])
    count = ends - starts
    return Reliability(
        confidence=np.add.reduceat(sure, starts) / count, accuracy=np.add.reduceat(hit, starts) / count, count=count
    )


def share_interval(share: FloatVector, count: IntVector) -> tuple[FloatVector, FloatVector]:
    """Return lower and upper end of the 95 % interval of shares of `count` questions (Wilson 1927)."""
    squared = _Z**2
    centre = (share + squared / (2 * count)) / (1 + squared / count)
    half = _Z / (1 + squared / count) * np.sqrt(share * (1 - share) / count + squared / (4 * count**2))
    return np.clip(centre - half, 0.0, 1.0), np.clip(centre + half, 0.0, 1.0)
