"""Measures of one ranking against the ids that are right; means over questions are taken by the caller.

For a ranking r_1, r_2, ... and the set R of right ids, with ranks from 1:

    P@1    1 if r_1 ∈ R
    RR     1 / rank of the first right id, 0 without one            (its mean is MRR)
    hit@k  1 if one of r_1 ... r_k ∈ R
    AP     Σ_{i: r_i ∈ R} (right ids among r_1 ... r_i) / i / |R|   (its mean is MAP)
"""

from collections.abc import Collection, Sequence


def precision_at_1(ranking: Sequence[str], right: Collection[str]) -> float:
    """Return 1.0 where the first id is right, else 0.0."""
    return float(bool(ranking) and ranking[0] in right)


def reciprocal_rank(ranking: Sequence[str], right: Collection[str]) -> float:
    """Return one over the rank of the first right id; 0.0 where there is none."""
    return next((1.0 / rank for rank, found in enumerate(ranking, start=1) if found in right), 0.0)


def hit_at(k: int, ranking: Sequence[str], right: Collection[str]) -> float:
    """Return 1.0 where one of the first k ids is right, else 0.0."""
    return float(any(found in right for found in ranking[:k]))


def average_precision(ranking: Sequence[str], right: Collection[str]) -> float:
    """Return the mean over the right ids of the precision at their ranks; one that is missing counts 0."""
    hits, total = 0, 0.0
    for rank, found in enumerate(ranking, start=1):
        if found in right:
            hits += 1
            total += hits / rank
    return total / len(right) if right else 0.0
