"""What another policy would have earned, from the log of the one that served: arrays in, estimates out.

A row is one suggestion that was shown: its reward r (1 where it was clicked), the probability μ with which the logging
policy showed it, and the probability π with which the target policy would have. w = π / μ is its importance weight.

- `ips`: Σ w r / Σ e (Horvitz & Thompson 1952), e being how much the target shows there, mostly 1;
- `snips`: Σ w r / Σ w, self-normalised (Swaminathan & Joachims 2015; Owen, mcbook, ch. 9);
- `dr`: Σ (e q̂_π + w (r - q̂)) / Σ e, doubly robust (Dudík, Langford & Li 2011): q̂ predicts the reward of what was shown,
  q̂_π that of what the target shows, both by a model of other conversations (`bot.offline_rewards.cross_fitted`).

Each is a ratio of means over conversations, which are what is independent of one another; `bot.offline_intervals` makes
their intervals, and those of differences of two policies on the same log.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from bot.offline_intervals import Ratio, interval, totals_by

Vector = NDArray[np.float64]
Method = Literal["ips", "snips", "dr"]
METHODS: tuple[Method, ...] = get_args(Method)


@dataclass(frozen=True, kw_only=True, slots=True)
class OfflineConfig:
    """How estimates are made, and when they are warned of."""

    clip: float = float("inf")
    """Largest weight; what is above counts as this much, at the price of a bias towards what was logged."""
    confidence: float = 0.95
    least_effective: float = 100.0
    """Effective sample size below which an estimate rests on too little."""
    least_share: float = 0.02
    """The same as a share of the rows."""
    largest_share: float = 0.1
    """Share of the whole weight that one row may have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Logged:
    """What was shown, by rows in the order of their lists; each array is (n,).

    `conversation` may hold ids of any kind. `predicted` is q̂ of what was shown, as `cross_fitted` gives it; None
    where the doubly robust estimate is not wanted.
    """

    reward: Vector
    propensity: Vector
    conversation: NDArray[np.generic]
    predicted: Vector | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a policy would do at the same rows; each array is (n,).

    `probability` is that of showing what was logged; `shown` how much it shows at the row's place, by default 1, and 0
    where it shows nothing there; `predicted` is q̂ of what it shows instead. `missing` counts what it would show at
    places where nothing was logged.
    """

    probability: Vector
    shown: Vector | None = None
    predicted: Vector | None = None
    missing: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Overlap:
    """How much of the log speaks for a target policy.

    `effective` is Kish's sample size (Σ w)² / Σ w²; `mean_weight` is Σ w / Σ e, 1 but for chance where the log could
    have shown all that the target shows, so that `unsupported` estimates the share that it never shows.
    """

    rows: int
    conversations: int
    matched: int
    """Rows with a weight above 0."""
    effective: float
    effective_share: float
    largest_weight: float
    largest_weight_share: float
    """Of the sum of weights."""
    mean_weight: float
    unsupported: float
    clipped: int
    """Rows whose weight was cut at `OfflineConfig.clip`."""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """The value of a policy, or a difference of values, with its interval."""

    method: Method
    value: float
    standard_error: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Two policies on one log, by method: their values, and A - B with an interval of its own."""

    a: dict[Method, Estimate]
    b: dict[Method, Estimate]
    difference: dict[Method, Estimate]
    overlap_a: Overlap
    overlap_b: Overlap


def importance_weights(probability: Vector, propensity: Vector) -> Vector:
    """Return π / μ (n,).

    Raises:
        ValueError: the shapes differ, a propensity is outside (0, 1], or a probability outside [0, 1].
    """
    if probability.shape != propensity.shape or propensity.ndim != 1:
        raise ValueError(f"expected (n,) twice; got probability {probability.shape}, propensity {propensity.shape}")
    _require((propensity > 0) & (propensity <= 1), propensity, "propensities in (0, 1]: what was shown can be shown")
    _require((probability >= 0) & (probability <= 1), probability, "probabilities of the target in [0, 1]")
    return np.asarray(probability / propensity, dtype=np.float64)


def along_lists(probability: Vector, lists: NDArray[np.generic]) -> Vector:
    """Return the probability of each list up to and with each row (n,), given that of a row after those above it.

    What is clicked at a rank may depend on all that stands above it, and on nothing below: the cascade, with which
    weights of these products are unbiased (McInerney et al. 2020). Rows of a list stand together, by rank.
    """
    if probability.shape != lists.shape:
        raise ValueError(f"expected (n,) twice; got probability {probability.shape}, lists {lists.shape}")
    product = np.array(probability, dtype=np.float64)
    for row in range(1, len(product)):
        if lists[row] == lists[row - 1]:
            product[row] *= product[row - 1]
    return product


def estimate(
    logged: Logged, target: Target, methods: Sequence[Method] = ("snips",), config: OfflineConfig | None = None
) -> tuple[dict[Method, Estimate], Overlap]:
    """Return the estimated value of a policy by method, and how much of the log speaks for it.

    Raises:
        ValueError: arrays don't fit, a propensity is outside (0, 1], there are fewer than two conversations, or the
            target shows nothing of what was logged.
    """
    config = config or OfflineConfig()
    terms = _Terms(logged, target, config)
    return {method: _estimate(method, config, terms) for method in methods}, terms.overlap()


