"""Suggestions in the log as arrays: a row is one that was shown, its probabilities those of the list down to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bot.chatbot import ChatBot
from bot.conversations import clicked_of, suggestions_of
from bot.offline import Logged, Target, along_lists
from bot.offline_replay import NAMES, Name, Replayed
from bot.offline_rewards import cross_fitted

Vector = NDArray[np.float64]


def slots_of(explored: Sequence[Replayed], bot: ChatBot) -> tuple[Logged, dict[Name, Target]]:
    """Return the rows of what was logged, and what both configurations show at them.

    Args:
        explored: turns with suggestions.
        bot: whose retriever knows how near suggestions are.
    """
    lists = [suggestions_of(each.turn) for each in explored]
    which: NDArray[np.int64] = np.repeat(np.arange(len(lists)), [len(each) for each in lists])
    flat = [slot for each in lists for slot in each]
    reward = np.array(
        [
            slot["pair_id"] in clicked_of(each.turn)
            for each, slots in zip(explored, lists, strict=True)
            for slot in slots
        ],
        dtype=np.float64,
    )
    conversation = np.array([explored[int(at)].turn["conversation"] for at in which])
    # Of the turn as it was logged: features must be the same whoever would show a suggestion.
    answered = [next((one["pair_id"] for one in each.turn["reply"]["responses"]), "") for each in explored]
    near = _Nearness(bot, [answered[at] for at in which], [slot["rank"] for slot in flat])
    instead = {name: _at_slots(explored, lists, name) for name in NAMES}
    predicted, *others = cross_fitted(
        near.features([slot["pair_id"] for slot in flat]),
        reward,
        conversation,
        [near.features(instead[name]) for name in NAMES],
    )
    logged = Logged(
        reward=reward,
        propensity=along_lists(np.array([slot["propensity"] for slot in flat]), which),
        conversation=conversation,
        predicted=predicted,
    )
    targets: dict[Name, Target] = {}
    for name, expected in zip(NAMES, others, strict=True):
        same = [slot["pair_id"] == other for slot, other in zip(flat, instead[name], strict=True)]
        targets[name] = Target(
            probability=along_lists(np.array(same, dtype=np.float64), which),
            shown=np.array([bool(other) for other in instead[name]], dtype=np.float64),
            predicted=expected,
            missing=sum(
                max(0, len(each.pairs(name)) - len(slots)) for each, slots in zip(explored, lists, strict=True)
            ),
        )
    return logged, targets


def _at_slots(explored: Sequence[Replayed], lists: Sequence[Sequence[Any]], name: Name) -> list[str]:
    """Return the pair that a configuration shows at each row; empty where it shows none."""
    found = []
    for each, slots in zip(explored, lists, strict=True):
        pairs = each.pairs(name)
        found.extend([*pairs, *[""] * len(slots)][: len(slots)])
    return found


class _Nearness:
    """Features for the model of clicks: rank of a suggestion, and its cosine with the question that was answered."""

    def __init__(self, bot: ChatBot, answered: Sequence[str], ranks: Sequence[int]) -> None:
        self._rows = {pair.pair_id: row for row, pair in enumerate(bot.retriever.pairs)}
        self._vectors = bot.retriever.question_vectors(list(range(len(self._rows))))
        self._answered = self._of(answered)
        self._ranks = np.eye(max(ranks))[np.array(ranks) - 1]

    def features(self, pair_ids: Sequence[str]) -> Vector:
        """Return features (n, d) of the pairs at the rows."""
        cosine = np.einsum("nd,nd->n", self._answered, self._of(pair_ids))
        return np.column_stack([self._ranks, cosine]).astype(np.float64)

    def _of(self, pair_ids: Sequence[str]) -> Vector:
        # What is no longer known is near to nothing.
        known = np.array([each in self._rows for each in pair_ids])
        found = np.zeros((len(pair_ids), self._vectors.shape[1]))
        found[known] = self._vectors[[self._rows[each] for each in pair_ids if each in self._rows]]
        return found
