"""What people ask next: transitions mined from history, and neighbours of the answer; answerable, new and short."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from bot.selector import select
from kb.retriever import Retriever
from kb.types import FollowUp, Match, Transition


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUpConfig:
    """What the suggestions depend on."""

    count: int = 3
    longest: int = 90
    """Characters of a question that still fits a button."""
    neighbours: int = 12
    """Pairs near the answer that are looked at."""
    transition_weight: float = 0.6
    """Of what was asked next, beside similarity."""
    smoothing: float = 2.0
    """Transitions that are added to the number seen, so that one alone proves little."""
    diversity: float = 0.3
    duplicate_similarity: float = 0.95


class FollowUps:
    """Suggests questions from one snapshot."""

    def __init__(self, retriever: Retriever, transitions: Sequence[Transition], config: FollowUpConfig) -> None:
        """Take the retriever and transitions of the same snapshot."""
        self._retriever = retriever
        self._config = config
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._next: dict[str, dict[str, int]] = defaultdict(dict)
        for each in transitions:
            self._next[each.from_pair][each.to_pair] = each.count

    def after(self, pair_id: str, without: Collection[str]) -> tuple[FollowUp, ...]:
        """Return what to ask after an answer, without the pairs that were shown."""
        row = self._row[pair_id]
        vector = self._retriever.question_vectors([row])[0]
        similarity = dict(self._retriever.neighbours(vector, self._config.neighbours))
        asked = self._next.get(pair_id, {})
        counts = {self._row[pair]: count for pair, count in asked.items() if pair in self._row}
        total = sum(counts.values()) + self._config.smoothing
        share = {each: count / total for each, count in counts.items()}
        rows = [each for each in {**share, **similarity} if each != row and self._is_fit(each, without)]
        near = dict(zip(rows, self._retriever.question_vectors(rows) @ vector, strict=True))
        weight = self._config.transition_weight
        relevance = {each: weight * share.get(each, 0.0) + (1 - weight) * max(0.0, float(near[each])) for each in rows}
        return self._selected({each: (float(near[each]), relevance[each]) for each in rows})

    def instead(self, matches: Sequence[Match], without: Collection[str]) -> tuple[FollowUp, ...]:
        """Return the nearest questions that have an answer, for one that has none."""
        rows = [self._row[match.pair.pair_id] for match in matches]
        fit = {
            row: (match.similarity, match.relevance)
            for row, match in zip(rows, matches, strict=True)
            if self._is_fit(row, without)
        }
        return self._selected(fit)

    def _is_fit(self, row: int, without: Collection[str]) -> bool:
        pair = self._retriever.pairs[row]
        return pair.pair_id not in without and len(pair.question) <= self._config.longest

    def _selected(self, found: dict[int, tuple[float, float]]) -> tuple[FollowUp, ...]:
        rows = list(found)
        if not rows:
            return ()
        chosen = select(
            self._retriever.question_vectors(rows),
            np.array([found[row][1] for row in rows], dtype=np.float32),
            self._config.count,
            self._config.diversity,
            duplicate_similarity=self._config.duplicate_similarity,
            keep_duplicates=False,
        )
        return tuple(
            FollowUp(
                pair_id=self._retriever.pairs[rows[position]].pair_id,
                question=self._retriever.pairs[rows[position]].question,
                similarity=found[rows[position]][0],
                relevance=min(1.0, found[rows[position]][1]),
                rank=rank,
            )
            for rank, position in enumerate(chosen, start=1)
        )
