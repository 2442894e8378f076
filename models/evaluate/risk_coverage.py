"""What answering more questions costs: the share of wrong answers over the share of questions answered."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
BoolVector = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class RiskCoverage:
    """One point for each threshold that can be set, by ascending coverage; all arrays are (m,).

    With k of n questions at or above the threshold, and w of the k answered wrongly: coverage = k / n, risk = w / k.
    """

    threshold: FloatVector
    coverage: FloatVector
    risk: FloatVector

    @property
    def aurc(self) -> float:
        """Return the area under the curve, Σ risk · rise in coverage (Geifman & El-Yaniv 2017); lower is better."""
        return float(self.risk @ np.diff(self.coverage, prepend=0.0))


def risk_coverage(confidence: FloatVector, right: BoolVector) -> RiskCoverage:
    """Return the curve of confidences (n,) and whether the answers are right (n,); out of scope, none is."""
    order = np.argsort(-confidence, kind="stable")
    sure = confidence[order]
    answered = np.arange(1, len(sure) + 1)
    risk = np.cumsum(~right[order]) / answered
    # A threshold can't part equal confidences.
    possible = np.append(sure[1:] < sure[:-1], True)
    return RiskCoverage(threshold=sure[possible], coverage=(answered / len(sure))[possible], risk=risk[possible])
