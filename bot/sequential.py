"""Tests that may be looked at after every conversation, and stopped at any time.

- `arms_evidence`: two arms with outcomes of 0 or 1. E_t = Π θ_arm(y) / θ_0(y), θ being estimated from the conversations
  before, θ_0 = (1 - p) θ_A + p θ_B, and p the share of B. As the arm is drawn anew for every conversation, each factor
  has mean 1 where the arms do not differ, whatever the rate (after Turner, Ly & Grünwald 2024, safe tests for 2 × 2
  tables), so that E ever reaches 1 / α with probability α at most (Ville 1939): exact, for any number of looks.
- `even_evidence`: of conversations that prefer one of two sides, half would each by chance. E_t is the mean likelihood
  ratio over Beta(½, ½): a mixture sequential probability ratio test (Robbins 1970; Johari et al. 2022); exact too.
- `confidence_sequence`: how large a difference is. Waudby-Smith et al. (2024), Time-uniform central limit theory and
  asymptotic confidence sequences, theorem 2.2: with mean μ̂_t and standard deviation σ̂_t of the first t values,

      μ̂_t ± σ̂_t √( 2 (t ρ² + 1) / (t² ρ²) · log( √(t ρ² + 1) / α ) )

  cover the mean at all t from `begin` on together with probability 1 - α, but for what is not yet normal.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln

Vector = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class SequentialConfig:
    """How sure a test is, and when its interval begins and is narrowest."""

    alpha: float = 0.05
    begin: int = 100
    """Conversations before which there is no interval: the mean must be nearly normal by then."""
    least_events: int = 30
    """Outcomes of either kind in each arm before there is an interval."""
    tuned_for: int = 1000
    """Conversations at which the interval is as narrow as it can be made."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sequence:
    """Means and intervals (t,) after each observation; infinite where there is none yet."""

    mean: Vector
    low: Vector
    high: Vector


def arms_evidence(outcome: Vector, is_b: NDArray[np.bool_], share: float) -> Vector:
    """Return the evidence (t,) that two arms differ: a test martingale where they don't.

    Args:
        outcome: of each conversation, 0 or 1 (t,), in the order in which they began.
        is_b: whether it was in arm B (t,).
        share: with which it was drawn to be.

    Raises:
        ValueError: the shapes differ, an outcome is neither 0 nor 1, or the share is not between 0 and 1.
    """
    _require_arms(outcome, is_b, share)
    if not np.isin(outcome, (0, 1)).all():
        raise ValueError(f"expected outcomes of 0 or 1; got {outcome[~np.isin(outcome, (0, 1))][0]}")
    # Half an outcome of each kind stands for what is not known before the first one (Krichevsky & Trofimov 1981).
    of_a, of_b = _means_before(outcome, ~is_b, 0.5), _means_before(outcome, is_b, 0.5)
    chosen = np.where(is_b, of_b, of_a)
    mixed = share * of_b + (1 - share) * of_a
    factors = np.where(outcome == 1, chosen / mixed, (1 - chosen) / (1 - mixed))
    return _evidence(np.cumsum(np.log(factors)))


def even_evidence(is_a: NDArray[np.bool_]) -> Vector:
    """Return the evidence (t,) that of conversations with a preference not half prefer A."""
    for_a = np.cumsum(is_a)
    count = np.arange(1, len(is_a) + 1)
    return _evidence(betaln(for_a + 0.5, count - for_a + 0.5) - betaln(0.5, 0.5) + count * np.log(2))


def decided_at(evidence: Vector, config: SequentialConfig | None = None) -> int | None:
    """Return after how many conversations the evidence first sufficed; None where it never did."""
    enough = np.flatnonzero(evidence >= 1 / (config or SequentialConfig()).alpha)
    return int(enough[0]) + 1 if enough.size else None


def always_valid_p(evidence: Vector) -> float:
    """Return the p-value, which may be read at any time: 1 over the strongest evidence so far (Johari et al. 2022)."""
    return float(1 / max(1.0, evidence.max(initial=1.0)))


