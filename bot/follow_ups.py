"""What people ask next: likely after this conversation, or near the answer; answerable, new, short, and not all alike.

    candidates = asked next (models.next_question) + neighbours of the answer + popular in its topic
    value      = (weight · probability of being asked next + (1 - weight) · cosine with the answer's question)
                 · predicted clicks, where a click model is trained
    shown      = selected for diversity; a share of the slots is explored (bot.exploration)

What is suggested has been asked before: its own question, typed, is answered with that pair. Whatever was answered or
suggested in this conversation is not suggested again.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Protocol

import numpy as np

from bot.aspects import aspects_of
from bot.exploration import Slot, explored
from bot.selector import Strategy, select
from kb.retriever import Retriever
from kb.types import FloatArray, FollowUp, Match, Transition
from models.next_question import FloatMatrix, NextQuestion, Step, fit_next

_CHECKED = 1 << 16
_AHEAD = 1.05
"""How much likelier than anywhere what is asked next has to be: less is rounding, or chance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowUpConfig:
    """What the suggestions depend on."""

    count: int = 3
    longest: int = 90
    """Characters of a question that still fits a button."""
    neighbours: int = 12
    """Pairs near the answer that are looked at."""
    likely: int = 12
    """Pairs that are most likely asked next that are looked at."""
    popular: int = 4
    """The most popular pairs of the answer's topic that are looked at."""
    choices: int = 12
    """Candidates, the best ones that are answered, that diversity and exploration choose from."""
    transition_weight: float = 0.6
    """Of the probability of being asked next, beside similarity."""
    strategy: Strategy = "mmr"
    """One of `bot.selector.STRATEGIES`."""
    diversity: float = 0.3
    duplicate_similarity: float = 0.95
    explore: float = 0.05
    """Share of the slots that are drawn instead of ranked, so that what a change would do can be told from the log."""
    temperature: float = 0.1
    """Of what is drawn: at a value so much lower a candidate is drawn e times less often."""


