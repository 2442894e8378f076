"""Start here: ChatBot.answer(question, context) → Reply: understand, retrieve, match, decide, select, suggest.

It does no I/O and keeps nothing between calls: whoever calls it mints the turn id and records the turn, so that a
replay of a logged turn is the same call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from bot.attribution import Attribution, words_that_mattered
from bot.clarifying import NearTies, chosen_match, is_declined
from bot.context import ContextReader, Reading, Understood
from bot.follow_ups import FollowUps
from bot.policy import Decision, Policy
from bot.selector import duplicates, select
from kb.codec import told_of
from kb.errors import MessageError, describe
from kb.retriever import Retriever
from kb.spelling import Speller
from kb.text import clean_line
from kb.types import (
    Context,
    Explanation,
    FloatArray,
    FollowUp,
    Match,
    Reply,
    Response,
    Retrieved,
    RunnerUp,
    Snapshot,
)
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
        near_ties: NearTies,
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
        self._near_ties = near_ties
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
        decision = self._decide(matches, retrieved, reading, question, context)
        selected, left_out = self._select(decision, matches, retrieved)
        follow_ups = self._suggest(decision, selected, matches, context)
        runners_up = self._runners_up(decision, matches, selected, left_out)
        return self._reply(reading, decision, matches, selected, follow_ups, runners_up, context)

    def rank(self, question: str) -> list[Match]:
        """Return the matches of a message, best first: the first half of `answer`, for evaluation."""
        understood = self._understand(question, Context())
        return self._match(self._context.retrieve(understood)[1])

    def rank_all(self, questions: Sequence[str]) -> list[list[Match]]:
        """Return the matches of many messages, as `rank` does for each, encoded together."""
        if not self.retriever.pairs:
            return [[] for _ in questions]
        understood = [self._cleaned(question) for question in questions]
        vectors = self.retriever.encoder.encode(understood)
        return [self._match(self.retriever.retrieve_known(*each)) for each in zip(understood, vectors, strict=True)]

    def attribute(self, understood: str, pair_id: str) -> Attribution:
        """Return what each word of a question did for a pair; the question as `Explanation.understood` has it."""
        is_known = any(pair.pair_id == pair_id for pair in self.retriever.pairs)
        words = words_that_mattered(understood, partial(self._relevance_of, pair_id)) if is_known else ()
        return Attribution(pair_id=pair_id, words=words, snapshot=self.snapshot)

    def _relevance_of(self, pair_id: str, texts: Sequence[str]) -> FloatArray:
        """Return the relevance of a pair to each text (n,), all encoded in one batch."""
        vectors = self.retriever.encoder.encode(texts)
        found = [
            self._match(self.retriever.retrieve_known(text, vector))
            for text, vector in zip(texts, vectors, strict=True)
        ]
        # A pair that is not even among the candidates is no more relevant than the last of them.
        values = [
            next((match.relevance for match in matches if match.pair.pair_id == pair_id), matches[-1].relevance)
            for matches in found
        ]
        return np.array(values, dtype=np.float32)

    def _understand(self, question: str, context: Context) -> Understood:
        return self._context.read(self._cleaned(question), context.history)

    def _cleaned(self, question: str) -> str:
        cleaned = clean_line(question)
        if not cleaned:
            raise MessageError(describe(expected="a question", got="nothing to read", remedy="write one"))
        return self._speller.correct(cleaned)

    def _match(self, retrieved: Retrieved) -> list[Match]:
        relevance = self._matcher.relevance(retrieved)
        matches = [
            Match(candidate=candidate, relevance=float(value))
            for candidate, value in zip(retrieved.candidates, relevance, strict=True)
        ]
        return sorted(matches, key=lambda match: -match.relevance)

    def _decide(
        self, matches: list[Match], retrieved: Retrieved, reading: Reading, question: str, context: Context
    ) -> Decision:
        """Return what to do; a match that the customer chose comes first in the matches from then on."""
        if chosen := chosen_match((question, reading.question), matches, context):
            matches.remove(chosen)
            matches.insert(0, chosen)
            return self._policy.choose(chosen)
        if is_declined(question, context):
            return self._policy.decline(matches)
        decision = self._policy.decide(matches)
        if decision.outcome != "answered":
            return decision
        relevance = np.array([match.relevance for match in matches], dtype=np.float32)
        options = self._near_ties.among(relevance, self._vectors(matches, retrieved))
        return self._policy.ask_back(decision, options) if options else decision

    def _vectors(self, matches: Sequence[Match], retrieved: Retrieved) -> FloatArray:
        """Return the vectors of the matches' questions (n, d)."""
        row = {candidate.pair.pair_id: row for row, candidate in enumerate(retrieved.candidates)}
        vectors: FloatArray = retrieved.vectors[[row[match.pair.pair_id] for match in matches]]
        return vectors

    def _select(
        self, decision: Decision, matches: Sequence[Match], retrieved: Retrieved
    ) -> tuple[list[Match], dict[str, str]]:
        """Return what is shown: the best match, and others that are nearly as relevant and say something else.

        With it, by the ids of pairs, why those that are as relevant are not shown.
        """
        if decision.outcome != "answered":
            return [], {}
        odds = self._selection.nearly * matches[0].relevance / max(1 - matches[0].relevance, _LEAST_DOUBT)
        needed = max(decision.threshold, odds / (1 + odds))
        eligible = [match for match in matches if match.relevance >= needed]
        vectors = self._vectors(eligible, retrieved)
        positions = select(
            vectors,
            np.array([match.relevance for match in eligible], dtype=np.float32),
            self._selection.responses,
            self._selection.diversity,
            duplicate_similarity=self._selection.duplicate_similarity,
        )
        same = duplicates(vectors, positions, self._selection.duplicate_similarity)
        left_out = {
            match.pair.pair_id: _says_the_same(eligible[same[at]]) if at in same else self._is_beyond()
            for at, match in enumerate(eligible)
            if at not in positions
        }
        return [eligible[position] for position in positions], left_out

    def _is_beyond(self) -> str:
        shown = self._selection.responses
        return "only one answer is shown" if shown == 1 else f"only {shown} answers are shown"

    def _suggest(
        self, decision: Decision, selected: Sequence[Match], matches: Sequence[Match], context: Context
    ) -> tuple[FollowUp, ...]:
        if decision.outcome == "clarifying":
            return tuple(_option(matches[at], rank) for rank, at in enumerate(decision.options, start=1))
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
        runners_up: tuple[RunnerUp, ...],
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
                runners_up=runners_up,
                told=told_of(context),
                context=reading.context,
            ),
            snapshot=self.snapshot,
        )

    def _runners_up(
        self,
        decision: Decision,
        matches: Sequence[Match],
        selected: Sequence[Match],
        left_out: Mapping[str, str],
    ) -> tuple[RunnerUp, ...]:
        shown = {match.pair.pair_id for match in (*selected, *(matches[at] for at in decision.options))}
        others = [match for match in matches if match.pair.pair_id not in shown]
        return tuple(
            RunnerUp(
                pair_id=match.pair.pair_id,
                question=match.pair.question,
                similarity=match.similarity,
                relevance=match.relevance,
                reason=left_out.get(match.pair.pair_id) or _is_too_little(match, decision),
            )
            for match in others[: self._selection.runners_up]
        )


def _option(match: Match, rank: int) -> FollowUp:
    return FollowUp(
        pair_id=match.pair.pair_id,
        question=match.pair.question,
        similarity=match.similarity,
        relevance=match.relevance,
        rank=rank,
    )


def _says_the_same(shown: Match) -> str:
    return f"says the same as “{shown.pair.question}”"


def _is_too_little(match: Match, decision: Decision) -> str:
    if match.relevance < decision.threshold:
        return "below the threshold"
    return "less likely to be meant" if decision.options else "much less relevant than the first answer"


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
