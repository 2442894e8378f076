"""Asking back: which of several near ties a customer means, where none is clearly the one."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kb.text import clean_line
from kb.types import Context, FloatArray, Match
from models.ties import shares

NONE_OF_THESE = "None of these"
"""What a customer sends who means none of the options."""
FEWEST = 2
"""Options below which there is nothing to choose from."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClarifyingConfig:
    """When the bot asks back, and how many options it gives."""

    below: float = 0.7
    """Share of the best candidate below which the bot asks what is meant; 0 never asks."""
    covered: float = 0.9
    """Options are added until their shares come to this."""
    options: int = 4
    """At most so many."""


class NearTies:
    """Finds what to ask about."""

    def __init__(self, sharpness: float, duplicate_similarity: float, config: ClarifyingConfig) -> None:
        """Take what decides.

        Args:
            sharpness: of shares, see `models.ties`.
            duplicate_similarity: cosine from which on two questions say the same.
            config: see `ClarifyingConfig`.
        """
        self._sharpness = sharpness
        self._duplicate_similarity = duplicate_similarity
        self._config = config

    def among(self, relevance: FloatArray, vectors: FloatArray) -> list[int]:
        """Return the positions of the candidates to choose from, likeliest first; none where the best one is clear.

        Candidates whose questions say the same are one option, and have their shares together.

        Args:
            relevance: of the candidates, best first (n,).
            vectors: of the candidates' questions (n, d).
        """
        if self._config.below <= 0 or len(relevance) < FEWEST:
            return []
        kept = self._merged(shares(relevance, self._sharpness), vectors)
        order = sorted(kept, key=lambda position: -kept[position])
        # The best match may be less likely than two others that say the same: then it isn't clear.
        if len(order) < FEWEST or (order[0] == 0 and kept[0] >= self._config.below):
            return []
        needed = int(np.searchsorted(np.cumsum([kept[position] for position in order]), self._config.covered)) + 1
        return order[: max(FEWEST, min(needed, self._config.options))]

    def _merged(self, share: FloatArray, vectors: FloatArray) -> dict[int, float]:
        """Return the share of each candidate that doesn't say the same as a better one, with the shares of those."""
        kept: dict[int, float] = {}
        for position, value in enumerate(share.tolist()):
            alike = [other for other in kept if vectors[position] @ vectors[other] >= self._duplicate_similarity]
            first = alike[0] if alike else position
            kept[first] = kept.get(first, 0.0) + value
        return kept


def chosen_match(asked: Sequence[str], matches: Sequence[Match], context: Context) -> Match | None:
    """Return the match that the last reply offered in the very words of the message, as a click sends them.

    Args:
        asked: the message, and what it was understood as.
        matches: of the message.
        context: of the message.
    """
    if not context.history:
        return None
    offered = {
        _words(str(follow_up.get("question", ""))): follow_up["pair_id"]
        for follow_up in context.history[-1].reply.get("follow_ups", ())
    }
    chosen = [offered[_words(text)] for text in asked if _words(text) in offered]
    return next((match for match in matches if match.pair.pair_id in chosen), None)


def is_declined(question: str, context: Context) -> bool:
    """Return whether the bot asked back, and the customer means none of what it offered."""
    asked_back = bool(context.history) and context.history[-1].outcome == "clarifying"
    return asked_back and _words(question) == _words(NONE_OF_THESE)


def _words(text: str) -> str:
    return clean_line(text).casefold().rstrip(".!?")
