"""Measures of telling pairs of texts that mean the same from pairs that don't.

A pair is called the same where its relevance is at least a threshold. With TP pairs rightly called the same, FP
wrongly, FN wrongly called different, and TN rightly:

    accuracy            (TP + TN) / (TP + FP + FN + TN)
    precision, recall   TP / (TP + FP), TP / (TP + FN)         0 where they are not defined
    F1                  2 TP / (2 TP + FP + FN)                0 where it is not defined
    AP                  Σ_k (R_k - R_{k-1}) P_k                over the falling distinct relevances as thresholds, with
                                                               precision P_k and recall R_k at each, and R_0 = 0
    AUROC               see `refusal.auroc`

AP and AUROC need no threshold. One for the others is chosen on validation pairs (`choose_threshold`), and held fixed.
"""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kb.errors import InputError, describe
from models.evaluate.bootstrap import bootstrap_interval
from models.evaluate.refusal import BoolVector, FloatVector, IntVector, auroc

Criterion = Literal["accuracy", "f1"]


def accuracy_at(threshold: float, relevance: FloatVector, same: BoolVector) -> float:
    """Return the share of pairs (n,) that are called what they are; NaN without a pair."""
    return float((_called(threshold, relevance) == same).mean()) if len(same) else float("nan")


def precision_recall_at(threshold: float, relevance: FloatVector, same: BoolVector) -> tuple[float, float]:
    """Return the share of those called the same that are, and of those that are the same that are called so."""
    called = _called(threshold, relevance)
    right = int((called & same).sum())
    return right / max(int(called.sum()), 1), right / max(int(same.sum()), 1)


def f1_at(threshold: float, relevance: FloatVector, same: BoolVector) -> float:
    """Return the harmonic mean of precision and recall of the pairs called the same."""
    called = _called(threshold, relevance)
    return 2 * int((called & same).sum()) / max(int(called.sum()) + int(same.sum()), 1)


def average_precision(relevance: FloatVector, same: BoolVector) -> float:
    """Return the area under the steps of precision over recall; NaN where no pair is the same."""
    if not same.any():
        return float("nan")
    _, right, called = _cuts(relevance, same)
    gained = np.diff(right, prepend=0) / right[-1]
    return float(gained @ (right / called))


def choose_threshold(relevance: FloatVector, same: BoolVector, by: Criterion = "accuracy") -> float:
    """Return the threshold with the highest accuracy or F1 on validation pairs.

    It lies half-way between two neighbouring relevances, where there are two. Of equally good ones the highest is
    taken: fewer pairs are called the same.

    Args:
        relevance: of the validation pairs (n,), finite.
        same: whether they mean the same (n,).
        by: what is to be highest.

    Raises:
        InputError: there is no pair, all have the same label, or a relevance is not finite.
    """
    relevance = _check(relevance, same)
    values, right, called = _cuts(relevance, same)
    # The first cut calls none the same.
    right, called = np.append(0, right), np.append(0, called)
    positives, size = int(same.sum()), len(same)
    value = (size - positives + 2 * right - called) / size if by == "accuracy" else 2 * right / (called + positives)
    best = int(np.argmax(value))
    if best == 0:
        return float(np.nextafter(values[0], np.inf))
    lowest_called = float(values[best - 1])
    if best == len(values):
        return lowest_called
    middle = (lowest_called + float(values[best])) / 2
    return middle if middle > values[best] else lowest_called


def pair_report(relevance: FloatVector, same: BoolVector, threshold: float) -> dict[str, Any]:
    """Return the measures of test pairs at a threshold chosen on others, with 95 % bootstrap intervals.

    Args:
        relevance: of the test pairs (n,), finite.
        same: whether they mean the same (n,).
        threshold: from which on a pair is called the same.

    Raises:
        InputError: as `choose_threshold`.
    """
    relevance = _check(relevance, same)
    measures: dict[str, Callable[[IntVector], float]] = {
        "accuracy": lambda at: accuracy_at(threshold, relevance[at], same[at]),
        "f1": lambda at: f1_at(threshold, relevance[at], same[at]),
        "auroc": lambda at: auroc(relevance[at], same[at]),
        "average_precision": lambda at: average_precision(relevance[at], same[at]),
    }
    report: dict[str, Any] = {"n": len(same), "n_same": int(same.sum()), "threshold": threshold}
    report |= {name: measure(np.arange(len(same))) for name, measure in measures.items()}
    report["precision"], report["recall"] = precision_recall_at(threshold, relevance, same)
    report["majority_accuracy"] = float(max(same.mean(), 1 - same.mean()))
    intervals = {name: bootstrap_interval(measure, len(same)) for name, measure in measures.items()}
    return report | {"intervals": {name: [round(low, 4), round(high, 4)] for name, (low, high) in intervals.items()}}


def _called(threshold: float, relevance: FloatVector) -> BoolVector:
    """Compare in 64 bits: numpy would round a threshold to the 32 of a relevance, and it would fall on a value."""
    return relevance.astype(np.float64) >= threshold


def _cuts(relevance: FloatVector, same: BoolVector) -> tuple[FloatVector, NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct relevances, falling, and how many pairs from each on are the same, and are at all."""
    order = np.argsort(-relevance, kind="stable")
    values = relevance[order]
    last = np.flatnonzero(np.append(values[1:] < values[:-1], True))
    return values[last], np.cumsum(same[order], dtype=np.int64)[last], last + 1


def _check(relevance: FloatVector, same: BoolVector) -> FloatVector:
    """Return the relevances in 64 bits, see `_called`."""
    if len(relevance) != len(same):
        got = f"{len(relevance)} for {len(same)}"
        raise InputError(describe(expected="a relevance for every pair", got=got, remedy="align them"))
    if not same.any() or same.all():
        kind = "no pair" if not len(same) else "pairs that all mean the same" if same.all() else "none that do"
        raise InputError(
            describe(
                expected="pairs that mean the same and pairs that don't", got=kind, remedy="name a file that has both"
            )
        )
    if not np.isfinite(relevance).all():
        got = f"{int((~np.isfinite(relevance)).sum())} that are not"
        raise InputError(describe(expected="finite relevances", got=got, remedy="train with a lower learning rate"))
    return relevance.astype(np.float64)
