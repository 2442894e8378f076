"""Measures of answering what is in scope and refusing what is not."""

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]
BoolVector = NDArray[np.bool_]

OUT_OF_SCOPE = -1
"""The class of what is out of scope, as gold and as prediction (a refusal)."""


def auroc(confidence: FloatVector, in_scope: BoolVector) -> float:
    """Return the probability that a question in scope has a higher confidence than one out of scope; ties count half.

    The area under the ROC curve, by ranks (Hanley & McNeil 1982). NaN where one of the two kinds is missing.
    """
    positives, negatives = int(in_scope.sum()), int((~in_scope).sum())
    if not positives or not negatives:
        return float("nan")
    _, inverse, counts = np.unique(confidence, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    rank = (last - (counts - 1) / 2)[inverse]
    return float((rank[in_scope].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def mcc(gold: IntVector, predicted: IntVector) -> float:
    """Return the correlation of gold and predicted classes, in -1..1 (R_K of Gorodkin 2004).

    (c·s - Σ p_k t_k) / sqrt((s² - Σ p_k²)(s² - Σ t_k²)), with s questions, c right ones, p_k predicted and t_k gold of
    class k; 0 where it is not defined.
    """
    _, codes = np.unique(np.concatenate([gold, predicted]), return_inverse=True)
    size = int(codes.max(initial=0)) + 1
    gold_counts = np.bincount(codes[: len(gold)], minlength=size).astype(np.float64)
    predicted_counts = np.bincount(codes[len(gold) :], minlength=size).astype(np.float64)
    right = float((gold == predicted).sum())
    return float(
        _correlation(
            np.array(right),
            gold_counts @ predicted_counts,
            predicted_counts @ predicted_counts,
            float(gold_counts @ gold_counts),
            len(gold),
        )
    )


def mcc_at(threshold: float, gold: IntVector, predicted: IntVector, confidence: FloatVector) -> float:
    """Return MCC where every prediction with a confidence below the threshold is a refusal."""
    return mcc(gold, np.where(confidence >= threshold, predicted, OUT_OF_SCOPE))


def best_mcc(gold: IntVector, predicted: IntVector, confidence: FloatVector) -> float:
    """Return the highest MCC over all thresholds: what the ranking by confidence would allow, not what was chosen.

    Answers one question after the other, by confidence, and keeps the sums of `mcc` up to date.
    """
    order = np.argsort(-confidence, kind="stable")
    answer, truth, sure = predicted[order], gold[order], confidence[order]
    classes, codes = np.unique(np.concatenate([gold, predicted, [OUT_OF_SCOPE]]), return_inverse=True)
    gold_counts = np.bincount(codes[: len(gold)], minlength=len(classes)).astype(np.float64)
    code = codes[len(gold) : -1][order]
    refused, size = int(codes[-1]), len(gold)
    steps = np.arange(1, size + 1)
    right = gold_counts[refused] + np.cumsum((answer == truth).astype(np.float64) - (truth == OUT_OF_SCOPE))
    both = size * gold_counts[refused] + np.cumsum(gold_counts[code] - gold_counts[refused])
    # The m-th answer of a class raises the square of its count by 2m - 1.
    squares = np.cumsum(2.0 * _occurrence(code) - 1.0) + (size - steps) ** 2.0
    value = _correlation(right, both, squares, float(gold_counts @ gold_counts), size)
    # A threshold can't part equal confidences.
    possible = np.append(sure[1:] < sure[:-1], True)
    return float(max(value[possible].max(initial=0.0), 0.0))


def _correlation(
    right: FloatVector, both: FloatVector, predicted_squares: FloatVector, gold_squares: float, size: int
) -> FloatVector:
    spread = np.sqrt((size**2 - predicted_squares) * (size**2 - gold_squares))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, (right * size - both) / spread, 0.0)


def _occurrence(codes: IntVector) -> IntVector:
    """Return for each item how many of its class there are up to it, itself included."""
    order = np.argsort(codes, kind="stable")
    _, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
    occurrence = np.empty(len(codes), dtype=np.int64)
    occurrence[order] = np.arange(len(codes)) - np.repeat(starts, counts) + 1
    return occurrence
