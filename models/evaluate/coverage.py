"""How much of what there is to cover a list covers, each aspect or topic counting once.

    S-recall@k      = aspects that one of the first k items serves / aspects that some judged item serves
    topic coverage  = topics in the list / topics among the candidates

S-recall is the subtopic recall of Zhai et al. 2003.
"""

import numpy as np
from numpy.typing import NDArray

BoolMatrix = NDArray[np.bool_]
IntVector = NDArray[np.int64]


def s_recall(serves: BoolMatrix, judged: BoolMatrix, k: int) -> float:
    """Return S-recall@k of a list (n, m) in the order of its ranks; all judged items are (j, m). NaN without any."""
    total = int(judged.any(axis=0).sum())
    return int(serves[:k].any(axis=0).sum()) / total if total else float("nan")


def topic_coverage(selected: IntVector, candidates: IntVector) -> float:
    """Return the share of the topics of the candidates (n,) that the selected (k,) have; NaN without candidates."""
    known = np.unique(candidates)
    return float(np.isin(known, selected).mean()) if len(known) else float("nan")
