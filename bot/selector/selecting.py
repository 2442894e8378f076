"""The loop that all strategies share: the best gain comes next, near duplicates of what was selected come last."""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from bot.selector.coverage import Coverage
from bot.selector.dpp import DeterminantalPointProcess
from bot.selector.facility import FacilityLocation
from bot.selector.mmr import MaximalMarginalRelevance
from bot.selector.pm2 import ProportionalModel
from bot.selector.pool import Pool, pool_of
from bot.selector.xquad import ExplicitQueryAspects
from kb.types import FloatArray

IntArray = NDArray[np.int64]
Strategy = Literal["relevance", "mmr", "dpp", "xquad", "pm2", "facility", "coverage"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)


class Gains(Protocol):
    """What each candidate would add, given what was selected."""

    def gains(self) -> FloatArray:
        """Return what each candidate (n,) would add now."""

    def take(self, position: int, cosines: FloatArray) -> None:
        """Note that a candidate was selected; `cosines` (n,) are those of all candidates with it."""


class _Relevance:
    """Relevance alone."""

    def __init__(self, pool: Pool) -> None:
        self._relevance = pool.relevance

    def gains(self) -> FloatArray:
        return self._relevance

    def take(self, position: int, cosines: FloatArray) -> None:
        """Nothing changes."""


_GAINS: Mapping[Strategy, Callable[[Pool], Gains]] = {
    "relevance": _Relevance,
    "mmr": MaximalMarginalRelevance,
    "dpp": DeterminantalPointProcess,
    "xquad": ExplicitQueryAspects,
    "pm2": ProportionalModel,
    "facility": FacilityLocation,
    "coverage": Coverage,
}


def select(
    vectors: FloatArray,
    relevance: FloatArray,
    k: int,
    diversity: float = 0.3,
    strategy: Strategy = "mmr",
    aspects: FloatArray | None = None,
    *,
    groups: Sequence[int] | None = None,
    duplicate_similarity: float = 0.98,
    keep_duplicates: bool = True,
) -> list[int]:
    """Return up to k positions in the order of their selection; of equal gains the first candidate comes first.

    With diversity 0 every strategy selects by relevance alone. The first one selected is always the most relevant.

    Args:
        vectors: of the candidates (n, d); only their directions count. One of length 0 is similar to none.
        relevance: of the candidates (n,), in 0..1.
        k: how many to select; fewer are returned where there are no more.
        diversity: 0 looks at relevance alone, 1 at what a candidate adds to those selected alone.
        strategy: one of `STRATEGIES`; see its file for the formula.
        aspects: how far each candidate serves each thing that may be meant (n, m), from 0; for `xquad` and `pm2`,
            which else take the neighbourhoods of the most relevant candidates.
        groups: of the candidates (n,): those of one group are near duplicates of each other, whatever their vectors.
        duplicate_similarity: a candidate with a cosine above this with a selected one is its near duplicate.
        keep_duplicates: near duplicates come after all others; without it they are left out.

    Raises:
        ValueError: shapes don't fit, a value is no number or out of its range, or the strategy is unknown.
    """
    if strategy not in _GAINS:
        raise ValueError(f"expected a strategy out of {', '.join(STRATEGIES)}; got {strategy!r}")
    if k < 0:
        raise ValueError(f"expected k from 0; got {k}")
    pool = pool_of(vectors, relevance, diversity, aspects)
    if not len(pool.relevance):
        return []
    if groups is not None and len(groups) != len(pool.relevance):
        raise ValueError(f"expected a group for each of {len(pool.relevance)} candidates; got {len(groups)}")
    weighed = _GAINS["relevance" if diversity == 0 else strategy](pool)
    group = np.arange(len(pool.relevance)) if groups is None else np.asarray(groups)
    return _greedy(pool, weighed, k, group, duplicate_similarity, keep_duplicates=keep_duplicates)


def _greedy(
    pool: Pool, weighed: Gains, k: int, group: IntArray, duplicate_similarity: float, *, keep_duplicates: bool
) -> list[int]:
    selected: list[int] = []
    left = np.ones(len(pool.relevance), dtype=bool)
    fresh = left.copy()
    while len(selected) < k and left.any():
        among = fresh if fresh.any() else left
        if not keep_duplicates and among is left:
            break
        # Nothing is selected yet, so there is nothing to differ from: relevance decides.
        value = weighed.gains() if selected else pool.relevance
        best = int(np.argmax(np.where(among, value, -np.inf)))
        selected.append(best)
        left[best] = fresh[best] = False
        if len(selected) == k:
            break
        cosines = pool.cosines(best)
        weighed.take(best, cosines)
        fresh &= (cosines <= duplicate_similarity) & (group != group[best])
    return selected


def duplicates(vectors: FloatArray, selected: Sequence[int], duplicate_similarity: float) -> dict[int, int]:
    """Return the positions that are near duplicates of a selected one, each with that one.

    What was selected itself is no duplicate.
    """
    pool = pool_of(vectors, np.zeros(len(vectors), dtype=np.float32), 0.0, None)
    found: dict[int, int] = {}
    for each in selected:
        for position in np.flatnonzero(pool.cosines(each) > duplicate_similarity):
            if position not in selected:
                found.setdefault(int(position), each)
    return found
