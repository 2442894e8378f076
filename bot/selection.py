"""Which answers are shown: a strategy of `bot.selector`, with as much diversity as the question is ambiguous."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bot.aspects import aspects_of
from bot.selector import Strategy, duplicates, select
from bot.selector.ambiguity import ambiguity
from kb.types import FloatArray, Match

# Where the best match is certain, others are as certain only if they are it.
_LEAST_DOUBT = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """How many answers are shown, and which."""

    responses: int = 2
    """Answers of one reply, at most; a second one only where it is nearly as relevant and the bot doesn't ask back."""
    nearly: float = 0.7
    """Share of the first one's odds, relevance / (1 - relevance), that a further answer must have."""
    strategy: Strategy = "mmr"
    """One of `bot.selector.STRATEGIES`."""
    diversity: float = 0.3
    """Of what is shown together; where it adapts, of the most ambiguous question."""
    adaptive: bool = True
    """Diversity grows with how ambiguous the question is, from none where it is certain."""
    duplicate_similarity: float = 0.9
    """Cosine of two questions above which their answers say the same."""
    runners_up: int = 5
    """Candidates that an explanation names."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """The matches that are shown, why those that are as relevant are not (by the ids of pairs), and the diversity."""

    matches: tuple[Match, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    diversity: float = 0.0


class Selection:
    """Selects answers; safe to share between threads."""

    def __init__(self, config: SelectionConfig, sharpness: float) -> None:
        """Take settings, and the sharpness of shares (`models.ties`)."""
        self.config = config
        self._sharpness = sharpness

    def shown(self, matches: Sequence[Match], vectors: FloatArray, threshold: float) -> Shown:
        """Return the best match, and others that are nearly as relevant and say something else.

        Args:
            matches: of the question, best first.
            vectors: of their questions (n, d).
            threshold: relevance that all of them need.
        """
        needed = max(threshold, self.nearly(matches[0].relevance))
        at = [position for position, match in enumerate(matches) if match.relevance >= needed]
        eligible = [matches[position] for position in at]
        diversity = self.diversity(matches)
        chosen = self._selected(eligible, vectors[at], diversity)
        same = duplicates(vectors[at], chosen, self.config.duplicate_similarity)
        beyond = _is_beyond(self.config.responses)
        left_out = {
            match.pair.pair_id: _says_the_same(eligible[same[position]]) if position in same else beyond
            for position, match in enumerate(eligible)
            if position not in chosen
        }
        return Shown(matches=tuple(eligible[each] for each in chosen), left_out=left_out, diversity=diversity)

    def diversity(self, matches: Sequence[Match]) -> float:
        """Return the diversity for a question with these matches."""
        if not self.config.adaptive:
            return self.config.diversity
        return self.config.diversity * ambiguity(_relevance(matches), _topics(matches), self._sharpness)

    def nearly(self, relevance: float) -> float:
        """Return the relevance from which a match is nearly as relevant as one of this relevance."""
        odds = self.config.nearly * relevance / max(1 - relevance, _LEAST_DOUBT)
        return odds / (1 + odds)

    def _selected(self, eligible: Sequence[Match], vectors: FloatArray, diversity: float) -> list[int]:
        relevance = _relevance(eligible)
        return select(
            vectors,
            relevance,
            self.config.responses,
            diversity,
            self.config.strategy,
            aspects_of(_topics(eligible), vectors, relevance),
            duplicate_similarity=self.config.duplicate_similarity,
            keep_duplicates=False,
        )


def _relevance(matches: Sequence[Match]) -> FloatArray:
    return np.array([match.relevance for match in matches], dtype=np.float32)


def _topics(matches: Sequence[Match]) -> list[str]:
    return [match.pair.topic for match in matches]


def _says_the_same(shown: Match) -> str:
    """Return why a match is not shown beside another one."""
    return f"says the same as “{shown.pair.question}”"


def _is_beyond(shown: int) -> str:
    """Return why a match is not shown after so many."""
    return "only one answer is shown" if shown == 1 else f"only {shown} answers are shown"
