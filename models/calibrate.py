"""Evidence of a match → probability that the answer is right, and the threshold under which the bot abstains.

Logistic regression (Platt 1999) on the evidence of the best pair, fitted on the knowledge base itself, without test
data and without labelled out-of-scope questions:

- in scope: phrasings, each asked of an index in which it is hidden;
- out of scope, near: the same questions with their whole pair or topic hidden;
- out of scope, far: a bank of small talk and of other businesses' questions, less those that fit this knowledge base.

Beside the evidence, the similarity to the nearest question of that bank is a second feature. It can only speak against.

Which way confidence grows is fitted with as much weight out of scope as in scope; how high it is, with the share of
questions out of scope that customers ask, as assumed: nine of ten answers at .9 are right then.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kb.types import FloatArray

BoolArray = NDArray[np.bool_]

_NEARLY = 0.005
"""Share of the questions in scope (and, by weight, of those out of scope) that is within the noise of a threshold."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CalibrationConfig:
    """What the calibration depends on."""

    questions: int = 1_000
    """Phrasings that are asked, at most."""
    fewest: int = 60
    """With fewer phrasings the default calibration stays."""
    near_weight: float = 0.1
    """Share of the near ones in the weight of what is out of scope."""
    out_of_scope_share: float = 0.05
    """Share of customers' questions that are out of scope, as confidence assumes it."""
    seed: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """probability = sigmoid(slope · evidence + off_topic · similarity + intercept); `threshold` is the least to answer.

    `validation` holds what was measured when it was fitted: counts, coverage and accuracy at the threshold.
    `sharpness` says how sure it is which of several candidates is meant, see `models.ties`. `sample` has confidence and
    rightness of the questions in scope that all of this was fitted on: what the dial is turned by, see `models.dial`.
    """

    slope: float
    intercept: float
    threshold: float
    origin: str
    validation: Mapping[str, float]
    off_topic: float = 0.0
    """Of the similarity to the nearest question that is out of scope; never above 0."""
    sharpness: float = 1.0
    sample: tuple[tuple[float, bool], ...] = ()

    def probability(self, evidence: FloatArray, similarity: FloatArray | float = 0.0) -> FloatArray:
        """Return the probability of being right, in the shape of the evidence.

        Args:
            evidence: what speaks for each candidate.
            similarity: of the question to what is out of scope, see `OffTopic`; one for all, or in the same shape.
        """
        # Far below, exp overflows to infinity, and the probability is 0 as it should be.
        with np.errstate(over="ignore"):
            logit = self.slope * evidence + self.off_topic * similarity + self.intercept
            probability = 1.0 / (1.0 + np.exp(-logit))
        return np.asarray(probability, dtype=np.float32)


DEFAULT = Calibration(slope=16.0, intercept=-11.8, threshold=0.4, origin="default", validation={})
"""For a knowledge base with too few phrasings to fit its own: fitted on the demo shop's."""