def compare(
    logged: Logged,
    a: Target,
    b: Target,
    methods: Sequence[Method] = METHODS,
    config: OfflineConfig | None = None,
) -> Comparison:
    """Return the values of two policies on the same log, and their difference A - B, paired by conversation.

    Raises:
        ValueError: as `estimate` does.
    """
    config = config or OfflineConfig()
    of_a, of_b = (_Terms(logged, target, config) for target in (a, b))
    return Comparison(
        a={method: _estimate(method, config, of_a) for method in methods},
        b={method: _estimate(method, config, of_b) for method in methods},
        difference={method: _estimate(method, config, of_a, of_b) for method in methods},
        overlap_a=of_a.overlap(),
        overlap_b=of_b.overlap(),
    )


class _Terms:
    """What a target's estimates are made of: weights of the rows (n,), and totals by conversation (m,)."""

    def __init__(self, logged: Logged, target: Target, config: OfflineConfig) -> None:
        _require_shapes(logged, target)
        self.raw = importance_weights(target.probability, logged.propensity)
        self.weights = np.minimum(self.raw, config.clip)
        if not self.weights.any():
            size = len(self.weights)
            raise ValueError(f"expected rows that the target shows too; got none among {size}: nothing speaks for it")
        shown = np.ones(len(self.weights)) if target.shown is None else target.shown
        columns = [self.weights * logged.reward, self.weights, shown]
        if logged.predicted is not None and target.predicted is not None:
            columns.append(shown * target.predicted + self.weights * (logged.reward - logged.predicted))
        self.earned, self.weight, self.shown, *self.robust = totals_by(logged.conversation, columns)
        self.missing, self.config = target.missing, config
        self.varies = len(np.unique(logged.reward[self.weights > 0])) > 1

    def ratio(self, method: Method) -> Ratio:
        if method == "snips":
            return Ratio(numerator=self.earned, denominator=self.weight)
        if method == "ips":
            return Ratio(numerator=self.earned, denominator=self.shown)
        if not self.robust:
            raise ValueError(
                "expected predicted rewards for dr; got none: make them with cross_fitted, or leave dr out"
            )
        return Ratio(numerator=self.robust[0], denominator=self.shown)

    def overlap(self) -> Overlap:
        total, shown = float(self.weights.sum()), float(self.shown.sum())
        effective = total**2 / float(self.weights @ self.weights)
        clipped = int(np.count_nonzero(self.raw > self.config.clip))
        mean_weight = total / (shown + self.missing)
        error = interval(Ratio(numerator=self.weight, denominator=self.shown)).standard_error
        # By chance alone a mean weight is three standard errors below 1 once in 700 times.
        is_short = self.missing > 0 or mean_weight + 3 * error < 1
        found = Overlap(
            rows=len(self.weights),
            conversations=len(self.weight),
            matched=int(np.count_nonzero(self.weights)),
            effective=effective,
            effective_share=effective / len(self.weights),
            largest_weight=float(self.weights.max()),
            largest_weight_share=float(self.weights.max()) / total,
            mean_weight=mean_weight,
            unsupported=1 - min(1.0, mean_weight) if is_short and not clipped else 0.0,
            clipped=clipped,
        )
        return replace(found, warnings=tuple(_warnings(found, self.config, varies=self.varies)))


def _warnings(overlap: Overlap, config: OfflineConfig, *, varies: bool) -> Iterator[str]:
    share = overlap.effective_share
    if overlap.effective < config.least_effective or share < config.least_share:
        yield f"too little overlap: {overlap.rows} rows count as {overlap.effective:.0f} ({share:.1%})"
    if overlap.largest_weight_share > config.largest_share:
        yield f"one row has {overlap.largest_weight_share:.0%} of the whole weight"
    if overlap.unsupported:
        yield f"about {overlap.unsupported:.0%} of what the policy shows was never logged: nothing is known of it"
    if overlap.clipped:
        yield f"{overlap.clipped} weights were cut at {config.clip:g}: the estimate leans towards what was logged"
    if not varies:
        yield "all rewards are the same: an interval of no width says nothing"


def _estimate(method: Method, config: OfflineConfig, terms: _Terms, less: _Terms | None = None) -> Estimate:
    other = None if less is None else less.ratio(method)
    found = interval(terms.ratio(method), other, confidence=config.confidence)
    return Estimate(
        method=method, value=found.value, standard_error=found.standard_error, interval=(found.low, found.high)
    )


def _require_shapes(logged: Logged, target: Target) -> None:
    shape = logged.reward.shape
    if len(shape) != 1 or not shape[0]:
        raise ValueError(f"expected rewards (n,) of some rows; got {shape}")
    if logged.conversation.shape != shape:
        raise ValueError(f"expected conversation {shape}, like the rewards; got {logged.conversation.shape}")
    numbers = {
        "rewards": logged.reward,
        "shown": target.shown,
        "predicted of what was logged": logged.predicted,
        "predicted of the target": target.predicted,
    }
    for name, values in numbers.items():
        if values is None:
            continue
        if values.shape != shape:
            raise ValueError(f"expected {name} {shape}, like the rewards; got {values.shape}")
        _require(np.isfinite(values), values, f"finite {name}")


def _require(holds: NDArray[np.bool_], values: Vector, expected: str) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        raise ValueError(f"expected {expected}; got {values[row]} in row {row}")
