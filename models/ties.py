"""Near ties: relevance of candidates → the share of each, were one of them meant.

A customer means one pair, and relevance judges each on its own. With odds o_i = r_i / (1 - r_i), a candidate's share is
o_i^s / Σ_j o_j^s: a softmax of the evidence whose sharpness s is fitted by maximum likelihood on questions of the
knowledge base whose pair is known (temperature scaling, Guo et al. 2017).
"""

from collections.abc import Sequence

import numpy as np

from kb.types import FloatArray

BOUNDS = (0.05, 5.0)
"""Of the sharpness."""
_CERTAIN = 1e-7
"""Relevance this near to 0 or 1 is taken for this near: float32 can't tell more."""


def shares(relevance: FloatArray, sharpness: float) -> FloatArray:
    """Return the share of each candidate (n,); they sum to 1.

    Args:
        relevance: of the candidates of one question (n,), in 0..1.
        sharpness: 1 takes the odds as they are, less evens them out.
    """
    if not len(relevance):
        return np.empty(0, dtype=np.float32)
    logit = sharpness * _logit(relevance)
    weight = np.exp(logit - logit.max())
    return np.asarray(weight / weight.sum(), dtype=np.float32)


def fit_sharpness(questions: Sequence[tuple[FloatArray, int]]) -> float:
    """Return the sharpness under which what was meant is most likely; 1 where there is nothing to fit on.

    Args:
        questions: relevance of the candidates, and the position of the one that is meant.
    """
    from scipy.optimize import minimize_scalar

    logits = [(_logit(relevance), meant) for relevance, meant in questions if len(relevance) > 1]
    if not logits:
        return 1.0

    def surprise(sharpness: float) -> float:
        scaled = [(sharpness * logit, meant) for logit, meant in logits]
        return float(np.mean([np.logaddexp.reduce(each) - each[meant] for each, meant in scaled]))

    return float(minimize_scalar(surprise, bounds=BOUNDS, method="bounded").x)


def _logit(relevance: FloatArray) -> np.ndarray:
    clipped = np.clip(relevance.astype(np.float64), _CERTAIN, 1 - _CERTAIN)
    logit: np.ndarray = np.log(clipped) - np.log1p(-clipped)
    return logit
