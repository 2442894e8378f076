"""The dial: 'at least so many answers right' → the confidence from which on to answer, with a bound that keeps it.

The candidates are thresholds that would answer 1/20, 2/20, ... of the calibration questions. Each gets the exact lower
bound of Clopper and Pearson (1934) for the share of its answers that are right, at a level that allows for all of
them being tried (Bonferroni; learn then test, Angelopoulos et al. 2021). Of those that keep the promise the one that
answers most is taken; where none does, the questions can't support it, and that is said.
"""

from dataclasses import dataclass

import numpy as np

from kb.errors import InputError, describe
from kb.types import FloatArray
from models.calibrate import BoolArray

CANDIDATES = 20
"""Thresholds that are tried."""
LEVEL = 0.05
"""Probability, over the draw of the calibration questions, that a promise is given and not kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dial:
    """What is needed to answer rightly in a share of the answers, at least.

    `threshold` is above every confidence where the questions don't support the promise: nothing is answered then.
    `accuracy` and `coverage` were measured on the calibration questions, the others are their lower bounds.
    """

    target: float
    supported: bool
    threshold: float
    accuracy: float
    accuracy_low: float
    coverage: float
    coverage_low: float
    questions: int


def turned_to(target: float, confidence: FloatArray, is_right: BoolArray, level: float = LEVEL) -> Dial:
    """Return the threshold that keeps a promise, and what it costs.

    Args:
        target: share of the answers that must be right, above 0 and below 1.
        confidence: of the best answer to questions that none of this was fitted on (n,).
        is_right: whether that answer is the right one; never where a question has none (n,).
        level: probability of a promise that isn't kept.

    Raises:
        InputError: the target is not a share.
    """
    if not 0 < target < 1:
        raise InputError(
            describe(expected="a share of right answers between 0 and 1", got=str(target), remedy="say 0.95, or so")
        )
    total = len(confidence)
    if not total:
        return _unsupported(target, 0)
    order = np.argsort(-confidence, kind="stable")
    right = np.cumsum(is_right[order])
    answered = np.unique(np.linspace(0, total, CANDIDATES + 1).astype(int)[1:])
    # Equal confidences are answered together, or not at all.
    answered = np.unique([np.searchsorted(-confidence[order], -confidence[order[n - 1]], "right") for n in answered])
    lower = [lower_bound(int(right[n - 1]), int(n), level / CANDIDATES) for n in answered]
    kept = [at for at, bound in enumerate(lower) if bound >= target]
    if not kept:
        return _unsupported(target, total)
    n = int(answered[kept[-1]])
    return Dial(
        target=target,
        supported=True,
        threshold=float(confidence[order[n - 1]]),
        accuracy=float(right[n - 1] / n),
        accuracy_low=lower[kept[-1]],
        coverage=n / total,
        coverage_low=lower_bound(n, total, level),
        questions=total,
    )


def lower_bound(successes: int, trials: int, level: float) -> float:
    """Return the exact lower bound of a share that holds with probability 1 - level (Clopper & Pearson 1934)."""
    from scipy.stats import beta

    return float(beta.ppf(level, successes, trials - successes + 1)) if successes else 0.0


def _unsupported(target: float, questions: int) -> Dial:
    return Dial(
        target=target,
        supported=False,
        threshold=float(np.nextafter(np.float32(1), np.float32(2))),
        accuracy=0.0,
        accuracy_low=0.0,
        coverage=0.0,
        coverage_low=0.0,
        questions=questions,
    )