def fit_calibration(
    *,
    in_scope: FloatArray,
    is_right: BoolArray,
    near: FloatArray,
    far: FloatArray,
    config: CalibrationConfig,
    floor: Calibration | None = None,
    off_topic: tuple[FloatArray, FloatArray, FloatArray] | None = None,
) -> Calibration:
    """Fit weights and threshold on the evidence of the best pair for questions of three kinds.

    In scope and out of scope weigh the same, whatever their numbers. The threshold is the one with the most right
    answers and right refusals by these weights; of those that are nearly as good, the one that answers most.

    Args:
        in_scope: evidence of the best pair for questions that the knowledge base answers (n,).
        is_right: whether that pair is the right one (n,).
        near: for questions whose pair or topic was hidden (m,).
        far: for questions of the bank (k,).
        config: see `CalibrationConfig`; with fewer questions than `fewest` the default is returned, and so it is
            where none of them was answered rightly, or nothing wrongly.
        floor: another calibration, of what serves now: the threshold is raised until no smaller share of what is out of
            scope, near and far by their weights, is refused than it refused.
        off_topic: similarity to what is out of scope of the questions in scope, near and far, (n,), (m,) and (k,).
    """
    if len(in_scope) < config.fewest or not is_right.any():
        return DEFAULT
    # Small talk that one bot refuses is what another one is for: what fits like a right answer teaches nothing.
    is_far = far < np.median(in_scope)
    far = far[is_far]
    evidence = np.concatenate([in_scope, near, far]).astype(np.float64)
    right = np.concatenate([is_right, np.zeros(len(near) + len(far), dtype=bool)])
    if right.all():
        return DEFAULT
    weight = _weights(len(in_scope), len(near), len(far), config.near_weight)
    similarity = np.zeros(len(evidence))
    if off_topic is not None:
        similarity = np.concatenate([off_topic[0], off_topic[1], off_topic[2][is_far]]).astype(np.float64)
    (slope, against), _ = _logistic(np.column_stack([evidence, similarity]), right, weight)
    if against > 0:
        (slope, against), _ = _logistic(np.column_stack([evidence, np.zeros(len(evidence))]), right, weight)
    (scale,), intercept = _logistic(
        (slope * evidence + against * similarity)[:, None], right, _as_asked(weight, len(in_scope), config)
    )
    fitted = Calibration(
        slope=scale * slope,
        intercept=intercept,
        threshold=0.0,
        origin="fitted",
        validation={},
        off_topic=scale * against,
    )
    probability = fitted.probability(evidence.astype(np.float32), similarity.astype(np.float32))
    is_in_scope = np.arange(len(evidence)) < len(in_scope)
    threshold = _best_threshold(probability, right, is_in_scope, weight)
    if floor is not None:
        share = config.near_weight if len(near) and len(far) else float(bool(len(near)))
        wanted = (floor.validation.get(f"{name}_refused", 0.0) for name in ("near", "far"))
        least = float(np.dot([share, 1 - share], list(wanted)))
        threshold = max(threshold, _refusing(probability[len(in_scope) :], weight[len(in_scope) :], least))
    answered = probability >= threshold
    validation = {
        "in_scope": float(len(in_scope)),
        "near_out_of_scope": float(len(near)),
        "far_out_of_scope": float(len(far)),
        "accuracy": float(is_right.mean()),
        "coverage": float(answered[is_in_scope].mean()),
        "accuracy_of_answered": _share(right[is_in_scope & answered]),
        "far_refused": _share(~answered[len(in_scope) + len(near) :]),
        "near_refused": _share(~answered[len(in_scope) : len(in_scope) + len(near)]),
    }
    sample = zip(probability[is_in_scope].tolist(), is_right.tolist(), strict=True)
    return replace(fitted, threshold=threshold, validation=validation, sample=tuple(sample))


def to_json(calibration: Calibration) -> dict[str, Any]:
    """Return the calibration as plain values."""
    return asdict(calibration)


def from_json(document: Mapping[str, Any]) -> Calibration:
    """Return the calibration that `to_json` gave; TypeError where the document is not one."""
    found = Calibration(**document)
    return replace(found, sample=tuple((float(confidence), bool(is_right)) for confidence, is_right in found.sample))


def _weights(in_scope: int, near: int, far: int, near_weight: float) -> NDArray[np.float64]:
    share = near_weight if near and far else float(bool(near))
    groups = ((in_scope, 1.0), (near, share), (far, 1.0 - share))
    return np.concatenate([np.full(count, weight / max(count, 1)) for count, weight in groups]) * in_scope


def _as_asked(weight: NDArray[np.float64], in_scope: int, config: CalibrationConfig) -> NDArray[np.float64]:
    """Return the weights, with as much out of scope as customers ask."""
    share = config.out_of_scope_share
    asked = weight.copy()
    asked[in_scope:] *= share / max(1 - share, 1e-6)
    return asked


def _logistic(
    features: NDArray[np.float64], right: BoolArray, weight: NDArray[np.float64]
) -> tuple[tuple[float, ...], float]:
    """Return a weight for each of the features (n, f), and the intercept."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=100.0).fit(features, right, sample_weight=weight)
    return tuple(float(each) for each in model.coef_[0]), float(model.intercept_[0])


def _best_threshold(
    probability: FloatArray, right: BoolArray, is_in_scope: BoolArray, weight: NDArray[np.float64]
) -> float:
    """Return the threshold with next to the highest weight of right answers and of refusals out of scope."""
    order = np.argsort(-probability, kind="stable")
    # Answering one more question: a right one is won, one out of scope is no longer refused.
    gain = np.where(right, weight, np.where(is_in_scope, 0.0, -weight))[order]
    value = np.cumsum(gain)
    # The optimum is flat, and where in it the highest value lies is chance.
    best = int(np.flatnonzero(value >= value.max() - _NEARLY * weight.sum() / 2)[-1])
    following = probability[order[best + 1]] if best + 1 < len(order) else 0.0
    return float((probability[order[best]] + following) / 2)


def _refusing(probability: FloatArray, weight: NDArray[np.float64], share: float) -> float:
    """Return the lowest threshold that refuses a share, by weight, of what has these probabilities."""
    order = np.argsort(probability, kind="stable")
    refused = np.cumsum(weight[order]) / weight.sum()
    needed = int(np.searchsorted(refused, share - 1e-9))
    if share <= 0 or needed >= len(order):
        return 0.0 if share <= 0 else 1.0
    highest = probability[order[needed]]
    return float(np.nextafter(highest, np.float32(1)))


def _share(flags: BoolArray) -> float:
    return float(flags.mean()) if len(flags) else 0.0
