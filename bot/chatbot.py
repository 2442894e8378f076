"""Start here: ChatBot.answer(question, context) → Reply: understand, retrieve, match, decide, select, suggest.

It does no I/O and keeps nothing between calls: whoever calls it mints the turn id and records the turn, so that a
replay of a logged turn is the same call.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bot.context import ContextReader, Reading, Understood
from bot.follow_ups import FollowUps
from bot.policy import Decision, Policy
from bot.selector import select
from kb.errors import MessageError, describe
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.text import clean_line
from kb.types import Context, Explanation, FollowUp, Match, Reply, Response, Retrieved, RunnerUp, Snapshot
from models.matcher import Matcher

# Where the best match is certain, others are as certain only if they are it.
_LEAST_DOUBT = 1e-6


@dataclass(frozen=True, kw_only=True, slots=True)
class SelectionConfig:
    """How many answers are shown, and which."""

    responses: int = 2
    """Answers of one reply, at most; a second one only where it is nearly as relevant as the first."""
    nearly: float = 0.7
    """Share of the first one's odds, relevance / (1 - relevance), that a further answer must have."""
    diversity: float = 0.3
    duplicate_similarity: float = 0.9
    """Cosine of two questions above which their answers say the same."""
    runners_up: int = 5
    """Candidates that an explanation names."""


class ChatBot:
    """Answers from one snapshot; safe to share between threads."""

    def __init__(
        self,
        *,
        retriever: Retriever,
        matcher: Matcher,
        policy: Policy,
        follow_ups: FollowUps,
        context: ContextReader,
        speller: Speller,
        selection: SelectionConfig,
        snapshot: Snapshot,
    ) -> None:
        """Take the parts; `bot.build` puts them together."""
        self.snapshot = snapshot
        self.retriever = retriever
        self._matcher = matcher
        self._policy = policy
        self._follow_ups = follow_ups
        self._context = context
        self._speller = speller
        self._selection = selection

    def answer(self, question: str, context: Context | None = None) -> Reply:
        """Return the reply to a customer's message.

        Raises:
            MessageError: there is nothing to read in the message.
        """
        context = context or Context()
        understood = self._understand(question, context)
        reading, retrieved = self._context.retrieve(understood)
        matches = self._match(retrieved)
        decision = self._policy.decide(matches)
        selected = self._select(decision, matches, retrieved)
        follow_ups = self._suggest(selected, matches, context)
        return self._reply(reading, decision, matches, selected, follow_ups, context)

    def rank(self, question: str) -> list[Match]:
        """Return the matches of a message, best first: the first half of `answer`, for evaluation."""
        understood = self._understand(question, Context())
        return self._match(self._context.retrieve(understood)[1])

    def _understand(self, question: str, context: Context) -> Understood:
        cleaned = clean_line(question)
        if not cleaned:
            raise MessageError(describe(expected="a question", got="nothing to read", remedy="write one"))
        return self._context.read(self._speller.correct(cleaned), context.history)

    def _match(self, retrieved: Retrieved) -> list[Match]:
        relevance = self._matcher.relevance(retrieved)
        matches = [
            Match(candidate=candidate, relevance=float(value))
            for candidate, value in zip(retrieved.candidates, relevance, strict=True)
        ]
        return sorted(matches, key=lambda match: -match.relevance)

    def _select(self, decision: Decision, matches: Sequence[Match], retrieved: Retrieved) -> list[Match]:
        """Return what is shown: the best match, and others that are nearly as relevant and say something else."""
        if decision.outcome != "answered":
            return []
        odds = self._selection.nearly * matches[0].relevance / max(1 - matches[0].relevance, _LEAST_DOUBT)
        needed = max(decision.threshold, odds / (1 + odds))
        eligible = [match for match in matches if match.relevance >= needed]
        row = {candidate.pair.pair_id: row for row, candidate in enumerate(retrieved.candidates)}
        vectors = retrieved.vectors[[row[match.pair.pair_id] for match in eligible]]
        positions = select(
            vectors,
            np.array([match.relevance for match in eligible], dtype=np.float32),
            self._selection.responses,
            self._selection.diversity,
            duplicate_similarity=self._selection.duplicate_similarity,
        )
        return [eligible[position] for position in positions]

    def _suggest(self, selected: Sequence[Match], matches: Sequence[Match], context: Context) -> tuple[FollowUp, ...]:
        shown = {match.pair.pair_id for match in selected}
        for turn in context.history:
            shown.update(response["pair_id"] for response in turn.reply.get("responses", ()))
        if selected:
            return self._follow_ups.after(selected[0].pair.pair_id, shown)
        return self._follow_ups.instead(matches, shown)

    def _reply(
        self,
        reading: Reading,
        decision: Decision,
        matches: Sequence[Match],
        selected: Sequence[Match],
        follow_ups: tuple[FollowUp, ...],
        context: Context,
    ) -> Reply:
        return Reply(
            turn_id=context.turn_id,
            outcome=decision.outcome,
            message=decision.message,
            responses=tuple(_response(match, rank) for rank, match in enumerate(selected, start=1)),
            follow_ups=follow_ups,
            confidence=decision.confidence,
            explanation=Explanation(
                understood=reading.question,
                reason=decision.reason,
                threshold=decision.threshold,
                features=_features(matches),
                runners_up=self._runners_up(decision, matches, selected),
                context=reading.context,
            ),
            snapshot=self.snapshot,
        )

    def _runners_up(
        self, decision: Decision, matches: Sequence[Match], selected: Sequence[Match]
    ) -> tuple[RunnerUp, ...]:
        shown = {match.pair.pair_id for match in selected}
        others = [match for match in matches if match.pair.pair_id not in shown]
        return tuple(
            RunnerUp(
                pair_id=match.pair.pair_id,
                question=match.pair.question,
                similarity=match.similarity,
                relevance=match.relevance,
                reason="below the threshold" if match.relevance < decision.threshold else "less relevant",
            )
            for match in others[: self._selection.runners_up]
        )


def _response(match: Match, rank: int) -> Response:
    pair = match.pair
    return Response(
        pair_id=pair.pair_id,
        question=pair.question,
        answer=pair.answer,
        topic=pair.topic,
        source=pair.source,
        matched=match.candidate.phrasing,
        similarity=match.similarity,
        relevance=match.relevance,
        rank=rank,
    )


def _features(matches: Sequence[Match]) -> dict[str, float]:
    """Return what is known of the best match, for the explanation."""
    if not matches:
        return {}
    best = matches[0].candidate
    features = {
        "evidence": best.evidence,
        "similarity": best.similarity,
        "answer_similarity": best.answer_similarity,
        "lexical": best.lexical,
    }
    if len(matches) > 1:
        features["margin"] = matches[0].relevance - matches[1].relevance
    return features