class Clicks(Protocol):
    """A click model, as suggestions need it."""

    def probability(self, asked: Sequence[str], pair_ids: Sequence[str]) -> FloatArray:
        """Return the probability that each suggestion (n,) is clicked after these pairs, oldest first, at rank 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """The conversation, as suggestions need it: pairs that were answered, oldest first, and what not to show again.

    `earlier` are pairs that a customer who agreed to it asked in other conversations, oldest first. `turn_id` seeds
    what is explored: a turn without an id, as in an evaluation, explores nothing.
    """

    answered: tuple[str, ...] = ()
    without: frozenset[str] = frozenset()
    earlier: tuple[str, ...] = ()
    turn_id: str = ""


class FollowUps:
    """Suggests questions from one snapshot; safe to share between threads."""

    def __init__(
        self,
        retriever: Retriever,
        transitions: Sequence[Transition],
        config: FollowUpConfig,
        clicks: Clicks | None = None,
    ) -> None:
        """Take the retriever and transitions of the same snapshot, and a click model where there is one."""
        self._retriever = retriever
        self._config = config
        self._clicks = clicks
        self._row = {pair.pair_id: row for row, pair in enumerate(retriever.pairs)}
        self._topics = np.array([pair.topic for pair in retriever.pairs], dtype=object)
        self._next = _next_of(transitions, self._row, retriever) if retriever.pairs else None
        self._is_answered: Callable[[int], bool] = lambda row: True

    def only_answered(self, is_answered: Callable[[str, FloatArray], str]) -> None:
        """Suggest only what is answered when it is asked.

        Args:
            is_answered: question and its vector (d,) → id of the pair that answers it at once, empty where none does.
        """

        def ask(row: int) -> bool:
            pair = self._retriever.pairs[row]
            return is_answered(pair.question, self._retriever.question_vectors([row])[0]) == pair.pair_id

        # A question is asked once a snapshot: what it is answered with can't change.
        self._is_answered = lru_cache(_CHECKED)(ask)

    def after(self, asked: Asked) -> tuple[FollowUp, ...]:
        """Return what to ask after the newest answer of a conversation."""
        if self._next is None or not asked.answered:
            return ()
        row = self._row[asked.answered[-1]]
        vector = self._retriever.question_vectors([row])[0]
        likely = self._next.probabilities(self._steps(asked))
        found = self._candidates(row, vector, likely)
        rows = [each for each in found if each != row and self._is_fit(each, asked.without)]
        near = np.clip(self._retriever.question_vectors(rows) @ vector, -1.0, 1.0) if rows else np.empty(0)
        weight = self._config.transition_weight
        value = weight * likely[rows] + (1 - weight) * np.maximum(near, 0.0)
        return self._shown(rows, near, value, asked)

    def instead(self, matches: Sequence[Match], asked: Asked) -> tuple[FollowUp, ...]:
        """Return the nearest questions that have an answer, for one that has none."""
        known = [(self._row[match.pair.pair_id], match) for match in matches]
        fit = [(row, match) for row, match in known if self._is_fit(row, asked.without)]
        near = np.array([match.similarity for _, match in fit])
        return self._shown([row for row, _ in fit], near, np.array([match.relevance for _, match in fit]), asked)

    def _candidates(self, row: int, vector: FloatArray, likely: FloatMatrix) -> list[int]:
        """Return rows to choose from after an answer whose question has this vector (d,), each once."""
        config = self._config
        assert self._next is not None
        popular = self._next.probabilities([])
        # What is no likelier here than anywhere is not what this conversation leads to.
        most = np.argsort(-likely, kind="stable")[: config.likely]
        ahead = [int(each) for each in most if likely[each] > _AHEAD * popular[each]]
        near = [each for each, _ in self._retriever.neighbours(vector, config.neighbours)]
        of_topic = np.flatnonzero(self._topics == self._topics[row]) if self._topics[row] else np.empty(0, dtype=int)
        asked_most = of_topic[np.argsort(-popular[of_topic], kind="stable")][: config.popular].tolist()
        return list(dict.fromkeys([*ahead, *near, *asked_most]))

    def _steps(self, asked: Asked) -> list[Step]:
        return [Step(rows=(self._row[each],)) for each in (*asked.earlier, *asked.answered) if each in self._row]

    def _is_fit(self, row: int, without: Collection[str]) -> bool:
        pair = self._retriever.pairs[row]
        return pair.pair_id not in without and len(pair.question) <= self._config.longest

    def _shown(self, rows: Sequence[int], near: FloatMatrix, value: FloatMatrix, asked: Asked) -> tuple[FollowUp, ...]:
        """Return what is shown of the candidates, with their cosines (n,) and by their values (n,)."""
        # The best ones that are answered: of the others nobody needs to know.
        order = (int(at) for at in np.argsort(-value, kind="stable") if self._is_answered(rows[int(at)]))
        chosen = list(islice(order, self._config.choices))
        if not chosen:
            return ()
        rows, near = [rows[at] for at in chosen], near[chosen]
        values = np.clip(value[chosen], 0.0, 1.0).astype(np.float32)
        if self._clicks is not None:
            values = values * self._clicks.probability(asked.answered, [self._id(row) for row in rows])
            values = np.asarray(values / max(float(values.max()), 1e-9), dtype=np.float32)
        vectors = self._retriever.question_vectors(rows)
        slots = self._slots(values, self._selected(rows, vectors, values), asked)
        return tuple(
            FollowUp(
                pair_id=self._id(rows[slot.position]),
                question=self._retriever.pairs[rows[slot.position]].question,
                similarity=float(near[slot.position]),
                relevance=float(values[slot.position]),
                rank=rank,
                propensity=slot.propensity,
                chances=self._chances(slot, rows) if asked.turn_id and self._config.explore else {},
            )
            for rank, slot in enumerate(slots, start=1)
        )

    def _selected(self, rows: Sequence[int], vectors: FloatArray, values: FloatArray) -> list[int]:
        topics = [str(self._topics[row]) for row in rows]
        return select(
            vectors,
            values,
            self._config.count,
            self._config.diversity,
            self._config.strategy,
            aspects_of(topics, vectors, values),
            duplicate_similarity=self._config.duplicate_similarity,
            keep_duplicates=False,
        )

    def _slots(self, values: FloatArray, selected: Sequence[int], asked: Asked) -> list[Slot]:
        share = self._config.explore if asked.turn_id else 0.0
        seed = int.from_bytes(hashlib.sha256(f"explore {asked.turn_id}".encode()).digest()[:8], "big")
        return explored(values, selected, share=share, temperature=self._config.temperature, seed=seed)

    def _chances(self, slot: Slot, rows: Sequence[int]) -> dict[str, float]:
        return {self._id(row): float(each) for row, each in zip(rows, slot.chances, strict=True) if each > 0}

    def _id(self, row: int) -> str:
        return self._retriever.pairs[row].pair_id


def _next_of(transitions: Sequence[Transition], row: Mapping[str, int], retriever: Retriever) -> NextQuestion:
    """Return what is asked next, from transitions between pairs that are still known."""
    known = [each for each in transitions if each.from_pair in row and each.to_pair in row]
    steps = {pair_id: Step(rows=(at,)) for pair_id, at in row.items()}
    talks = [(steps[each.from_pair], steps[each.to_pair]) for each in known for _ in range(each.count)]
    return fit_next(talks, _Questions(retriever))


class _Questions:
    """Vectors of the questions of all pairs, looked up as they are needed."""

    def __init__(self, retriever: Retriever) -> None:
        self._retriever = retriever

    def __len__(self) -> int:
        return len(self._retriever.pairs)

    def __getitem__(self, rows: list[int]) -> FloatArray:
        return self._retriever.question_vectors(rows)