def arms_sequence(
    outcome: Vector, is_b: NDArray[np.bool_], share: float, config: SequentialConfig | None = None
) -> Sequence:
    """Return the confidence sequence of B - A for outcomes of 0 or 1, once each arm has enough of either.

    Raises:
        ValueError: the shapes differ, or the share is not between 0 and 1.
    """
    config = config or SequentialConfig()
    found = confidence_sequence(arm_effects(outcome, is_b, share), config)
    events = [np.cumsum((outcome == kind) & (is_b == arm)) for kind in (0, 1) for arm in (False, True)]
    is_early = np.min(events, axis=0) < config.least_events
    return Sequence(
        mean=found.mean, low=np.where(is_early, -np.inf, found.low), high=np.where(is_early, np.inf, found.high)
    )


def confidence_sequence(values: Vector, config: SequentialConfig | None = None) -> Sequence:
    """Return the confidence sequence of the mean of values (t,), in the order in which they came.

    Raises:
        ValueError: the values are not one finite row.
    """
    config = config or SequentialConfig()
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ValueError(f"expected finite values (t,); got shape {values.shape}")
    count = np.arange(1, len(values) + 1)
    mean = np.cumsum(values) / count
    deviation = np.sqrt(np.maximum(np.cumsum(values**2) / count - mean**2, 0.0))
    width = deviation * _margin(count, config)
    # Values that have not varied yet don't show that they never will.
    width[(count < config.begin) | (deviation == 0)] = np.inf
    return Sequence(mean=mean, low=mean - width, high=mean + width)


def arm_effects(outcome: Vector, is_b: NDArray[np.bool_], share: float) -> Vector:
    """Return an unbiased estimate of B - A from each conversation (t,), of which B has this share at random.

    (z / p)(y - m_B) - ((1 - z) / (1 - p))(y - m_A) + m_B - m_A, m being the means of the arms before the conversation
    (augmented inverse propensity weights: Robins, Rotnitzky & Zhao 1994): it varies less than without them.

    Raises:
        ValueError: the shapes differ, or the share is not between 0 and 1.
    """
    _require_arms(outcome, is_b, share)
    of_a, of_b = _means_before(outcome, ~is_b, 0.0), _means_before(outcome, is_b, 0.0)
    residual = np.where(is_b, (outcome - of_b) / share, -(outcome - of_a) / (1 - share))
    return np.asarray(residual + of_b - of_a, dtype=np.float64)


def _means_before(outcome: Vector, chosen: NDArray[np.bool_], prior: float) -> Vector:
    """Return the mean of those chosen before each one, with `prior` outcomes of either kind added; 0 of none."""
    count: NDArray[np.int64] = np.cumsum(chosen) - chosen
    total = np.cumsum(outcome * chosen) - outcome * chosen
    return np.asarray((total + prior) / np.maximum(count + 2 * prior, 1), dtype=np.float64)


def _evidence(logarithm: Vector) -> Vector:
    # What is beyond a float is as good as certain.
    return np.asarray(np.exp(np.minimum(logarithm, 700.0)), dtype=np.float64)


def _require_arms(outcome: Vector, is_b: NDArray[np.bool_], share: float) -> None:
    if outcome.shape != is_b.shape or outcome.ndim != 1:
        raise ValueError(f"expected (t,) twice; got outcome {outcome.shape}, is_b {is_b.shape}")
    if not 0 < share < 1:
        raise ValueError(f"expected a share between 0 and 1; got {share}")


def _margin(count: NDArray[np.int64], config: SequentialConfig) -> Vector:
    """Return the half-width in standard deviations (t,)."""
    lost = -2 * np.log(config.alpha)
    # ρ that makes it narrowest at `tuned_for`, to the first order (there, appendix B.2).
    rho = (lost + np.log(lost + 1)) / config.tuned_for
    grown = count * rho + 1
    return np.asarray(np.sqrt(2 * grown / (count**2 * rho) * np.log(np.sqrt(grown) / config.alpha)), dtype=np.float64)
