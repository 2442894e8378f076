"""Measures of each topic, and which topics are taken for which others.

Topics are codes: any integers, the same in gold and predicted. With n_t questions of topic t, p_t predicted as t, and
TP_t of both:

    recall_t    = TP_t / n_t              (the accuracy of the topic's questions)
    precision_t = TP_t / p_t              (not a number where nothing was predicted as t)
    F1_t        = 2 TP_t / (n_t + p_t)    (their harmonic mean; van Rijsbergen 1979)
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatVector = NDArray[np.float64]
IntVector = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicTable:
    """One row for each topic that has questions, by ascending code; all arrays are (t,)."""

    topic: IntVector
    n: IntVector
    recall: FloatVector
    precision: FloatVector
    f1: FloatVector
    confused_with: IntVector
    """What its questions are most often taken for, the lowest code of several; itself where they never are."""
    confused_count: IntVector


def topic_table(gold: IntVector, predicted: IntVector) -> TopicTable:
    """Return the measures of every topic in gold (n,), against what was predicted (n,)."""
    topic, row = np.unique(gold, return_inverse=True)
    size = len(topic)
    n = np.bincount(row, minlength=size)
    right = np.bincount(row[gold == predicted], minlength=size)
    known = predicted[np.isin(predicted, topic)]
    as_topic = np.bincount(np.searchsorted(topic, known), minlength=size)
    confused_with, confused_count = topic.copy(), np.zeros(size, dtype=np.int64)
    # Backwards, so that the first pair of a topic, which is its most frequent one, stays.
    for truth, answer, count in confusions(gold, predicted)[::-1]:
        at = np.searchsorted(topic, truth)
        confused_with[at], confused_count[at] = answer, count
    with np.errstate(invalid="ignore"):
        precision = right / np.where(as_topic > 0, as_topic, np.nan)
    return TopicTable(
        topic=topic,
        n=n,
        recall=right / n,
        precision=precision,
        f1=2 * right / (n + as_topic),
        confused_with=confused_with,
        confused_count=confused_count,
    )


def confusions(gold: IntVector, predicted: IntVector, k: int | None = None) -> IntVector:
    """Return the k most frequent wrong pairs as rows (gold, predicted, count), (m, 3); all of them without k.

    The most frequent first; of equally frequent ones those with the lower codes.
    """
    wrong = gold != predicted
    pairs, counts = np.unique(np.stack([gold[wrong], predicted[wrong]], axis=1), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:k]
    return np.column_stack([pairs[order], counts[order]])


def most_confused(gold: IntVector, predicted: IntVector, k: int) -> IntVector:
    """Return the k topics in the most wrong pairs, on either side of them, the most confused first."""
    wrong = gold != predicted
    topic, counts = np.unique(np.concatenate([gold[wrong], predicted[wrong]]), return_counts=True)
    return topic[np.argsort(-counts, kind="stable")][:k]


def confusion_matrix(gold: IntVector, predicted: IntVector, topics: IntVector) -> IntVector:
    """Return counts (t, t + 1): questions of topic i predicted as topic j; the last column is every other prediction.

    Args:
        gold: topics of the questions (n,); those of topics not asked for are left out.
        predicted: what they were predicted as (n,).
        topics: codes in the order wanted (t,), each once.
    """
    order = np.argsort(topics)
    place = {int(topics[at]): int(at) for at in order}
    matrix = np.zeros((len(topics), len(topics) + 1), dtype=np.int64)
    rows = np.array([place.get(int(each), -1) for each in gold], dtype=np.int64)
    columns = np.array([place.get(int(each), len(topics)) for each in predicted], dtype=np.int64)
    np.add.at(matrix, (rows[rows >= 0], columns[rows >= 0]), 1)
    return matrix
